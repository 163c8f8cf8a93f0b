"""Which Python processes of ours run in; a program that isn't Python is never started again."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_med._platform import children, interpreter


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    """What was found in other tests."""
    interpreter._KNOWN.clear()
    yield
    interpreter._KNOWN.clear()
    interpreter._WANTED = None


def script(path: Path, text: str) -> str:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def test_this_interpreter_is_taken() -> None:
    assert (interpreter.starter() or [""])[0] == sys.executable


@pytest.mark.skipif(sys.platform == "win32", reason="it has no such scripts")
@pytest.mark.parametrize(
    "does",
    ["echo hello", "exit 1", "echo Python 2.7", "sleep 9"],
    ids=["another program", "fails", "another version", "hangs"],
)
def test_what_is_no_python_of_this_version_is_passed_over(
    does: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interpreter, "SECONDS", 0.5 if "sleep" in does else 9)
    monkeypatch.setattr(sys, "executable", script(tmp_path / "program", does))
    monkeypatch.setattr(sys, "_base_executable", None, raising=False)
    monkeypatch.setattr(sys, "base_exec_prefix", str(tmp_path))
    assert interpreter.starter() is None


def test_interpreter_of_an_embedding_program_is_its_base_python(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = sys.executable
    monkeypatch.setattr(sys, "executable", "")
    monkeypatch.setattr(sys, "_base_executable", found, raising=False)
    assert (interpreter.starter() or [""])[0] == found


def test_the_one_that_is_named_is_taken_or_none(monkeypatch: pytest.MonkeyPatch) -> None:
    assert interpreter.starter("/no/such/python") is None
    monkeypatch.setenv(interpreter.VARIABLE, "/no/such/python")
    assert interpreter.starter() is None
    assert (interpreter.starter(sys.executable) or [""])[0] == sys.executable


def test_the_one_that_a_model_was_loaded_with_is_taken_for_the_rest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    named = sys.executable
    interpreter.starter(named)
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    assert (interpreter.starter() or [""])[0] == named


@pytest.mark.skipif(sys.platform == "win32", reason="it has no such scripts")
def test_interpreter_is_never_the_embedding_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    viewer = script(tmp_path / "viewer", f"touch {tmp_path / 'started'}; sleep 9")
    monkeypatch.setattr(sys, "executable", viewer)
    monkeypatch.setattr(sys, "_base_executable", viewer, raising=False)
    found = (interpreter.starter() or [""])[0]
    assert found == str(Path(sys.base_exec_prefix) / "bin" / f"python{interpreter.VERSION}")
    assert not (tmp_path / "started").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="it has no such scripts")
def test_a_frozen_program_starts_edge_med_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = script(tmp_path / "edge-med", f"echo Python {interpreter.VERSION}")
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "viewer"))
    assert children.command("a.module", x=1) == [own, "_process", "a.module", '{"x": 1}']


def test_the_hidden_subcommand_says_who_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    interpreter.call(interpreter.WHO)
    assert capsys.readouterr().out == f"Python {interpreter.VERSION}"
