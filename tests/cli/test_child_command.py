"""Commands that call llama.cpp themselves do it in a process that may crash alone."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import pytest

from edge_med import cli
from edge_med._platform import children, interpreter
from edge_med.cli.shared import child_command
from edge_med.errors import EngineError

LINES = {
    ("compare", "a.gguf", "b.gguf"): True,
    ("verify", "folder", "--run"): True,
    ("verify", "folder"): False,
    ("ask", "compare"): False,
    (): False,
}


@pytest.mark.parametrize("line", LINES)
def test_only_such_commands_are_run_apart(
    line: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(interpreter.CHILD, raising=False)
    assert child_command.is_needed(line) == LINES[line]


def test_a_process_of_ours_starts_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(interpreter.CHILD, "1")
    assert not child_command.is_needed(("compare", "a.gguf", "b.gguf"))


def doing(code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the process do something else."""
    command = [sys.executable, "-c", f"import os, signal; {code}"]
    monkeypatch.setattr(children, "command", lambda *_, **__: command)


@pytest.mark.skipif(sys.platform == "win32", reason="signals have no numbers there")
def test_a_crash_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    doing("os.kill(os.getpid(), signal.SIGSEGV)", monkeypatch)
    with pytest.raises(EngineError, match="SIGSEGV"):
        child_command.run(["compare"])


def test_its_exit_code_is_the_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    doing("os._exit(4)", monkeypatch)
    assert child_command.run(["compare"]) == 4


HEARS = (
    "signal.signal(signal.SIGINT, lambda *_: os._exit(130)); "
    "os.kill(os.getppid(), signal.SIGINT); signal.pause()"
)


@pytest.mark.skipif(sys.platform == "win32", reason="the console tells both there")
def test_ctrl_c_is_passed_on_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    doing(HEARS, monkeypatch)
    before = signal.getsignal(signal.SIGINT)
    assert child_command.run(["compare"]) == 130
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.skipif(sys.platform == "win32", reason="signals have no numbers there")
def test_what_ctrl_c_ends_at_its_start_was_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    doing("signal.signal(signal.SIGINT, signal.SIG_DFL); signal.raise_signal(2)", monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        child_command.run(["compare"])


def test_the_command_says_what_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(interpreter.CHILD, raising=False)
    with pytest.raises(SystemExit) as stopped:
        cli.main(["verify", str(tmp_path / "nothing"), "--run"])
    told = capfd.readouterr()
    assert (stopped.value.code, told.out) == (4, "")
    assert "There is no nothing." in told.err
