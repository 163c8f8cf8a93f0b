"""What `ask` doesn't ask: names of files, commands of the chat, images as letters."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.conftest import Models

Command = Callable[..., Run]


@pytest.fixture
def tiny(model: Models) -> Path:
    return model("text", "F32")


@pytest.mark.parametrize(
    "text", ["chest.png", "~/scans/ct.zip", "C:\\\\scans\\\\chest.dcm", "x.nrrd", "<x.png>"]
)
def test_the_name_of_a_file_is_no_question(edge_med: Command, tiny: Path, text: str) -> None:
    done = edge_med("ask", text, "--model", tiny)
    assert (done.code, done.out) == (2, "")
    assert "is the name of a file, not a question." in done.err
    assert "--image" in done.err


@pytest.mark.parametrize("text", ["exit", "help", "quit()", "/quit", "/image", "/image x.png"])
def test_a_command_of_the_chat_is_no_question(edge_med: Command, tiny: Path, text: str) -> None:
    done = edge_med("ask", text, "--model", tiny)
    assert (done.code, done.out) == (2, "")
    assert f"{text} is a command of the chat, not a question." in done.err
    assert "edge-med chat" in done.err


def test_an_image_in_letters_is_refused_in_the_terminals_words(
    edge_med: Command, tiny: Path
) -> None:
    done = edge_med("ask", f"data:image/png;base64,{'iVBORw0KGgo'}{'A' * 40}", "--model", tiny)
    assert (done.code, done.out) == (3, "")
    assert "--image chest.png, or /image chest.png in the chat" in done.err
    assert "{'type'" not in done.err


@pytest.mark.parametrize("text", ["@a.png describe it", "Describe ![it](a.png)", "What?\n./a.png"])
def test_a_file_that_is_named_in_any_form_is_not_passed_over(
    edge_med: Command, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.png").write_bytes(b"x")
    done = edge_med("ask", text, "--model", tiny)
    assert (done.code, done.out) == (2, "")
    assert "a.png is inside the question, so it isn't opened." in done.err


def test_a_system_text_is_no_name_of_a_file(edge_med: Command, tiny: Path) -> None:
    done = edge_med("ask", "Is it large?", "--model", tiny, "--system", "@sys.txt")
    assert (done.code, done.out) == (3, "")
    assert "only a file's name" in done.err
    assert "of a text file, give the text" in " ".join(done.err.split())
