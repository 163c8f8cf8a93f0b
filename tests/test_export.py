"""A conversation for other readers: whole, private, and never over another file."""

from __future__ import annotations

import json
import stat
import sys
from pathlib import Path

import pytest

from edge_med import export
from edge_med.errors import InputError, UsageError
from tests.test_transcript import MESSAGES

PICTURE = MESSAGES[1].pictures[0]


def test_markdown_has_every_turn_and_the_notice(tmp_path: Path) -> None:
    export.write(tmp_path / "x.md", MESSAGES)
    text = (tmp_path / "x.md").read_text("utf-8")
    assert text.startswith(f"> {export.NOTICE}\n\n## System\n\nbe brief\n\n## Question\n\n")
    assert f"Image of 8 x 8 pixels, fit pad, SHA-256 {PICTURE.sha256}" in text
    assert text.endswith("what is it\n\n## Answer\n\na chest\n")


def test_json_has_messages_in_hugging_faces_form(tmp_path: Path) -> None:
    export.write(tmp_path / "x.json", MESSAGES)
    _system, user, _assistant = json.loads((tmp_path / "x.json").read_text("utf-8"))
    assert user == {
        "role": "user",
        "content": [
            {"type": "image", "sha256": PICTURE.sha256},
            {"type": "text", "text": "what is it"},
        ],
    }


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
