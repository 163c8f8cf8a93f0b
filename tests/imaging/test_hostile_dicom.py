"""Whatever a DICOM file holds: a picture, or an error of ours; soon, and nothing of it is told."""

from __future__ import annotations

import os
import random
import struct
import sys
import warnings
import zlib
from pathlib import Path
from typing import Any

import pydicom.uid as uids
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from devtools.images.dicom import (
    compressed,
    deflated,
    dicom,
    elements,
    jpeg_lossless,
    ramp,
    written,
)
from devtools.images.mutants import DICOM, dicom_mutant, opened, timed
from edge_med import imaging
from edge_med.errors import ImageError
from edge_med.imaging.files import image_files
from edge_med.imaging.sandbox.pool import POOL

JOB: dict[str, Any] = {"frames": [(0, 0)], "fit": "pad", "side": 8, "windows": "medgemma"}

DEEP = ramp(12)


@pytest.mark.parametrize("name", DICOM)
def test_the_samples_are_pictures(name: str) -> None:
    assert opened(DICOM[name])


@pytest.mark.parametrize("name", DICOM)
def test_mutants_are_pictures_or_refused(name: str) -> None:
    lot = random.Random(name)
    for _ in range(15):
        opened(dicom_mutant(DICOM[name], lot))


@pytest.mark.timing
def test_dicom_mutants_are_opened_or_refused_in_two_seconds() -> None:
    lot = random.Random(2)
    for data in DICOM.values():
        timed(dicom_mutant(data, lot))


@pytest.mark.long
@pytest.mark.parametrize("name", DICOM)
def test_five_thousand_mutants_are_pictures_or_refused(name: str) -> None:
    lot = random.Random(name + " long")
    for _ in range(-(-5000 // len(DICOM))):
        timed(dicom_mutant(DICOM[name], lot))


def sequences(depth: int) -> bytes:
    """A file with sequences in sequences."""
    data = elements(DEEP, {"Modality": "DX"})
    item = Dataset()
    for _ in range(depth):
        outer = Dataset()
        outer.ReferencedImageSequence = Sequence([item])
        item = outer
    data.SourceImageSequence = Sequence([item])
    return written(data)


@pytest.mark.parametrize("depth", [10, 60])
def test_sequences_in_sequences_are_passed_over(depth: int) -> None:
    assert opened(sequences(depth))


def nested(depth: int) -> bytes:
    """The same by hand, deeper than pydicom would write: each of undefined length."""
    start = b"\x08\x00\x40\x11SQ\x00\x00\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
    plain = DICOM["explicit"]
    place = plain.index(b"\x20\x00\x0e\x00")
    return plain[:place] + start * depth + plain[place:]


@pytest.mark.parametrize("depth", [250, 1000, 10_000])
def test_sequences_that_are_too_deep_are_refused(depth: int) -> None:
    assert opened(nested(depth)) is None


def test_a_deflated_bomb_is_refused_soon() -> None:
    engine = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    packed = b"".join(engine.compress(bytes(1 << 20)) for _ in range(300)) + engine.flush()
    head = deflated(b"")
    with pytest.raises(ImageError, match="too large"):
        imaging.open(head[:-2] + packed)


FIGURES: list[dict[str, Any]] = [
    {"Rows": 65535, "Columns": 65535},
    {"Rows": 0},
    {"Columns": None},
    {"NumberOfFrames": 100_000},
    {"NumberOfFrames": -1},
    {"NumberOfFrames": 2},
    {"BitsAllocated": 32},
    {"BitsAllocated": 64},
    {"BitsAllocated": 1},
    {"BitsStored": 17},
    {"BitsStored": 0, "HighBit": 0},
    {"HighBit": 3},
    {"HighBit": 16},
    {"SamplesPerPixel": 3},
    {"SamplesPerPixel": 0},
    {"PixelRepresentation": 2},
    {"PhotometricInterpretation": "CMYK"},
    {"PixelData": b""},
    {"RescaleSlope": 0, "RescaleIntercept": 0},
]


@pytest.mark.parametrize("tags", FIGURES, ids=str)
def test_figures_that_cant_be_are_refused(tags: dict[str, Any]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data = dicom(DEEP, Modality="DX", **tags)
    assert opened(data) is None


@pytest.mark.parametrize(("width", "height"), [(60_000, 60_000), (5, 5), (31, 25)])
def test_a_frame_of_another_size_than_its_file_says_is_refused(width: int, height: int) -> None:
    frame = jpeg_lossless(DEEP, 12)
    place = frame.index(b"\xff\xc3") + 5
    other = frame[:place] + struct.pack(">HH", height, width) + frame[place + 4 :]
    assert opened(compressed([other], DEEP, uids.JPEGLosslessSV1)) is None


def test_windows_without_a_meaning_are_passed_over() -> None:
    data = elements(DEEP, {"Modality": "MG", "WindowCenter": "1", "WindowWidth": "0"})
    assert opened(written(data))


def test_a_pipe_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ImageError, match="isn't a file"):
        imaging.open(tmp_path / "pipe")


def test_a_device_is_refused_at_once() -> None:
    with pytest.raises(ImageError, match="isn't a file"):
        imaging.open("/dev/zero")


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_a_file_that_the_system_makes_up_isnt_read() -> None:
    with pytest.raises(ImageError, match="file is empty"):
        imaging.open("/proc/self/environ")
    assert image_files.read("/proc/self/environ") == b""


def test_after_all_that_the_pool_still_works() -> None:
    with pytest.raises(ImageError):
        POOL.run("prepare", [b"nothing"], **JOB)
    assert opened(DICOM["explicit"])
