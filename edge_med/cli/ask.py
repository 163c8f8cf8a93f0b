"""`edge-med ask`: one question, one answer."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

import click

from edge_med.artifacts.safe_text import safe_text
from edge_med.cli.live import Live
from edge_med.cli.options import (
    answer_options,
    answer_settings,
    load_settings,
    model_options,
    output_options,
)
from edge_med.cli.output import plain
from edge_med.cli.running import NOTICE, interruptible, shown_log
from edge_med.errors import CancelledError

if TYPE_CHECKING:
    from edge_med.api import Info


@click.command()
@click.argument("text")
@click.option("--image", "images", multiple=True, metavar="FILE", help="Shown before the text.")
@model_options
@answer_options
@click.option("--json", "as_json", is_flag=True, help="Print the whole answer as JSON.")
@output_options
def ask(
    text: str,
    *,
    model: str,
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
    options = answer_settings(settings)
    with (
        shown_log(verbose),
        MedGemma.load(model, **load_settings(settings)) as opened,
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
