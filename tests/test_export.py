"""A conversation for other readers: whole, private, and never over another file."""

from __future__ import annotations

import json
import stat
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from edge_med.answers import DISCLAIMER
from edge_med.conversation import export
from edge_med.errors import InputError, UsageError
from edge_med.imaging import About
from edge_med.imaging.picture import SeriesOrigin
from edge_med.messages import ImagePart, Message, TextPart
from tests.test_transcript import MESSAGES, RECORD

PICTURE = MESSAGES[1].pictures[0]


def test_markdown_has_every_turn_and_the_notice(tmp_path: Path) -> None:
    export.write(tmp_path / "x.md", MESSAGES)
    text = (tmp_path / "x.md").read_text("utf-8")
    assert text.startswith(f"> {DISCLAIMER}\n\n## System\n\nbe brief\n\n## Question\n\n")
    assert f"*image, 8 x 8 pixels, fit pad, SHA-256 {PICTURE.sha256}*" in text
    assert text.endswith("what is it\n\n## Answer\n\na chest\n")


def test_markdown_says_what_answered_when_and_what_was_told(tmp_path: Path) -> None:
    export.write(tmp_path / "x.md", MESSAGES, (RECORD,))
    text = (tmp_path / "x.md").read_text("utf-8")
    for told in (
        f"- model: micro-Q8_0.gguf, Q8_0, SHA-256 {'a' * 64}\n",
        f"- projector: SHA-256 {'b' * 64}\n",
        "- by: edge-med 0.1.0, llama-cpp 0.3.36, cpu\n",
        "- settings: temperature 0.0, max-new-tokens 1024\n",
        "*A toy answered.*\n",
        "*2026-11-29T20:00:00+00:00, stop*\n",
    ):
        assert told in text


def test_markdown_tells_answers_apart_that_others_wrote() -> None:
    other = replace(RECORD, model="medgemma-Q8_0.gguf")
    later = replace(RECORD, date="2026-11-30T08:00:00+00:00")
    text = export.markdown([*MESSAGES, *MESSAGES[1:] * 3], (RECORD, other, None, later))
    assert "Answer 1, 4:\n\n- model: micro-Q8_0.gguf" in text
    assert "Answer 2:\n\n- model: medgemma-Q8_0.gguf" in text
    assert "Answer 3:\n\n- its model isn't known" in text


def test_markdown_has_a_line_for_a_series() -> None:
    parts = [
        part
        for n in (2, 3, 5)
        for part in (
            ImagePart(
                replace(
                    PICTURE,
                    provenance=(f"slice {n} of 28",),
                    about=About("CT", "HEAD"),
                    series_origin=SeriesOrigin("a", "2", "feet to head", "position"),
                )
            ),
            TextPart(f"SLICE {n}"),
        )
    ]
    text = export.markdown([Message("user", (*parts, TextPart("bleed?")))])
    assert (
        "\n\n*modality CT, body part HEAD, slices 2-3, 5 of 28 of series 2, feet to head, "
        "by position, labelled SLICE 2-3, 5, "
        f"8 x 8 pixels, fit pad, SHA-256 of the first {PICTURE.sha256}*\n\nbleed?\n"
    ) in text


def test_json_has_messages_in_hugging_faces_form(tmp_path: Path) -> None:
    export.write(tmp_path / "x.json", MESSAGES, (RECORD,))
    _system, user, assistant = json.loads((tmp_path / "x.json").read_text("utf-8"))
    assert user == {
        "role": "user",
        "content": [
            {"type": "image", "sha256": PICTURE.sha256},
            {"type": "text", "text": "what is it"},
        ],
    }
    assert assistant["provenance"]["model_sha256"] == "a" * 64
    assert assistant["provenance"]["notices"][0]["code"] == "toy"


@pytest.mark.skipif(sys.platform == "win32", reason="there a folder's owner decides")
def test_the_file_is_private(tmp_path: Path) -> None:
    export.write(tmp_path / "x.md", MESSAGES)
    assert stat.S_IMODE((tmp_path / "x.md").stat().st_mode) == 0o600


def test_another_file_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "x.md").write_text("mine")
    with pytest.raises(UsageError):
        export.write(tmp_path / "x.md", MESSAGES)
    assert (tmp_path / "x.md").read_text() == "mine"


def test_another_ending_or_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        export.write(tmp_path / "x.docx", MESSAGES)
    with pytest.raises(InputError):
        export.write(tmp_path / "none" / "x.md", MESSAGES)
