"""Code for the CPU that ends its process or computes wrongly is found out, and isn't used."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import pytest

from edge_med import _platform, native
from edge_med._platform import children
from edge_med.engine.llama.cpu import probe
from edge_med.engine.llama.cpu.code_levels import (
    AS_BUILT,
    LEVELS,
    PLAIN,
    WITHOUT_AMX,
    CodeVerdict,
    Level,
)
from edge_med.engine.llama.cpu.probe import judge, verdict
from edge_med.errors import EngineError

COPIES = {"as built": ["AMX", "CPU_REPACK"], "without AMX": ["CPU_REPACK"]}
SIGNALS = ["SIGILL", "SIGSEGV", "SIGABRT", "SIGBUS", "SIGFPE"]


def stand_in(code: str) -> list[str]:
    """A child that does something else than the one that computes."""
    return [sys.executable, "-I", "-S", "-c", f"import os, signal, sys, json\n{code}"]


def sound(level: Level) -> list[str]:
    told = {"copies": COPIES.get(level.name, [])}
    return stand_in(f"print({json.dumps(told)!r})\nprint('{{\"sound\": true}}')")


def dying(name: str) -> list[str]:
    return stand_in(f"print('{{\"copies\": []}}', flush=True); os.kill(os.getpid(), signal.{name})")


WRONG = stand_in('print(\'{"copies": []}\\n{"wrong": "Q4_K in CPU_REPACK"}\')')


def faulty_below(last: Level | None, child: list[str]) -> Callable[[Level], Sequence[str]]:
    """Children that are all alike up to a level, which is sound."""
    at = len(LEVELS) if last is None else LEVELS.index(last)
    return lambda level: child if LEVELS.index(level) < at else sound(level)


def test_code_that_computes_rightly_is_used_as_it_was_built() -> None:
    found = judge(sound)
    assert found == CodeVerdict(AS_BUILT, ("AMX", "CPU_REPACK"))
    assert found.notices == ()


@pytest.mark.skipif(sys.platform == "win32", reason="it has no signals")
@pytest.mark.parametrize("level", [WITHOUT_AMX, PLAIN], ids=str)
@pytest.mark.parametrize("name", SIGNALS)
def test_code_that_ends_its_process_is_left_out(name: str, level: Level) -> None:
    found = judge(faulty_below(level, dying(name)))
    assert found.level is level
    assert found.copies == tuple(COPIES.get(level.name, []))
    (notice,) = found.notices
    assert f"it crashes ({name})" in notice.text
    assert level.meaning in notice.text
    assert notice.text.startswith(level.off)


@pytest.mark.skipif(sys.platform == "win32", reason="it has no signals")
@pytest.mark.parametrize("name", SIGNALS)
def test_a_build_that_always_dies_is_an_error_with_the_line_that_mends_it(name: str) -> None:
    with pytest.raises(EngineError, match=f"can't compute on this processor: it crashes .{name}"):
        judge(faulty_below(None, dying(name)))


@pytest.mark.parametrize("level", [WITHOUT_AMX, PLAIN], ids=str)
def test_wrong_numbers_count_as_a_crash(level: Level) -> None:
    found = judge(faulty_below(level, WRONG))
    assert found.level is level
    assert found.fault == "it computes wrong products (Q4_K in CPU_REPACK)"


def test_numbers_that_are_always_wrong_are_an_error() -> None:
    with pytest.raises(EngineError, match="wrong products") as caught:
        judge(faulty_below(None, WRONG))
    assert native.built_with(native.GENERIC) in caught.value.hint
    assert caught.value.exit_code == 6


def test_instructions_that_the_processor_lacks_are_named_as_that() -> None:
    with pytest.raises(EngineError, match="built for another processor") as caught:
        judge(faulty_below(None, dying("SIGILL")))
    assert native.rebuilt(native.NATIVE) in caught.value.hint


def test_a_child_that_dies_while_it_loads_the_libraries_is_one_too() -> None:
    silent = stand_in("os.kill(os.getpid(), signal.SIGILL)")
    with pytest.raises(EngineError, match="SIGILL"):
        judge(faulty_below(None, silent))


@pytest.mark.skipif(sys.platform == "win32", reason="it has no signals")
def test_a_library_that_was_cut_short_is_no_fault_of_the_processors() -> None:
    silent = stand_in("os.kill(os.getpid(), signal.SIGBUS)")
    with pytest.raises(EngineError, match="damaged or incomplete"):
        judge(lambda _level: silent)


def test_a_library_that_is_missing_is_no_fault_of_the_processors() -> None:
    said = {"unloadable": "libcudart.so.13: cannot open shared object file"}
    child = stand_in(f"print({json.dumps(said)!r})")
    with pytest.raises(EngineError, match=r"can't be loaded: libcudart\.so\.13"):
        judge(lambda _level: child)


@pytest.mark.skipif(sys.platform == "win32", reason="it has no shell")
def test_a_fault_is_one_behind_a_shell_too() -> None:
    """As where the interpreter is a script that doesn't `exec` Python."""
    child = ["sh", "-c", '"$@"; exit $?', "sh", *dying("SIGSEGV")]
    found = judge(faulty_below(PLAIN, child))
    assert (found.level, found.fault) == (PLAIN, "it crashes (SIGSEGV)")


