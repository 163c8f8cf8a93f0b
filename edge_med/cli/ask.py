"""`edge-med ask`: one question, one answer."""

from __future__ import annotations

import dataclasses
import json
import logging
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from edge_med.artifacts.safe_text import safe_text
from edge_med.cli.live import Live
from edge_med.config import LONGEST_ANSWER, LONGEST_CONTEXT, LoadOptions, Options
from edge_med.errors import CancelledError, UsageError

if TYPE_CHECKING:
    from edge_med.api import Info

NOTICE = "For research and education; never for diagnosis or treatment."

_LOAD, _ANSWER = LoadOptions(), Options()


@click.command()
@click.argument("text")
@click.option(
    "--model",
    required=True,
    envvar="EDGE_MED_MODEL",
    metavar="NAME|PATH",
    help="A GGUF file, a folder with a model, or a model's name.",
)
@click.option(
    "--adapter",
    "adapters",
    multiple=True,
    metavar="PATH[=SCALE]",
    help="A LoRA adapter that is applied; without a scale, by 1.",
)
@click.option("--image", "images", multiple=True, metavar="FILE", help="Shown before the text.")
@click.option(
    "--fit",
    type=click.Choice(["pad", "stretch"]),
    default=_ANSWER.fit,
    show_default=True,
    help="How images come into the model's square.",
)
@click.option("--system", help="A text that stands before everything.")
@click.option(
    "--max-new-tokens",
    type=click.IntRange(1, LONGEST_ANSWER),
    default=_ANSWER.max_new_tokens,
    show_default=True,
    help="Where the answer is cut off.",
)
@click.option(
    "--think",
    type=click.Choice(["off", "auto", "on"]),
    default=_ANSWER.think,
    show_default=True,
    help="Whether the model may think first, or shall.",
)
@click.option(
    "--think-budget",
    type=click.IntRange(0, LONGEST_ANSWER),
    default=_ANSWER.think_budget,
    show_default=True,
    help="Tokens after which a thought is ended.",
)
@click.option("--temperature", type=float, default=0.0, help="0: always the most probable token.")
@click.option("--top-k", type=int, default=0, help="Choose from that many of the best tokens.")
@click.option("--top-p", type=float, default=1.0, help="Choose from the best of this probability.")
@click.option("--min-p", type=float, default=0.0, help="Choose from those with this share of it.")
@click.option("--seed", type=int, help="Of the choice; a fresh one if unset.")
@click.option("--stop", multiple=True, metavar="TEXT", help="A text that ends the answer.")
@click.option(
    "--context",
    type=click.IntRange(16, LONGEST_CONTEXT),
    default=_LOAD.context,
    show_default=True,
    help="Tokens of prompt and answer together.",
)
@click.option(
    "--kv",
    type=click.Choice(["f16", "q8_0"]),
    default=_LOAD.kv,
    show_default=True,
    help="Type of the KV cache.",
)
@click.option(
    "--memory",
    type=click.Choice(["plan", "warn", "ignore"]),
    default=_LOAD.memory,
    show_default=True,
    help="If the memory won't do: refuse, warn, or load all the same.",
)
@click.option(
    "--threads",
    type=click.IntRange(min=1),
    envvar="EDGE_MED_THREADS",
    help="By default all usable performance cores.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the whole answer as JSON.")
