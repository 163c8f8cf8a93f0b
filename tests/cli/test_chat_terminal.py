"""`edge-med chat` in a real terminal."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from devtools.terminal import Terminal
from edge_med.library import store
from edge_med.planner.latency import Estimates
from tests.conftest import Models

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pexpect's terminal needs Unix")

Open = Callable[..., Terminal]
WRITES = ("--temperature", 1.2, "--seed", 9)
"""A tiny model's best answer is an empty one; this one has over 2,000 tokens."""


@pytest.fixture(scope="module")
def chat_model(model: Models) -> Path:
    """The model that the chat is held with."""
    return model("multimodal", "F32")


@pytest.fixture
def chat(chat_model: Path, tmp_path: Path) -> Open:
    Image.new("RGB", (60, 40), "grey").save(tmp_path / "chest.png")

    def open_it(*flags: object, term: str = "xterm-256color") -> Terminal:
        call = ("chat", "--model", chat_model, "--threads", 1, *flags)
        return Terminal(*call, cwd=tmp_path, term=term)

    return open_it


def test_first_screen_a_question_and_leaving(chat: Open) -> None:
    with chat("--max-new-tokens", 20, *WRITES) as terminal:
        screen = terminal.see("0 of 8192 tokens")
        assert screen.startswith(
            "For research and education; never for diagnosis or treatment.\n"
            "It can be confidently wrong. Check every answer.\n"
        )
        terminal.type("the heart\r")
        screen = terminal.see("tok/s")
        assert "cut off" in screen
        terminal.type("\x04")
        assert terminal.ended() == 0


def test_ctrl_c_keeps_what_came_and_the_engine_goes_on_from_there(
    chat: Open, tmp_path: Path
) -> None:
    with chat("--max-new-tokens", 8000, *WRITES) as terminal:
        terminal.see("1>")
        terminal.type("the heart\r")
        terminal.see(lambda text: len(text.partition("the heart")[2].split()) > 12)
        terminal.type("\x03")
        terminal.see("Stopped. The answer so far is kept.")
        terminal.type("/save x.json\r")
        terminal.see("Saved")
        terminal.type("/stats\r")
        terminal.see("cancelled")
        terminal.type("\x04")
        assert terminal.ended() == 0
    kept = json.loads((tmp_path / "x.json").read_text())["messages"][1]["parts"][0]["text"]
    assert kept.strip()


def test_what_is_typed_meanwhile_waits_for_the_next_line(chat: Open) -> None:
    with chat("--max-new-tokens", 700, *WRITES) as terminal:
        terminal.see("1>")
        terminal.type("the heart\r")
        terminal.see(lambda text: len(text.partition("the heart")[2].split()) > 3)
        terminal.type("the lungs")
        screen = terminal.see("2> the lungs")
        assert screen.count("the lungs") == 1


def test_ctrl_c_during_an_answer_twice_leaves(chat: Open) -> None:
    with chat("--max-new-tokens", 8000, *WRITES) as terminal:
        terminal.see("1>")
        terminal.type("the heart\r")
        terminal.see(lambda text: len(text.partition("the heart")[2].split()) > 3)
        terminal.type("\x03")
        terminal.see("Press Ctrl-C again")
        terminal.see("2>")
        terminal.type("\x03")
        assert terminal.ended() == 130


def test_ctrl_c_twice_leaves(chat: Open) -> None:
    with chat() as terminal:
        terminal.see("1>")
        terminal.type("\x03")
        terminal.see("Press Ctrl-C again")
        terminal.type("\x03")
        assert terminal.ended() == 130


def test_ctrl_c_throws_away_what_stands_in_the_line_before_it_leaves(chat: Open) -> None:
    with chat() as terminal:
        terminal.see("1>")
        terminal.type("\x03")
        terminal.see("Press Ctrl-C again")
        terminal.type("the hea")
        terminal.see("1> the hea")
        terminal.type("\x03")
        terminal.see(lambda text: text.count("Press Ctrl-C again") == 2)
        terminal.type("\x03")
        assert terminal.ended() == 130


def test_a_dumb_terminal_is_left_by_the_second_ctrl_c_too(chat: Open) -> None:
    with chat(term="dumb") as terminal:
        terminal.see("1>")
        terminal.type("\x03")
        terminal.see("Press Ctrl-C again")
        terminal.type("/images\r")
        terminal.see("There are no images.")
        terminal.type("\x03")
        terminal.see(lambda text: text.count("Press Ctrl-C again") == 2)
        terminal.type("\x03")
        assert terminal.ended() == 130


