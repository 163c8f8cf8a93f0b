"""The model of a command that was given none, and what is said about it."""

from __future__ import annotations

import contextlib
import io
import sys
from pathlib import Path

from edge_med.cli.render.wrapping import say
from edge_med.cli.shared.run_convert import convert
from edge_med.errors import UsageError
from edge_med.library import default_model, store


def choose_model(named: str | None, *, quiet: bool, as_json: bool = False) -> str | Path:
    """The model to load; what was chosen for the user is said on stderr.

    Args:
        named: model by flag, environment or config.toml.
        quiet: whether nothing is said.
        as_json: whether a program reads the answer.

    Raises:
        UsageError: none is named and none is installed, and nobody would see the notice that a
            toy answers; or several could be meant.
    """
    choice = default_model.choose(named)
    if choice.embedded:
        if not choice.named and (quiet or as_json or not _somebody_looks()):
            raise UsageError(
                f"No model is named, and none is installed in {store.models_folder()}.",
                "Name one with `model`; edge-med convert makes one from a checkpoint. To try the "
                "toy, which knows no medicine: --model micro",
            )
        _prepare(Path(choice.model))
    if not choice.named:
        why = "which comes with edge-med" if choice.embedded else "the only one there is"
        _say(f"No model is named: using {Path(choice.model).name}, {why}.", quiet=quiet)
    return choice.model


def _somebody_looks() -> bool:
    """Whether a terminal is at both ends, and no script."""
    return all(end is not None and end.isatty() for end in (sys.stdin, sys.stdout))


def _prepare(folder: Path) -> None:
    """Convert micro, if that wasn't done, or not from the one that is installed now."""
    checkpoint = default_model.embedded()
    if default_model.is_made_from(folder, checkpoint):
        return
    unseen = io.StringIO()  # the files aren't the answer, and that it is a toy is said with that
    with contextlib.redirect_stdout(unseen), contextlib.redirect_stderr(unseen):
        convert(
            *(checkpoint, "--out", folder, "--name", default_model.MICRO),
            *("--quant", "Q8_0", "--mmproj", "F16", "--force", "--quiet"),
        )


def _say(text: str, *, quiet: bool) -> None:
    if not quiet:
        say(text)