def test_faults_of_windows_have_names(monkeypatch: pytest.MonkeyPatch) -> None:
    codes = {0xC000001D: "an illegal instruction", 0xC0000005: "an access violation"}
    for code, words in codes.items():
        done = subprocess.CompletedProcess([], code, b"")
        monkeypatch.setattr(children, "run", lambda *_, done=done: done)
        with pytest.raises(EngineError, match=words):
            judge(lambda _level: [])


@pytest.mark.skipif(sys.platform == "win32", reason="it has no signals")
@pytest.mark.parametrize(
    "child",
    [
        ["/no/such/interpreter"],
        stand_in("os.kill(os.getpid(), signal.SIGKILL)"),
        stand_in("sys.exit(1)"),
        stand_in("import time; time.sleep(60)"),
    ],
    ids=["cannot start", "killed from outside", "an error in it", "too late"],
)
def test_where_there_was_no_trial_amx_is_left_out_and_it_is_told(
    child: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe, "SECONDS", 1)
    found = judge(lambda _level: child)
    assert (found.level, found.tried) == (WITHOUT_AMX, False)
    assert "couldn't be tested before use" in found.notices[0].text
    assert "AMX is switched off" in found.notices[0].text


# What is remembered


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[Level]:
    """The levels that were tried; the second is sound."""
    levels: list[Level] = []

    def command(level: Level) -> Sequence[str]:
        levels.append(level)
        return faulty_below(WITHOUT_AMX, WRONG)(level)

    monkeypatch.setattr(probe, "_command", command)
    return levels


def test_a_verdict_is_remembered(runs: list[Level], tmp_path: Path) -> None:
    first = verdict(tmp_path)
    assert verdict(tmp_path) == first
    assert runs == [AS_BUILT, WITHOUT_AMX]


def test_nothing_in_what_is_remembered_is_personal(runs: list[Level], tmp_path: Path) -> None:
    verdict(tmp_path)
    told = (tmp_path / probe.FILE).read_text()
    assert runs
    for secret in (str(Path.home()), sys.prefix, os.uname().nodename):
        assert secret not in told


@pytest.mark.parametrize("what", ["library", "processor"])
def test_another_build_or_processor_is_tried_anew(
    what: str, runs: list[Level], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    verdict(tmp_path)
    if what == "processor":
        monkeypatch.setattr(_platform, "processor", lambda: "another")
    else:
        copy = tmp_path / "lib" / "libllama.so"
        copy.parent.mkdir()
        copy.touch()
        monkeypatch.setattr(native, "native_library", lambda _name: copy)
    verdict(tmp_path)
    assert len(runs) == 4


def test_a_trial_that_is_asked_for_takes_the_place_of_the_last(
    runs: list[Level], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    verdict(tmp_path)
    monkeypatch.setattr(probe, "_command", sound)
    assert verdict(tmp_path, anew=True).level is AS_BUILT
    assert verdict(tmp_path).level is AS_BUILT
    assert len(runs) == 2


def test_where_the_processor_is_unknown_nothing_is_remembered(
    runs: list[Level], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A home may be shared with a machine that has another."""
    monkeypatch.setattr(_platform, "processor", lambda: None)
    verdict(tmp_path)
    verdict(tmp_path)
    assert len(runs) == 4


@pytest.mark.usefixtures("runs")
@pytest.mark.parametrize(
    "stored", ["", "[]", "{", '{"KEY": 1}', '{"KEY": {"level": "best", "copies": []}}']
)
def test_a_file_that_is_not_as_it_was_written_is_as_none(stored: str, tmp_path: Path) -> None:
    (tmp_path / probe.FILE).write_text(stored.replace("KEY", str(probe._key())))
    assert verdict(tmp_path).level is WITHOUT_AMX


def test_a_home_that_cannot_be_written_is_tried_each_time(
    runs: list[Level], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    nowhere = tmp_path / "file" / "state"
    nowhere.parent.touch()
    verdict(nowhere)
    verdict(nowhere)
    assert len(runs) == 4
    assert capfd.readouterr() == ("", "")


def test_what_was_not_tried_is_not_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe, "_command", lambda _level: ["/no/such/interpreter"])
    assert not verdict(tmp_path).tried
    assert not (tmp_path / probe.FILE).exists()


# The child itself


def test_this_build_is_sound_here_at_some_level(tmp_path: Path) -> None:
    found = verdict(tmp_path)
    assert found.tried
    assert found.copies is not None


@pytest.mark.skipif(sys.platform == "win32", reason="it has no signals")
def test_every_level_that_is_named_sound_is(tmp_path: Path) -> None:
    level = verdict(tmp_path).level
    for one in LEVELS[LEVELS.index(level) :]:
        assert probe._outcome(partial(probe._command, one)).sound
