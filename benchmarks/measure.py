"""Run a command and see what it takes: time, processor time, memory, disk."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

WATCH_SECONDS = 0.2
MAXRSS_BYTES = 1024
"""Linux counts `ru_maxrss` in KiB (getrusage(2))."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one run of a command took.

    Attributes:
        seconds: by the clock.
        user: seconds of processor time in the program itself.
        system: seconds of processor time in the system on its behalf.
        memory: bytes of the largest resident set of it or any child.
        disk: bytes by which the watched folder grew at the most.
        output: what it printed on stdout.
    """

    seconds: float
    user: float
    system: float
    memory: int
    disk: int
    output: str


def measure(command: list[str], watched: Path, environment: dict[str, str] | None = None) -> Cost:
    """Run a command to its end.

    Args:
        command: program and arguments.
        watched: the folder that it writes into.
        environment: variables to be added.

    Raises:
        RuntimeError: it failed; the message ends with what it printed.
    """
    os.sync()  # nobody pays for the bytes that the one before has left behind
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, growth(watched) as grown:
        start = time.perf_counter()
        process = subprocess.Popen(
            command, stdout=out, stderr=err, env={**os.environ, **(environment or {})}
        )
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        if process.returncode:
            tail = (out.read() + err.read()).decode("utf-8", "replace")[-2000:]
            raise RuntimeError(f"{' '.join(command)}\n{tail}")
        output = out.read().decode("utf-8", "replace")
    memory = used.ru_maxrss * MAXRSS_BYTES
    return Cost(seconds, used.ru_utime, used.ru_stime, memory, max(grown), output)


@contextlib.contextmanager
def growth(folder: Path) -> Iterator[list[int]]:
    """By how many bytes a folder has grown, seen now and then while the block runs."""
    before, seen, done = _size(folder), [0], threading.Event()

    def watch() -> None:
        while not done.wait(WATCH_SECONDS):
            seen.append(_size(folder) - before)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        done.set()
        thread.join()
        seen.append(_size(folder) - before)


def _size(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(FileNotFoundError):  # renamed or removed in this moment
            total += path.stat().st_size if path.is_file() else 0
    return total
