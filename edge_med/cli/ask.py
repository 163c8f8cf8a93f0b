"""`edge-med ask`: one question, one answer."""

from __future__ import annotations

import dataclasses
import json
import logging
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import click

from edge_med.artifacts.safe_text import safe_text
from edge_med.errors import CancelledError

NOTICE = "For research and education; never for diagnosis or treatment."


@click.command()
@click.argument("text")
@click.option(
    "--model",
    required=True,
    type=click.Path(path_type=Path),
    envvar="EDGE_MED_MODEL",
    help="A text model's GGUF file.",
)
@click.option(
    "--max-new-tokens",
    default=1024,
    show_default=True,
    type=click.IntRange(1, 8192),
    help="Where the answer is cut off.",
)
@click.option(
    "--context",
    default=8192,
    show_default=True,
    type=click.IntRange(16, 131_072),
    help="Tokens of prompt and answer together.",
)
@click.option(
    "--threads",
    type=click.IntRange(min=1),
    envvar="EDGE_MED_THREADS",
    help="By default all usable cores.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the whole answer as JSON.")
@click.option("--quiet", is_flag=True, help="Nothing but the answer.")
@click.option("--verbose", is_flag=True, help="Show what llama.cpp logs.")
def ask(
    text: str,
    *,
    model: Path,
    max_new_tokens: int,
    context: int,
    threads: int | None,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Ask MODEL a question, or have a base model continue TEXT."""
    from edge_med.engine.generate import Piece, stream
    from edge_med.engine.model import LoadOptions, Model
    from edge_med.engine.tokens import compose

    if not quiet:
        click.echo(NOTICE, err=True)
    options = LoadOptions(context=context, threads=threads)
    with shown_log(verbose), interruptible() as stop, Model(model, options) as m:
        prompt, answer = compose(m, text), None
        for event in stream(m, prompt, max_new_tokens=max_new_tokens, stop=stop):
            if not isinstance(event, Piece):
                answer = event.answer
            elif not as_json:
                click.echo(safe_text(event.text), nl=False)
    assert answer is not None
    _finish(answer, as_json=as_json)


def _finish(answer: object, *, as_json: bool) -> None:
    data = dataclasses.asdict(answer)  # type: ignore[call-overload]
    click.echo(json.dumps(data, indent=1) if as_json else "")
    if data["finish_reason"] == "cancelled":
        raise click.exceptions.Exit(CancelledError.exit_code)


@contextmanager
def interruptible() -> Iterator[Callable[[], bool]]:
    """Let Ctrl-C end an answer between two steps of computing instead of in the midst of one.

    Yields a function that says whether it was pressed; a second time interrupts at once.
    """
    pressed = threading.Event()

    def on_interrupt(_signal: int, _frame: FrameType | None) -> None:
        if pressed.is_set():
            raise KeyboardInterrupt
        pressed.set()

    before = signal.signal(signal.SIGINT, on_interrupt)
    try:
        yield pressed.is_set
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
