"""Draw what the recipes make of images, for docs/guide/images.md: docs/pictures/seen-*.png.

python -m scripts.imaging_pictures docs/pictures

All of them are drawings, written as DICOM and opened as anybody's files are.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pydicom.uid as uids
from PIL import Image, ImageDraw

from devtools.images.dicom import dicom
from devtools.micro.dicom import Form, stored, write
from edge_med import imaging
from edge_med.imaging import Study
from edge_med.imaging.hu_windows import WINDOWS

SIDE, LINE = 224, 18
"""Pixels of a picture, and of the words below it."""

PHANTOM = 3
AXIAL = [1, 0, 0, 0, 1, 0]

Plane = npt.NDArray[np.float64]

BODY: tuple[tuple[float, tuple[float, float], tuple[float, float]], ...] = (
    (-90, (0.50, 0.50), (0.44, 0.34)),  # fat
    (45, (0.50, 0.50), (0.41, 0.31)),  # muscle
    (-820, (0.33, 0.47), (0.14, 0.20)),  # lungs
    (-820, (0.67, 0.47), (0.14, 0.20)),
    (60, (0.55, 0.56), (0.13, 0.12)),  # heart
    (180, (0.57, 0.57), (0.07, 0.07)),  # contrast medium in it
    (550, (0.50, 0.73), (0.06, 0.06)),  # spine
    (30, (0.50, 0.73), (0.025, 0.03)),
    (-200, (0.36, 0.40), (0.03, 0.03)),  # a nodule
)
"""A section of a chest: HU, centre and half axes in shares of the picture, from back to front."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    for name, pictures in {"x-ray": x_ray(), "ct": ct(), "mr": mr()}.items():
        sheet(pictures).save(folder / f"seen-{name}.png", optimize=True)


def x_ray() -> Iterable[tuple[str, Image.Image]]:
    """A dim phantom with zero for white: its numbers, and what the model sees."""
    form = Form(bits=12, inverted=True)
    numbers = stored(PHANTOM, form, SIDE)
    yield "the numbers, 0 to 4,095", Image.fromarray((numbers >> 4).astype(np.uint8))
    with tempfile.TemporaryDirectory() as folder:
        write(PHANTOM, form, Path(folder) / "phantom.dcm", SIDE)
        picture = imaging.open(Path(folder) / "phantom.dcm", side=SIDE)
    yield "DX: full range, inverted", Image.fromarray(picture.pixels)


def ct() -> Iterable[tuple[str, Image.Image]]:
    """One slice in each window."""
    hounsfield = np.rint(drawing(SIDE)).astype(np.int16)
    tags: dict[str, Any] = {"Modality": "CT", "RescaleSlope": 1, "RescaleIntercept": -1024}
    data = dicom((hounsfield + 1024).astype(np.int16), **tags)
    for name in WINDOWS:
        yield f"CT: {name}", Image.fromarray(imaging.open(data, side=SIDE, windows=name).pixels)


def mr() -> Iterable[tuple[str, Image.Image]]:
    """Three slices of a series that grows brighter: the range is that of all."""
    signal = np.clip(drawing(SIDE) + 1000, 0, 1200)
    with tempfile.TemporaryDirectory() as folder:
        for number in range(3):
            tags: dict[str, Any] = {
                "Modality": "MR",
                "SOPClassUID": uids.MRImageStorage,
                "ImagePositionPatient": [0, 0, number],
                "ImageOrientationPatient": AXIAL,
            }
            pixels = (signal * (number + 2) / 4).astype(np.uint16)
            (Path(folder) / str(number)).write_bytes(dicom(pixels, **tags))
        study = imaging.open(folder, side=SIDE, slices="auto")
    assert isinstance(study, Study)
    for number, picture in enumerate(study.pictures, 1):
        yield f"MR: SLICE {number}", Image.fromarray(picture.pixels)


def drawing(side: int) -> Plane:
    """The section in HU; air around it."""
    y, x = (np.mgrid[0:side, 0:side] + 0.5) / side
    found = np.full((side, side), -1000.0)
    for level, (across, down), (half, high) in BODY:
        found[((x - across) / half) ** 2 + ((y - down) / high) ** 2 <= 1] = level
    return found


def sheet(pictures: Iterable[tuple[str, Image.Image]], columns: int = 4) -> Image.Image:
    """Pictures in rows, each with its words below."""
    shown = list(pictures)
    rows = -(-len(shown) // columns)
    size = min(len(shown), columns) * SIDE, rows * (SIDE + LINE)
    found = Image.new("RGB", size, "white")
    pen = ImageDraw.Draw(found)
    for number, (words, picture) in enumerate(shown):
        left, top = number % columns * SIDE, number // columns * (SIDE + LINE)
        found.paste(picture.convert("RGB"), (left, top))
        pen.text((left + 4, top + SIDE + 2), words, fill="black", font_size=12)
    return found


if __name__ == "__main__":
    main()
