"""`edge-med ask`: one question, one answer."""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edge_med import documents
from edge_med._platform.piped import waiting
from edge_med.answers import DISCLAIMER
from edge_med.artifacts.safe_text import safe_text
from edge_med.cli.render.status_line import StatusLine
from edge_med.cli.render.streaming import interruptible, show_answer
from edge_med.cli.render.wrapping import say
from edge_med.cli.shared.flag_groups import GroupedCommand
from edge_med.cli.shared.image_args import image_facts, pictures_of, with_tags
from edge_med.cli.shared.image_cost import learn
from edge_med.cli.shared.image_flags import FILE, shown_options
from edge_med.cli.shared.logs import shown_log
from edge_med.cli.shared.model_choice import choose_model
from edge_med.cli.shared.options import (
    answer_options,
    answer_settings,
    load_settings,
    model_options,
    output_options,
)
from edge_med.cli.shared.save_box import FoundBoxes, Search
from edge_med.cli.shared.schema_args import keep_partial_answer, read_for, schema_text
from edge_med.errors import CancelledError, UsageError
from edge_med.plain_json import plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from edge_med.answers import Answer
    from edge_med.config import Options
    from edge_med.imaging import Picture, Study
    from edge_med.load_model import Info


@click.command(cls=GroupedCommand)
@click.argument("text", metavar="[TEXT]", required=False)
@shown_options
@model_options
@answer_options
@click.option("--schema", metavar="FILE|JSON", help="JSON schema that the answer must fit.")
@click.option("--grammar", type=FILE, metavar="FILE", help="GBNF grammar that the answer must fit.")
@click.option(
    "--save-box",
    type=FILE,
    metavar="FILE.png",
    help="Find the structure that TEXT names, and save the image with a box around it.",
)
@click.option(
    "--force",
    is_flag=True,
    help="Also ask about an image that shows nothing, and let --save-box replace a file.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the whole answer as JSON.")
@output_options
def ask(
    text: str | None,
    *,
    model: str | None,
    images: tuple[Path | bytes, ...],
    files: tuple[Path, ...],
    system: str | None,
    save_box: Path | None,
    force: bool,
    as_json: bool,
    quiet: bool,
    verbose: bool,
    **settings: Any,
) -> None:
    """Ask one question, also about an image.

    A base model continues TEXT. Without TEXT, or with - for it, it is read from stdin.
    """
    from edge_med.api import MedGemma

    question = _asked(text, named=[*images, *files], quiet=quiet)
    options = _options(settings)
    search = Search(question, images, save_box, force) if save_box else None
    prompt = documents.prepend(search.prompt if search else question, map(documents.report, files))
    shown = not (as_json or search) and sys.stdout.isatty()
    taken = choose_model(model, quiet=quiet, as_json=as_json)
    with (
        keep_partial_answer(as_json=as_json, shown=shown),
        _warn_of_piped_text(text, quiet=quiet),
        shown_log(verbose),
        MedGemma.load(taken, **load_settings(settings)) as opened,
        interruptible(opened.cancel),
        StatusLine(hidden=quiet) as live,
    ):
        _tell_choice(opened.info, quiet=quiet)
        pictures = pictures_of(images, opened, options, settings, live, force=force)
        searched = search.searched_image(pictures) if search else None
        asked = with_tags(prompt, pictures if settings["tags"] else ())
        events = opened.stream(asked, images=pictures, system=system, options=options)
        answer = show_answer(events, live, shown=shown, thoughts=verbose, codes=_codes(quiet=quiet))
        learn(taken, settings["threads"], pictures, answer)
    found = search.boxes_of(answer, searched) if search and searched else None
    _report(answer, found, pictures, as_json, shown=shown, quiet=quiet)
    if search and found:
        search.save(found, settings, quiet=quiet)


def _codes(*, quiet: bool) -> Callable[[str], bool]:
    """Which notices are written as they come, by their codes; some are even if all is quiet."""
    from edge_med.chat.respond import UNTRUE
    from edge_med.imaging import picture_notices

    always, said_before = UNTRUE | {"toy"}, picture_notices.CODES | {"research_only"}
    return lambda code: code in always or not (quiet or code in said_before)