def test_an_image_is_encoded_once(chat: Open) -> None:
    with chat("--max-new-tokens", 8, *WRITES) as terminal:
        terminal.see("1>")
        terminal.type("/image chest.png\r")
        terminal.see("Image 1 added: 60 x 40")
        terminal.type("what is it\r")
        terminal.see("2>")
        terminal.type("and now\r")
        terminal.see("3>")
        terminal.type("/stats\r")
        screen = terminal.see("1 in the conversation")
        assert "seeing     0.0 s" in screen
        kept = int(screen.partition(" of them reused")[0].rpartition(", ")[2])
        assert kept > 10


def test_commands_and_paths_are_completed(chat: Open) -> None:
    with chat() as terminal:
        terminal.see("1>")
        terminal.type("/loc")
        terminal.see("Draw a box around WHAT")
        terminal.type("\x15/image ch")
        terminal.see("chest.png")
        terminal.type("\t\r")
        terminal.see("/image chest.png")
        terminal.type("\r")
        terminal.see("Image 1 added: 60 x 40")


def test_alt_enter_and_a_paste_make_lines(chat: Open, tmp_path: Path) -> None:
    with chat("--max-new-tokens", 2) as terminal:
        terminal.see("1>")
        terminal.type("one\x1b\rtwo \x1b[200~three\nfour\x1b[201~")
        terminal.see("… four")
        terminal.type("\r")
        terminal.see("2>")
        terminal.type("/save x.json\r")
        terminal.see("Saved")
    asked = json.loads((tmp_path / "x.json").read_text())["messages"][0]["parts"][0]["text"]
    assert asked == "one\ntwo three\nfour"


def test_chinese_is_as_wide_as_it_is(chat: Open) -> None:
    with chat("--max-new-tokens", 2) as terminal:
        terminal.see("1>")
        terminal.type("心脏在哪里")
        terminal.see("心脏在哪里")
        assert terminal.screen.cursor.x == len("1> ") + 2 * 5
        terminal.type("\x7f")
        terminal.see(lambda _text: terminal.screen.cursor.x == len("1> ") + 2 * 4)


def test_a_long_wait_is_told_and_asked_about(chat: Open, chat_model: Path, tmp_path: Path) -> None:
    text = store.text_models(chat_model)[0]
    Estimates(text, 1, tmp_path / "state").learn_read(64, 6400.0)
    with chat("--max-new-tokens", 8, *WRITES) as terminal:
        terminal.see("1>")
        terminal.type("the heart\r")
        terminal.see("takes about")
        terminal.see("Continue? [y/n]")
        terminal.type("n\r")
        terminal.see("Cancelled.")
        terminal.type("\x1b[A\x1b[A\r")
        terminal.see(lambda text: text.count("Continue?") == 2)
        terminal.type("y\r")
        terminal.see("2>")


def test_a_dumb_terminal_gets_lines_and_no_escapes(chat: Open) -> None:
    with chat("--max-new-tokens", 8, *WRITES, term="dumb") as terminal:
        terminal.see("1>")
        terminal.type("the heart\r")
        terminal.see("2>")
        terminal.type("/images\r")
        terminal.see("There are no images.")
        terminal.type("\x04")
        assert terminal.ended() == 0
        assert b"\x1b" not in terminal.raw


@pytest.mark.parametrize("no_color", ["", "1"])
def test_no_color_leaves_out_colours(
    chat: Open, monkeypatch: pytest.MonkeyPatch, no_color: str
) -> None:
    monkeypatch.setenv("NO_COLOR", no_color)
    with chat("--max-new-tokens", 8, *WRITES) as terminal:
        terminal.see("1>")
        terminal.type("/image\r")
        terminal.see("error:")
        coloured = re.search(rb"\x1b\[[0-9;]*\b(3[0-7]|9[0-7]|38;5;\d+)[;m]", terminal.raw)
        assert bool(coloured) is (no_color == "")


def test_a_file_that_is_dragged_in_is_an_image(chat: Open, tmp_path: Path) -> None:
    with chat() as terminal:
        terminal.see("1>")
        terminal.type(f"'{tmp_path / 'chest.png'}'\r")
        terminal.see("[1 image] 1>")
