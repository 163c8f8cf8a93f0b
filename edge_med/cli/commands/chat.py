"""`edge-med chat`: a conversation in the terminal, or over a pipe."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edge_med import _platform
from edge_med.cli.shared.flag_groups import GroupedCommand
from edge_med.cli.shared.image_flags import shown_options
from edge_med.cli.shared.logs import shown_log
from edge_med.cli.shared.model_choice import choose_model
from edge_med.cli.shared.options import (
    answer_options,
    answer_settings,
    load_settings,
    model_options,
    output_options,
)
from edge_med.errors import CancelledError, UsageError

if TYPE_CHECKING:
    from edge_med.chat.ui import UI


@click.command(cls=GroupedCommand)
@shown_options
@model_options
@answer_options
@click.option(
    "--keep",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write the conversation to a new, private file after each answer.",
)
@click.option("--yes", is_flag=True, help="Don't ask before long waits.")
@output_options
def chat(
    *,
    model: str | None,
    images: tuple[Path | bytes, ...],
    files: tuple[Path, ...],
    system: str | None,
    keep: Path | None,
    yes: bool,
    quiet: bool,
    verbose: bool,
    **settings: Any,
) -> None:
    """Talk about images and texts in the terminal.

    /help lists the commands. Lines may come from a pipe. Nothing is kept on the disk unless you
    ask for it.
    """
    from edge_med.api import MedGemma
    from edge_med.chat import loop, respond
    from edge_med.chat.chat_state import ChatState
    from edge_med.chat.commands.images import attach_first
    from edge_med.chat.image_options import ImageOptions
    from edge_med.library import store
    from edge_med.planner.latency import Estimates

    if keep is not None:
        _check_new(keep)
    ui = _ui(quiet=quiet)
    loop.greet(ui)
    options = answer_settings(settings)
    path = choose_model(model, quiet=quiet)
    estimates = Estimates(store.text_models(path)[0], settings["threads"])
    if not respond.confirm_wait(ui, estimates.load(), "Loading the model", yes=yes):
        return
    began = time.perf_counter()
    with shown_log(verbose), MedGemma.load(path, **load_settings(settings)) as opened:
        estimates.learn_load(time.perf_counter() - began)
        state = ChatState(opened, ui, options, opened.chat(system, options), estimates, yes, keep)
        state.thoughts = verbose
        state.image_options = ImageOptions.of(settings)
        loop.introduce(state)
        attach_first(state, files, images)
        try:
            loop.run(state)
        except KeyboardInterrupt:  # Ctrl-C, pressed to leave
            raise click.exceptions.Exit(CancelledError.exit_code) from None


def _ui(*, quiet: bool) -> UI:
    """The terminal's surface where stdin and stdout are a capable terminal."""
    both = sys.stdin is not None and sys.stdin.isatty() and sys.stdout.isatty()
    if both and not _platform.is_dumb_terminal():
        from edge_med.cli.chat_ui.terminal_ui import TerminalUI

        return TerminalUI(quiet=quiet)
    from edge_med.cli.chat_ui.pipe_ui import PipeUI

    return PipeUI(quiet=quiet)


def _check_new(keep: Path) -> None:
    if os.path.lexists(keep):
        raise UsageError(
            "The file for --keep exists already.",
            "Give another name. In the chat, /load continues a saved conversation.",
        )
    if not keep.parent.is_dir():
        raise UsageError("The folder for --keep doesn't exist.", "Create it, or give another path.")
