"""Hints name options; the command line writes its flags there."""

from __future__ import annotations

import click
import pytest

from edge_med.cli.shared.hints import FLAGS, in_flags
from edge_med.errors import AS_IMAGE, AS_LIST, AS_MESSAGES, FROM_JSON, LOOK
from tests.architecture.test_contract import every_command, options


@pytest.mark.parametrize(
    ("hint", "shown"),
    [
        ("Use a smaller `context`.", "Use a smaller --context."),
        ('`memory="ignore"` tries it.', "--memory ignore tries it."),
        ("Load it with `context=2048`.", "Load it with --context 2048."),
        ("`tensor_overrides` may do.", "--tensor-override may do."),
        (f"{LOOK}.", "See why with --verbose."),
        (
            f"{AS_IMAGE}.",
            "Save it as a file, and give that: --image chest.png, or /image chest.png in the chat.",
        ),
        *(
            (
                f"{words}.",
                "Ask the question alone: images go with --image, a system text with --system.",
            )
            for words in (FROM_JSON, AS_LIST, AS_MESSAGES)
        ),
        ("The error's `text` has it.", "The error's `text` has it."),
        ("Give images=[…].", "Give images=[…]."),
    ],
)
def test_options_are_flags(hint: str, shown: str) -> None:
    assert in_flags(hint) == shown


def test_these_flags_exist() -> None:
    known: set[str] = set()
    for command in every_command().values():
        assert isinstance(command, click.Command)
        known.update(options(command))
    assert set(FLAGS.values()) <= known
