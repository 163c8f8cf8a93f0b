"""Turns whose images stand within the text: shown whole, asked differently, without an image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edge_med.conversation import export
from edge_med.conversation.turn_edits import edited, without_image
from edge_med.errors import PromptError
from edge_med.imaging import Picture
from edge_med.messages import ImagePart, Message, Part, TextPart, as_messages

OLD, NEW = (
    Picture(np.full((16, 16, 3), grey, np.uint8), (16, 16), "pad", ("PNG",)) for grey in (9, 99)
)
ASKED = "First <image>, then <image>: any change?"


def told(message: Message) -> list[str]:
    """Its parts; images as `old` and `new`."""
    names = {OLD.sha256: "old", NEW.sha256: "new"}
    return [p.text if isinstance(p, TextPart) else names[p.picture.sha256] for p in message.parts]


@pytest.fixture
def turn() -> Message:
    (message,) = as_messages(ASKED, images=[OLD, NEW], side=16)
    return message


def sliced(*after: Part) -> Message:
    slices = (ImagePart(OLD), TextPart("SLICE 1"), ImagePart(NEW), TextPart("SLICE 2"))
    return Message("user", (*slices, *after))


def test_a_question_is_the_whole_of_what_was_asked(turn: Message) -> None:
    assert turn.question == ASKED
    assert sliced(TextPart("bleed?")).question == "bleed?"
    assert Message("user", (ImagePart(OLD), TextPart("SLICE 1"))).question == "SLICE 1"
    assert Message("user", (ImagePart(OLD),)).question == ""


def test_an_export_has_the_whole_question(turn: Message, tmp_path: Path) -> None:
    export.write(tmp_path / "report.md", [turn])
    assert ASKED in (tmp_path / "report.md").read_text()


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Are they normal?", ["old", "new", "Are they normal?"]),
        ("Is <image> newer than <image>?", ["Is ", "old", " newer than ", "new", "?"]),
        ("What is <image>?", ["old", "new", "What is <image>?"]),
    ],
)
def test_another_question_leaves_nothing_of_the_one_before(
    turn: Message, text: str, wanted: list[str]
) -> None:
    (changed,) = edited([turn], 0, text)
    assert told(changed) == wanted


@pytest.mark.parametrize("text", [str([{"role": "user", "content": "x"}]), "<bos>x"])
def test_a_conversation_that_was_written_out_is_no_other_question(turn: Message, text: str) -> None:
    with pytest.raises(PromptError, match="the model would read"):
        edited([turn], 0, text)


def test_another_question_keeps_the_labels_of_slices() -> None:
    (changed,) = edited([sliced(TextPart("bleed?"))], 0, "mass?")
    assert told(changed) == ["old", "SLICE 1", "new", "SLICE 2", "mass?"]


def test_without_an_image_the_words_stay(turn: Message) -> None:
    (left,) = without_image([turn], 0)
    assert told(left) == ["First ", ", then ", "new", ": any change?"]


def test_without_a_slice_its_label_goes() -> None:
    (left,) = without_image([sliced(TextPart("bleed?"))], 0)
    assert told(left) == ["new", "SLICE 2", "bleed?"]
