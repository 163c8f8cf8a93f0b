"""A process goes on in its children, where the system forks, and is ended with them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from edge_med import _platform
from edge_med._platform import children
from tests.waiting import until

CHILDREN = """
import os, sys
from edge_med import _platform
sys.exit(3) if not _platform.go_on_in_children() else None
line = sys.stdin.buffer.raw.read(1)
os.write(1, line + str(os.getpid()).encode() + b" ")
{}
_platform.leave_to_another()
"""


def run(last: str, given: bytes) -> subprocess.CompletedProcess[bytes]:
    """A process whose children take a byte each; what they do then."""
    code = CHILDREN.format(last)
    command = [sys.executable, "-c", code]
    return subprocess.run(command, input=given, capture_output=True, check=False)


@pytest.mark.skipif(sys.platform != "linux", reason="only there are children")
def test_one_child_follows_another_until_one_ends_otherwise() -> None:
    done = run("if line == b'3': os.abort()", b"123")
    told = done.stdout.split()
    assert [part[:1] for part in told] == [b"1", b"2", b"3"]
    assert len({part[1:] for part in told}) == 3
    assert done.returncode == 1


def test_elsewhere_there_are_no_children(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fork", None, raising=False)
    for system in ("darwin", "win32"):
        monkeypatch.setattr(_platform, "SYSTEM", system)
        assert not _platform.go_on_in_children()


@pytest.fixture
def parent() -> Iterator[subprocess.Popen[bytes]]:
    """A process with a child that waits for long; its own group."""
    code = (
        "import subprocess, sys\n"
        "child = subprocess.Popen(['sleep', '60'])\nprint(child.pid, flush=True); child.wait()"
    )
    started = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, start_new_session=True
    )
    yield started
    started.kill()
    started.communicate()


@pytest.mark.skipif(sys.platform == "win32", reason="it has no groups")
def test_a_process_is_ended_with_its_children(parent: subprocess.Popen[bytes]) -> None:
    assert parent.stdout
    child = int(parent.stdout.readline())
    _platform.end_process(parent)
    assert parent.wait() == -signal.SIGKILL
    until(lambda: not _runs(child), "the end of the child")


def _runs(pid: int) -> bool:
    command = ["ps", "-o", "stat=", "-p", str(pid)]
    state = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    return state[:1] not in ("", "Z")  # Z: ended, and nobody has asked how


class Ended:
    """Stands in for a process on Windows."""

    pid = 0

    def __init__(self, code: int | None = None) -> None:
        self.killed = 0
        self.code = code

    def poll(self) -> int | None:
        return self.code

    def kill(self) -> None:
        self.killed += 1


def test_windows_ends_the_process_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_platform, "SYSTEM", "win32")
    monkeypatch.setattr(os, "killpg", None, raising=False)
    process = Ended()
    _platform.end_process(process)  # type: ignore[arg-type]
    assert process.killed == 1


def test_a_group_that_has_ended_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(_pid: int, _signal: int) -> None:
        raise ProcessLookupError

    monkeypatch.setattr(os, "killpg", gone)
    process = Ended()
    children.end(process, group=True)  # type: ignore[arg-type]
    assert process.killed == 1


@pytest.mark.skipif(sys.platform == "win32", reason="it has no groups")
def test_a_process_that_has_ended_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its number, and its group's, may be another's by now."""
    monkeypatch.setattr(os, "killpg", None)
    process = Ended(0)
    children.end(process, group=True)  # type: ignore[arg-type]
    assert process.killed == 0


def test_reports_of_a_child_up_to_its_end() -> None:
    code = (
        "from edge_med._platform import children as c\n"
        "c.report(a=1); c.report(b=[2]); print('{', end='')"
    )
    done = children.run([sys.executable, "-c", code], {}, 60)
    assert children.reports(done.stdout) == {"a": 1, "b": [2]}


def test_a_frozen_program_does_not_start_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    with pytest.raises(OSError, match="no interpreter"):
        children.command("edge_med.engine.service.child")


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (0, None),
        (1, None),
        (-9, None),  # SIGKILL: by somebody else
        (137, None),
        (139, "SIGSEGV"),  # as a shell tells of it
        (-11, "SIGSEGV"),
        (-200, "signal 200"),
        (0xC0000005, "an access violation"),
    ],
)
def test_what_ended_a_process_by_its_own_fault(code: int, words: str | None) -> None:
    assert children.fault(code) == words
