"""Kill conversions at chosen moments: `python -m tests.converters.kills SOURCE FOLDER MOMENT…`.

A moment is `bytes:N`, after N bytes were written, or `step:N`, before the N-th renaming or syncing.
Every run is a process of its own, forked where the system can, and ends with SIGKILL or its like.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from io import FileIO
from pathlib import Path
from typing import Any

from converters.pipeline import convert
from converters.request import ConversionRequest
from edge_med import _platform

QUANTS = ("Q8_0", "Q4_0")
STEPS = ("replace", "sync_folder", "sync_file")


def die() -> None:
    """End at once, as by a power cut: no handler runs, no buffer is flushed."""
    if sys.platform == "win32":
        os._exit(9)
    os.kill(os.getpid(), signal.SIGKILL)


def arm(moment: str) -> None:
    """Make this process die at a moment."""
    kind, number = moment.split(":")
    left = [int(number)]
    if kind == "bytes":
        setattr(_platform, "write", _dying_write(left))  # noqa: B010 - a type checker forbids it
    for name in STEPS if kind == "step" else ():
        setattr(_platform, name, _dying_step(getattr(_platform, name), left))


def _dying_write(left: list[int]) -> Callable[[FileIO, memoryview], int]:
    def write(file: FileIO, data: memoryview) -> int:
        if data.nbytes >= left[0]:
            file.write(data[: left[0]])
            die()
        left[0] -= data.nbytes
        return file.write(data)

    return write


def _dying_step(step: Callable[..., None], left: list[int]) -> Callable[..., None]:
    def counted(*arguments: Any) -> None:
        if left[0] == 0:
            die()
        left[0] -= 1
        step(*arguments)

    return counted


def run(source: Path, folder: Path, moment: str) -> None:
    """Convert over what is there, and die on the way."""
    arm(moment)
    convert(ConversionRequest(source=source, folder=folder, quants=QUANTS, force=True, threads=1))


if __name__ == "__main__":
    run(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