@click.option("--quiet", is_flag=True, help="Nothing but the answer.")
@click.option("--verbose", is_flag=True, help="Show what llama.cpp logs.")
def ask(
    text: str,
    *,
    model: str,
    adapters: tuple[str, ...],
    images: tuple[str, ...],
    system: str | None,
    as_json: bool,
    quiet: bool,
    verbose: bool,
    **settings: Any,
) -> None:
    """Ask MODEL a question, or have a base model continue TEXT."""
    from edge_med.answers import End, Piece, Progress
    from edge_med.api import MedGemma

    if not quiet:
        click.echo(NOTICE, err=True)
    scales = _scales(adapters)
    by_name = {path.stem: scale for path, scale in scales.items()}
    options = Options(**_of(Options, settings), adapters=by_name)
    with (
        shown_log(verbose),
        MedGemma.load(model, adapters=list(scales), **_of(LoadOptions, settings)) as opened,
        interruptible(opened.cancel),
        Live(hidden=quiet) as live,
    ):
        if opened.info.others and not quiet:
            _tell_choice(opened.info)
        for event in opened.stream(text, images=images, system=system, options=options):
            match event:
                case Progress():
                    live.show(event)
                case Piece(kind="thought"):
                    live.think()
                case Piece() if not as_json:
                    live.clear()
                    click.echo(safe_text(event.text), nl=False)
                case End(answer):
                    live.clear()
                    _finish(answer, as_json=as_json, quiet=quiet)


def _tell_choice(info: Info) -> None:
    count = len(info.others) + 1
    click.echo(f"Using {safe_text(info.model.file)} of {count}.", err=True)


def _of(kind: type[LoadOptions | Options], settings: dict[str, Any]) -> dict[str, Any]:
    """The settings that belong to one kind of options."""
    names = {field.name for field in dataclasses.fields(kind)}
    return {name: value for name, value in settings.items() if name in names}


def _scales(adapters: tuple[str, ...]) -> dict[Path, float]:
    """The adapters' files, each with its scale."""
    scales: dict[Path, float] = {}
    for path, scale in map(_path_and_scale, adapters):
        if path in scales:
            raise UsageError(
                f"--adapter names {path.name} twice.", "Give each adapter once, with its scale."
            )
        scales[path] = scale
    return scales


def _path_and_scale(given: str) -> tuple[Path, float]:
    """The parts of PATH=SCALE; a path may hold an equals sign too."""
    path, _, scale = given.rpartition("=")
    try:
        return (Path(path), float(scale)) if path else (Path(given), 1.0)
    except ValueError:
        return Path(given), 1.0


def _finish(answer: Any, *, as_json: bool, quiet: bool) -> None:
    if as_json:
        click.echo(json.dumps(plain(dataclasses.asdict(answer)), indent=1))
    else:
        click.echo()
    if not quiet:
        for notice in answer.notices:
            if notice.code != "research_only":  # it was said before
                click.echo(notice.text, err=True)
    if answer.finish_reason == "cancelled":
        raise click.exceptions.Exit(CancelledError.exit_code)


def plain(value: Any) -> Any:
    """Without numbers that JSON doesn't know: a banned token has no finite log-probability."""
    if isinstance(value, dict):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in value]
    return None if value in (float("inf"), float("-inf")) else value


@contextmanager
def interruptible(cancel: Callable[[], bool]) -> Iterator[None]:
    """Let Ctrl-C end an answer between two steps of computing instead of in the midst of one.

    A second time interrupts at once, and so does the first while there is no answer.

    Args:
        cancel: ends the answers that have begun, and says whether there was one.
    """
    pressed: list[bool] = []

    def on_interrupt(_signal: int, _frame: FrameType | None) -> None:
        again = bool(pressed)
        pressed.append(True)
        if again or not cancel():
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, on_interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


class _SafeFormatter(logging.Formatter):
    """llama.cpp prints what it finds in a file, and that may be anything."""

    def format(self, record: logging.LogRecord) -> str:
        return safe_text(super().format(record))


@contextmanager
def shown_log(verbose: bool) -> Iterator[None]:  # noqa: FBT001 - the flag of that name
    """Show what llama.cpp logs, on stderr, if that is wanted."""
    logger = logging.getLogger("edge_med.llama_cpp")
    handler = logging.StreamHandler() if verbose else logging.NullHandler()
    handler.setFormatter(_SafeFormatter("%(name)s: %(message)s"))
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO if verbose else level)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
