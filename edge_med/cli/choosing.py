"""The model of a command that was given none, and what is said about it."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

import click

from edge_med.artifacts.safe_text import safe_line
from edge_med.cli.converting import convert
from edge_med.models import default

TOY = (
    "No model is named: using micro, a toy trained on synthetic phantoms. It knows no medicine: "
    "nothing that it says about a real picture or patient means anything."
)


def chosen(named: str | None, *, quiet: bool) -> str | Path:
    """The model to load; what was chosen for the user is said on stderr.

    Args:
        named: by flag, environment or config.toml.
        quiet: say nothing.
    """
    choice = default.choose(named)
    if choice.embedded:
        _prepare(Path(choice.model))
        _say(TOY, quiet=quiet)
    elif not choice.named:
        _say(f"No model is named: using {choice.model}, the only one there is.", quiet=quiet)
    return choice.model


def _prepare(folder: Path) -> None:
    """Convert micro, if that wasn't done, or not from the one that is installed now."""
    checkpoint = default.embedded()
    if default.is_made_from(folder, checkpoint):
        return
    unseen = io.StringIO()  # its licence's notice comes in `TOY`, and the files aren't the answer
    with contextlib.redirect_stdout(unseen), contextlib.redirect_stderr(unseen):
        convert(
            *(checkpoint, "--out", folder, "--name", default.MICRO),
            *("--quant", "Q8_0", "--mmproj", "F16", "--force", "--quiet"),
        )


def _say(text: str, *, quiet: bool) -> None:
    if not quiet:
        click.echo(safe_line(text), err=True)
