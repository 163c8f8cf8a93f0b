"""The engines' processes of a program, as the system has them."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from edge_med import Options
from tests.waiting import until

PIXELS = np.full((56, 56, 3), 120, dtype=np.uint8)
SHORT = Options(max_new_tokens=12, stop_loops=False)
LONG = Options(max_new_tokens=1500, stop_loops=False)
ROOT = Path(__file__).parents[3]


def engines(parent: int) -> list[int]:
    """The engines' processes that a program has, by their command lines."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes()
        except OSError:
            continue
        if b"edge_med.engine.service.child" in line and b"'parent': %d," % parent in line:
            found.append(int(path.parent.name))
    return found


def engine() -> int:
    (pid,) = engines(os.getpid())
    return pid


def runs(pid: int) -> bool:
    """Whether a process runs; one that has ended stays listed until somebody asks how (Z)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def until_gone(pids: list[int], seconds: float = 20.0) -> None:
    """Wait for the end of processes."""
    until(lambda: not any(runs(pid) for pid in pids), "the end of a process", seconds)
