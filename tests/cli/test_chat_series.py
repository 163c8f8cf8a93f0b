"""A folder of DICOM that is dropped into a real terminal goes with the next question."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from devtools.images.dicom import ct_slice
from devtools.images.enhanced import enhanced
from devtools.terminal import Terminal
from tests.conftest import Models

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pexpect's terminal needs Unix")

DROPPED = "\x1b[200~{}\x1b[201~\r"
"""A terminal writes the path of what is dragged into it as if it were pasted."""

WRITES = ("--max-new-tokens", 8, "--temperature", 1.2, "--seed", 9)


@pytest.fixture
def chat(model: Models, tmp_path: Path) -> Callable[[], Terminal]:
    chat_model = model("multimodal", "F32")
    return lambda: Terminal("chat", "--model", chat_model, "--threads", 1, *WRITES, cwd=tmp_path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A CT with a report beside it."""
    found = tmp_path / "Doe, Jane"
    found.mkdir()
    for depth in range(5):
        (found / f"{5 - depth}.dcm").write_bytes(ct_slice(float(depth)))
    (found / "report.pdf").write_bytes(b"%PDF-1.4")
    return found


def asked_about(terminal: Terminal, path: Path) -> str:
    """Drop a path, ask a question; the screen with what is told then."""
    terminal.see("1>")
    terminal.type(DROPPED.format(f"'{path}'"))
    terminal.see("will be sent")
    terminal.type("what is it\r")
    terminal.see("2>")
    terminal.type("/stats\r")
    return terminal.see("in the conversation")


def test_its_slices_are_seen_and_what_was_left_out_is_told(
    chat: Callable[[], Terminal], folder: Path
) -> None:
    with chat() as terminal:
        screen = asked_about(terminal, folder)
        assert "CT, all 5 slices" in screen
        assert "1 file isn't an image of a volume." in screen
        assert "5 in the conversation" in screen
        terminal.type("/quit\r")
        assert terminal.ended() == 0


def test_one_file_of_many_frames_is_seen_likewise(
    chat: Callable[[], Terminal], tmp_path: Path
) -> None:
    (tmp_path / "ct.dcm").write_bytes(enhanced())
    with chat() as terminal:
        screen = asked_about(terminal, tmp_path / "ct.dcm")
        assert "CT, all 5 slices" in screen
        assert "5 in the conversation" in screen


def test_a_folder_without_images_is_refused_and_the_chat_goes_on(
    chat: Callable[[], Terminal], tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "readme").write_text("nothing")
    (tmp_path / "empty" / "other").write_text("nothing")
    with chat() as terminal:
        terminal.see("1>")
        terminal.type(DROPPED.format(f"'{tmp_path / 'empty'}'"))
        terminal.see("None of the files is an image that is read.")
        terminal.type("what is it\r")
        terminal.see("2>")
