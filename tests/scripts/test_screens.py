"""The screens in the documents are those that devtools/screens.py writes, and can be typed."""

from __future__ import annotations

import click
import pytest

from devtools import screens
from devtools.screens import DOCUMENTS, STORY, Step
from edge_med.answers import DISCLAIMER
from edge_med.chat.commands.command_table import BY_NAME
from edge_med.cli import root

BY_STEP = {step.name: step for step in STORY}
PLACES = [(document, name) for document in DOCUMENTS for name in screens.marks(document)]


def test_every_step_has_a_screen_in_the_docs() -> None:
    assert set(screens.marks("docs/guide/screens.md")) == set(BY_STEP)
    assert {name for _document, name in PLACES} == set(BY_STEP)


@pytest.mark.parametrize(("document", "name"), PLACES)
def test_a_screen_begins_with_its_command_and_has_all_that_was_entered(
    document: str, name: str
) -> None:
    shown, step = screens.marks(document)[name], BY_STEP[name]
    assert shown.startswith(f"$ {step.command}\n")
    for line in step.lines:
        assert f"> {line}\n" in shown
    assert len(shown.splitlines()) > 1


@pytest.mark.parametrize(("document", "name"), PLACES)
def test_a_screen_has_nothing_of_the_machine_that_it_was_made_on(document: str, name: str) -> None:
    shown = screens.marks(document)[name]
    assert screens.normal(screens.tidy(shown)) == shown
    assert "/tmp" not in shown
    assert "error:" not in shown


def test_the_picture_in_the_readme_is_made_of_the_chats_screen() -> None:
    there = (screens.ROOT / screens.PICTURE_OF_CHAT).read_text("utf-8")
    assert there == screens.chat_picture(screens.marks("docs/guide/screens.md")["chat"])
    assert DISCLAIMER in there
    assert screens.PICTURE_OF_CHAT in (screens.ROOT / "README.md").read_text("utf-8")


@pytest.mark.parametrize("step", STORY, ids=lambda step: step.name)
def test_its_commands_can_be_typed(step: Step) -> None:
    name, *arguments = step.arguments
    command = root.get_command(click.Context(root), name)
    assert command is not None
    command.make_context(name, arguments)  # refuses what isn't a flag
    assert {line[1:].split()[0] for line in step.lines if line.startswith("/")} <= set(BY_NAME)


def test_speeds_and_paths_are_left_out() -> None:
    shown = (
        "0.27 GiB  /var/x/edge-med-demo-a1b/models/x.gguf\n  (looked in 0.01 s, wrote 23 tokens/s)"
    )
    kept = "0.27 GiB  …/models/x.gguf\n  (looked in … s, wrote … tokens/s)"
    assert screens.normal(screens.tidy(shown)) == kept
    assert DISCLAIMER in screens.marks("docs/guide/screens.md")["demo"]
