"""Running a model against another program that computes, as on a laptop that is used meanwhile."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks import run as running
from devtools.reference import require_tools
from devtools.report import Result
from edge_med._platform import usable_cores

BUSY = "while True: pass"
"""The other program: one thread that computes all the time."""


def run(models: Sequence[Path], _work: Path, runs: int) -> list[Result]:
    """Reading and writing of each model while every core has something else to do as well.

    Raises:
        RuntimeError: a command failed, or the rival is missing.
    """
    require_tools()
    with neighbours(usable_cores()):
        return [
            found
            for model in models
            for found in running.speed(model, runs, new=8, read=64, told=" on a busy machine")
        ]


@contextlib.contextmanager
def neighbours(count: int) -> Iterator[None]:
    """Programs that compute as long as the block runs."""
    busy = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(count)]
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()