def _note(text: str, *, quiet: bool) -> None:
    if not quiet:
        say(text)


@contextmanager
def _warn_of_piped_text(text: str | None, *, quiet: bool) -> Iterator[None]:
    """Warn that a piped text isn't read if TEXT is given, once it is there: its writer may be slow.

    A script that reads its own lines from there has to find them, so none is taken.
    """
    warned = quiet or text in (None, "-") or _warn_if_piped()
    yield
    if not warned:
        _warn_if_piped()


def _warn_if_piped() -> bool:
    with suppress(AttributeError, OSError, ValueError):  # none, closed, or none of the system's
        if waiting(sys.stdin.fileno()):
            say("The piped text isn't read, because TEXT is given. Give a text file with --file.")
            return True
    return False


def _asked(text: str | None, named: Sequence[Path | bytes], *, quiet: bool) -> str:
    """The question, which may be piped in; then without the line end that a pipe leaves there.

    What no answer is for is said before anything else.
    """
    from edge_med.chat import input_lines, stray_commands

    _note(DISCLAIMER, quiet=quiet)
    if text in (None, "-"):
        text = ""
        if sys.stdin and not sys.stdin.isatty():
            text = documents.decode(sys.stdin.buffer.read(documents.MOST_BYTES + 1)).rstrip("\n")
    if not text or documents.is_blank(text):
        raise UsageError(
            "There is no question.", 'Give it as text, as in: edge-med ask "…"; or pipe it in.'
        )
    if input_lines.is_name(text):
        raise UsageError(
            f"{text.strip()} is the name of a file, not a question.",
            "Give an image with --image or a text with --file, and ask something about it.",
        )
    if stray_commands.command_for(text) or stray_commands.COMMAND.fullmatch(text):
        raise UsageError(
            f"{text.strip()} is a command of the chat, not a question.",
            "Start the chat with: edge-med chat. To ask about the word, put it into a sentence.",
        )
    names = {path.name for path in named if isinstance(path, Path)}
    input_lines.refuse_names(text.strip(), "--image", there=True, given=names)
    return text


def _options(settings: dict[str, Any]) -> Options:
    """How the answer is written: with the contents of the files that are named for its form."""
    from edge_med.engine.grammar.response_format import ResponseFormat

    schema, grammar = settings["schema"], settings["grammar"]
    forms = {
        "schema": schema if schema is None else schema_text(schema),
        "grammar": grammar if grammar is None else read_for("--grammar", grammar),
    }
    options = answer_settings({**settings, **forms})
    ResponseFormat(options)  # refuses a schema before a model is loaded
    return options


def _tell_choice(info: Info, *, quiet: bool) -> None:
    """Which quant was taken, if there are others."""
    if info.others:
        quants = len(info.others) + 1
        _note(
            f"Using {safe_text(info.model.file)}, one of {quants} quantizations of this model.",
            quiet=quiet,
        )


def _report(
    answer: Answer,
    found: FoundBoxes | None,
    pictures: Sequence[Picture | Study],
    as_json: bool,  # noqa: FBT001 - the flag of that name
    *,
    shown: bool,
    quiet: bool,
) -> None:
    """The answer, and what the user should know of it; one that was cancelled ends all."""
    if as_json:
        more = image_facts(pictures) | (plain(found) if found else {})
        click.echo(json.dumps(answer.to_dict() | more, indent=1))
    elif not shown:  # it wasn't, while it was written
        _print(answer, found)
    for remark in found.remarks if found and not quiet else ():
        say(remark)
    if answer.finish_reason == "length" and not (quiet or as_json):
        say("The answer was cut off. Allow a longer one with --max-new-tokens.")
    if answer.finish_reason == "cancelled":
        raise click.exceptions.Exit(CancelledError.exit_code)


def _print(answer: Answer, found: FoundBoxes | None) -> None:
    """Print the whole answer to stdout."""
    for line in found.lines() if found and found.boxes else [safe_text(answer.text)]:
        click.echo(line)
