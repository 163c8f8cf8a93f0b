"""Medical images against pydicom alone: a CT's folder to slices, an X-ray to the model's square.

The rival reads every file's pixels in one process, as a program does that knows nothing of series.
Files are written anew for each run, uncompressed, with noise in them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom

from benchmarks import enhanced
from devtools.report import Result, result
from edge_med import imaging
from edge_med.imaging.sandbox.pool import POOL

SLICES, SIDE = 512, 512
XRAY = (4000, 3000)
"""Rows and columns: 12 megapixels."""

WARM, FIRST = 0.150, 0.6
"""Seconds for an X-ray in a warm process, and how much longer the first image may take."""


def run(work: Path, runs: int) -> list[Result]:
    """A CT against pydicom; an X-ray, and the first image, against the time they may take."""
    work.mkdir(parents=True, exist_ok=True)
    folder, xray = _ct(work / "ct"), _xray(work / "xray.dcm")
    rounds = [
        (*_planned_and_fitted(folder), _timed(lambda: _pydicom(folder))) for _ in range(runs + 1)
    ]
    planned, fitted, alone = zip(*rounds[1:], strict=True)
    commands = (
        "imaging.open(folder, slices='auto', room=SliceBudget(gpu=True))",
        "dcmread(path).pixel_array for each file",
    )
    name = f"CT of {SLICES} slices of {SIDE} x {SIDE}"
    warm = [_timed(lambda: imaging.open(xray)) for _ in range(runs + 1)][1:]
    reading = [_timed(lambda: pydicom.dcmread(xray).pixel_array) for _ in range(runs)]
    first = [_first(xray) - once for once in warm]
    return [
        result(
            f"{name} opened, windowed and planned, s, against pydicom's pixels",
            planned,
            alone,
            1.5,
            commands=commands,
        ),
        result(f"{name}, 85 of them fitted to 896 as well, s", fitted, alone, 99),
        result(
            "X-ray of 12 megapixels in a warm process, s, against 0.15 s", warm, [WARM] * runs, 1
        ),
        result("X-ray of 12 megapixels, s, against pydicom's pixels alone", warm, reading, 99),
        result("the first image, s more, against 0.6 s", first, [FIRST] * runs, 1),
        *enhanced.run(work, runs),
    ]


def _planned_and_fitted(folder: Path) -> tuple[float, float]:
    """Seconds until a CT is planned, and until its pictures are there."""
    start = time.perf_counter()
    study = imaging.open(folder, slices="auto", room=imaging.SliceBudget(gpu=True))
    planned = time.perf_counter() - start
    assert isinstance(study, imaging.Study)
    assert len(study.content()) == 2 * len(study.pictures)
    return planned, time.perf_counter() - start


def _timed(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _first(path: Path) -> float:
    """Seconds of an image for which a process has to be started."""
    POOL.close()
    return _timed(lambda: imaging.open(path))


def _pydicom(folder: Path) -> None:
    for path in folder.iterdir():
        assert pydicom.dcmread(path).pixel_array.size


def _ct(folder: Path) -> Path:
    from devtools.images.dicom import dicom  # wants imagecodecs, which no other needs

    folder.mkdir()
    lot = np.random.default_rng(0)
    for number in range(SLICES):
        pixels = lot.integers(0, 3000, (SIDE, SIDE)).astype(np.int16)
        tags: dict[str, Any] = {
            "Modality": "CT",
            "InstanceNumber": number + 1,
            "ImagePositionPatient": [0.0, 0.0, float(number)],
            "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
            "RescaleSlope": 1,
            "RescaleIntercept": -1024,
        }
        (folder / f"{number:04}.dcm").write_bytes(dicom(pixels, **tags))
    return folder


def _xray(path: Path) -> Path:
    from devtools.images.dicom import dicom  # wants imagecodecs, which no other needs

    pixels = np.random.default_rng(1).integers(0, 1 << 16, XRAY).astype(np.uint16)
    path.write_bytes(dicom(pixels, Modality="DX"))
    return path
