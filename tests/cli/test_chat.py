"""`edge-med chat` over a pipe."""

from __future__ import annotations

import io
import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from edge_med.cli.commands.ask import ask
from edge_med.cli.commands.chat import chat as chat_command
from tests.cli.conftest import Run
from tests.conftest import Models

Command = Callable[..., Run]


@pytest.fixture(scope="module")
def chat_model(model: Models) -> Path:
    """The model that the chat is held with."""
    return model("multimodal", "F32")


@pytest.fixture
def chat(
    edge_med: Command, chat_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Command:
    monkeypatch.setenv("EDGE_MED_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (60, 40), "grey").save(tmp_path / "chest.png")

    def run(lines: str | bytes, *flags: object) -> Run:
        data = lines if isinstance(lines, bytes) else lines.encode()
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))
        writes = ("--temperature", 1.5, "--seed", 1, "--max-new-tokens", 6)
        return edge_med("chat", "--model", chat_model, "--threads", 1, *writes, *flags)

    return run


def test_answers_go_to_stdout_and_everything_else_to_stderr(chat: Command, tmp_path: Path) -> None:
    done = chat("the heart\n/image chest.png\nwhat is it\n/save x.json\n/images\n")
    assert done.code == 0
    turns = json.loads((tmp_path / "x.json").read_text())["messages"]
    said = [turn["parts"][-1]["text"] for turn in turns if turn["role"] == "assistant"]
    assert done.out == f"{said[0]}\n{said[1]}\n1. 60 x 40, in question 2\n"
    assert "never for diagnosis" in done.err
    assert "looking at the image" in done.err


def test_quiet_leaves_only_answers(chat: Command) -> None:
    done = chat("the heart\n", "--quiet")
    assert done.err == ""
    assert done.out.strip()


def test_the_first_error_ends_it_with_its_code(chat: Command) -> None:
    done = chat("/image none.png\nwhat is it\n")
    assert done.code == 3
    assert done.out == ""
    assert "The image can't be read" in done.err


def test_lines_that_are_no_text_end_it(chat: Command) -> None:
    assert chat(b"\xff\xfe\n").code == 3


def test_a_system_text_and_a_last_line_without_an_end(chat: Command) -> None:
    done = chat("/system", "--system", "Be brief.", "--quiet")
    assert done.out.startswith("Now: Be brief.\n")


def test_images_and_texts_of_the_start_go_with_the_first_question(
    chat: Command, tmp_path: Path
) -> None:
    (tmp_path / "report.txt").write_text("no effusion")
    done = chat(
        "what is it\n/save x.json\n/images\n", "--image", "chest.png", "--file", "report.txt"
    )
    assert done.out.endswith("1. 60 x 40, in question 1\n")
    question = json.loads((tmp_path / "x.json").read_text())["messages"][0]["parts"][-1]["text"]
    assert question == "Document:\nno effusion\n\nwhat is it"


def test_the_flags_that_show_images_are_those_of_ask() -> None:
    names = {option.name for option in ask.params}
    assert {"images", "files", "slices", "windows", "frame", "tags"} <= names
    shown = {"schema", "grammar", "save_box", "force", "as_json", "text"}
    assert names - shown <= {option.name for option in chat_command.params}


def test_what_looks_like_a_file_ends_a_pipe(chat: Command) -> None:
    done = chat("none.png\nwhat is it\n")
    assert (done.code, done.out) == (2, "")
    assert "There is no file none.png." in done.err


def test_keep_is_a_new_private_file(chat: Command, tmp_path: Path) -> None:
    assert chat("the heart\n", "--keep", tmp_path / "kept.json").code == 0
    if sys.platform != "win32":
        assert stat.S_IMODE((tmp_path / "kept.json").stat().st_mode) == 0o600
    again = chat("the heart\n", "--keep", tmp_path / "kept.json")
    assert again.code == 2
    assert "exists already" in again.err


def test_a_file_is_not_replaced_where_nobody_can_be_asked(chat: Command, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("mine")
    assert (
        "Nothing was saved: x.json is another saved chat." in chat("the heart\n/save x.json\n").err
    )
    assert (tmp_path / "x.json").read_text() == "mine"
    chat("the heart\n/save x.json\n", "--yes")
    assert (tmp_path / "x.json").read_text() != "mine"


@pytest.mark.skipif(sys.platform == "win32", reason="there Ctrl-C can't be sent to one process")
def test_ctrl_c_keeps_what_came_and_ends_the_whole_pipe(chat_model: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "edge_med", "chat", "--model", str(chat_model)]
    command += ["--threads", "1", "--max-new-tokens", "8000", "--temperature", "1.2", "--seed", "9"]
    command += ["--keep", str(tmp_path / "kept.json")]
    screen, stdout = os.openpty()  # where an answer is seen as it comes
    running = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=stdout,
        stderr=subprocess.PIPE,
        env={**os.environ, "EDGE_MED_HOME": str(tmp_path)},
    )
    assert running.stdin is not None
    running.stdin.write(b"the heart\nthe lungs\n")
    running.stdin.close()
    assert os.read(screen, 1)
    running.send_signal(signal.SIGINT)
    assert running.stderr is not None
    assert b"Stopped. The answer so far is kept." in running.stderr.read()
    assert running.wait(20) == 130
    running.stderr.close()
    os.close(stdout)
    os.close(screen)
    assert len(json.loads((tmp_path / "kept.json").read_text())["messages"]) == 2


def test_edit_takes_the_next_line(chat: Command, tmp_path: Path) -> None:
    chat("the heart\n/edit 1\nthe lungs\n/save x.json\n")
    turns = json.loads((tmp_path / "x.json").read_text())["messages"]
    assert turns[0]["parts"][0]["text"] == "the lungs"


def test_nothing_stays_but_the_speeds_and_the_hashes_of_model_files(
    chat: Command, tmp_path: Path
) -> None:
    chat("the heart\n/image chest.png\nwhat is it\n")
    names = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    assert names == {"chest.png", "files.json", "rates.json"}
