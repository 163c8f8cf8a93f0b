"""The text about a call that can't be understood: what was meant, in one line and a hint."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence

import click
from click.exceptions import MissingParameter

EXTRA: Mapping[str, str] = {
    "ask": 'Put the question in quotes: edge-med ask "Is the heart large?" --image chest.png',
    "chat": "Give images with --image, as in: edge-med chat --image chest.png",
    "view": "Put a path with spaces in quotes. One image is shown at a time.",
}
"""What to do about words that a command has no place for."""

MISSING: Mapping[str, str] = {
    "--quant": "As in: --quant Q4_K_M",
    "--out": "As in: --out models/medgemma",
}
"""What is mostly given where a flag is missing."""


def message_and_hint(error: click.UsageError) -> tuple[str, str]:
    """A message of one line, and a hint."""
    command = error.ctx.command_path if error.ctx else "edge-med"
    name = command.rpartition(" ")[2]
    message = " ".join(error.format_message().split())
    if message.startswith("Got unexpected extra argument") and name in EXTRA:
        return message, EXTRA[name]
    if isinstance(error, MissingParameter) and error.param:
        for flag in error.param.opts:
            if flag in MISSING:
                return message, f"{MISSING[flag]}. All flags: {command} --help"
    return message, f"See: {command} --help"


def unknown(name: str, known: Sequence[str]) -> click.UsageError:
    """The error of a command that there isn't."""
    close = difflib.get_close_matches(name, known, 1)
    suggestion = f" Did you mean {close[0]}?" if close else ""
    return click.UsageError(f"There is no command '{name}'.{suggestion}")
