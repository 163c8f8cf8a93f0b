"""A process hears of its parent's end on each system, and ends with it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from types import SimpleNamespace
from typing import Any

import pytest

from edge_med import _platform
from edge_med._platform import linux, parent, windows

WATCHES = """
import os, sys, time
from edge_med._platform import parent
{}
parent.watch(os.getppid(), lambda: (print("gone", flush=True), os._exit(0)))
print("watching", flush=True)
time.sleep(60)
"""
STARTS = """
import os, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", sys.argv[1]])
sys.stdin.read()
os._exit(0)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="a job ends it there")
@pytest.mark.parametrize(
    "without", ["", "del os.pidfd_open"], ids=["as it is here", "where only its number tells"]
)
def test_a_child_hears_of_its_parents_end(without: str) -> None:
    started = subprocess.Popen(
        [sys.executable, "-c", STARTS, WATCHES.format(without)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert started.stdout
    assert started.stdin
    assert started.stdout.readline() == "watching\n"
    started.stdin.close()
    assert started.stdout.readline() == "gone\n"
    started.wait()
    started.stdout.close()


def test_a_parent_that_has_ended_before_is_gone_at_once() -> None:
    told, ended = threading.Event(), subprocess.Popen(["true"])
    ended.wait()
    parent.watch(ended.pid, told.set)
    assert told.wait(9)


def test_macos_is_asked_by_a_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    class Queue:
        def control(self, events: Any, count: int) -> list[str]:
            asked.append((events, count))
            return ["the end"]

    fake = {"KQ_FILTER_PROC": "process", "KQ_EV_ADD": "add", "KQ_NOTE_EXIT": "exit"}
    monkeypatch.setattr(
        parent, "select", SimpleNamespace(kqueue=Queue, kevent=lambda *a: a, **fake)
    )
    wait = parent._by_queue(7)
    wait()
    assert asked == [([(7, "process", "add", "exit")], 0), (None, 1)]


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="Linux alone has it")
def test_waiting_for_input_ends_with_the_parent() -> None:
    started = subprocess.Popen(["sleep", "60"])
    descriptor = os.pidfd_open(started.pid)
    reader, writer = os.pipe()
    os.write(writer, b"x")
    parent.await_input(reader, descriptor)
    os.read(reader, 1)
    started.kill()
    with pytest.raises(EOFError):
        parent.await_input(reader, descriptor)
    started.wait()
    for one in (descriptor, reader, writer):
        os.close(one)


def test_windows_puts_a_child_into_a_job_that_ends_with_the_program(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls: list[tuple[str, Any]] = []

    class Kernel:
        def __getattr__(self, name: str) -> Any:
            if name == "CreateJobObjectW":
                return lambda *_: 5

            def call(*arguments: Any) -> int:
                calls.append((name, arguments))
                return 1

            return call

    monkeypatch.setattr(windows, "kernel", Kernel)
    monkeypatch.setattr(_platform, "SYSTEM", "win32")
    windows._job.cache_clear()
    _platform.end_with_this_process(SimpleNamespace(_handle=9))  # type: ignore[arg-type]
    windows._job.cache_clear()
    (made, limits), (put, child) = calls
    assert (made, put) == ("SetInformationJobObject", "AssignProcessToJobObject")
    flags = int.from_bytes(limits[2].raw[16:20], "little")
    assert flags & windows.JOB_FLAGS == windows.JOB_FLAGS
    assert (child[0].value, child[1].value) == (5, 9)


@pytest.mark.skipif(sys.platform != "linux", reason="Linux alone has it")
def test_linux_is_asked_for_no_dump_at_all() -> None:
    code = (
        "import ctypes; from edge_med import _platform; _platform.forbid_dumps()\n"
        "print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))"  # PR_GET_DUMPABLE
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "0\n"


def test_linux_is_asked_to_end_this_process_first(tmp_path: Any) -> None:
    score = tmp_path / "oom_score_adj"
    linux.go_first_without_memory(score)
    assert score.read_text() == "1000"
    linux.go_first_without_memory(tmp_path / "none" / "x")  # a sandbox without /proc
