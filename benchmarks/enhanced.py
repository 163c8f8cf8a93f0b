"""A CT of 1,200 frames in one file of 629 MB: a frame of it, and where all of its frames lie.

A frame takes what a frame may take, and its places what pydicom takes to read the header with them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom

from devtools.report import Result, result
from edge_med import imaging
from edge_med.imaging.sandbox.pool import POOL, Process
from edge_med.imaging.volume import study

FRAMES, SIDE = 1200, 512
FRAME, MEMORY = 0.2, 60.0
"""Seconds that a frame may take, and MB more than before that it may need."""

NAME = f"{FRAMES} frames of {SIDE} x {SIDE} in one file"


def run(work: Path, runs: int) -> list[Result]:
    """One frame against what it may take, and all places against pydicom."""
    path = made(work / "enhanced.dcm")
    imaging.open(path, frame=1)  # a process has started, and has loaded what it needs
    before = _peak()
    frames = [_timed(lambda: imaging.open(path, frame=FRAMES // 2)) for _ in range(runs)]
    more = _peak() - before
    rounds = [
        (_timed(lambda: study.describe_files([str(path)])), _timed(lambda: _places(path)))
        for _ in range(runs + 1)
    ]
    ours, theirs = zip(*rounds[1:], strict=True)
    return [
        result(f"{NAME}: one of them, s, against 0.2 s", frames, [FRAME] * runs, 1),
        result(f"{NAME}: one of them, MB more, against 60 MB", [more], [MEMORY], 1),
        result(f"{NAME}: where they lie, s, against pydicom", ours, theirs, 2),
    ]


def made(path: Path) -> Path:
    """The file; its pixels are one frame of noise, over and over."""
    from pydicom.sequence import Sequence

    from devtools.images.dicom import elements, written
    from devtools.images.enhanced import frame_groups

    tags: dict[str, Any] = {"Modality": "CT", "Rows": SIDE, "Columns": SIDE}
    data = elements(np.zeros((1, 1), np.uint16), {**tags, "NumberOfFrames": FRAMES})
    groups = [frame_groups(float(n), InStackPositionNumber=n + 1) for n in range(FRAMES)]
    data.PerFrameFunctionalGroupsSequence = Sequence(groups)
    data.PixelData = bytes(2)
    frame = np.random.default_rng(0).integers(0, 3000, (SIDE, SIDE)).astype("<u2").tobytes()
    with path.open("wb") as file:
        file.write(written(data)[:-6] + (FRAMES * len(frame)).to_bytes(4, "little"))
        for _ in range(FRAMES):
            file.write(frame)
    return path


def _places(path: Path) -> None:
    header = pydicom.dcmread(path, stop_before_pixels=True)
    groups = header.PerFrameFunctionalGroupsSequence
    assert len([group.PlanePositionSequence[0].ImagePositionPatient for group in groups]) == FRAMES


def _timed(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _peak() -> float:
    """MB that the processes that decode have had at the most, as Linux counts them."""
    started = {one.pid for one in POOL.idle if isinstance(one, Process)}
    found = 0.0
    for folder in Path("/proc").glob("[0-9]*"):
        parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        if int(folder.name) in started or parent in started:
            lines = dict(line.split(":", 1) for line in (folder / "status").open())
            found += int(lines["VmHWM"].split()[0]) * 1024 / 1e6
    return found
