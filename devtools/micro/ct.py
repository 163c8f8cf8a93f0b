"""A drawn CT for the tutorial: twelve coronal slices of a phantom, with an opacity in four of them.

python -m devtools.micro.ct FOLDER

Coronal slices of a chest look like the drawings that micro was trained on, so that it can be asked
about one. It shows nobody; all names and numbers in it are invented. Attributes by PS3.3 A.3 (CT).
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian, generate_uid

from edge_med.demo.drawing import Plane, render
from edge_med.demo.phantom import Phantom, phantom

SEED, SIDE, SLICES = 102, 256, 12
WITH_OPACITY = range(5, 9)
"""Slices, counted from 1."""

THICKNESS = 8.0
"""Millimetres; pixels are as wide as 400 mm of chest in `SIDE` of them."""

AIR, SPAN = -1000, 2000
"""HU of black, and from black to white: `--windows -1000:1000` shows the drawing as it is."""


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(1, SLICES + 1):
        write(number, render(drawn(number), SIDE), folder / f"{number:02}.dcm")


def drawn(number: int) -> Phantom:
    """What a slice shows."""
    whole = phantom(SEED, padded=0)
    only = replace(whole, effusion=None, pneumothorax=None, device=None)
    return only if number in WITH_OPACITY else replace(only, opacity=None)


def write(number: int, picture: Plane, path: Path) -> None:
    """Write a slice, by its number from front to back."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.TransferSyntaxUID = CTImageStorage, ExplicitVRLittleEndian
    meta.MediaStorageSOPInstanceUID = _uid(f"slice {number}")
    data = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    data.SOPClassUID, data.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
    data.StudyInstanceUID, data.SeriesInstanceUID = _uid("study"), _uid("series")
    data.FrameOfReferenceUID = _uid("frame")
    data.PatientName, data.PatientID = "Phantom^Drawn", "PHANTOM-CT"
    data.Modality, data.BodyPartExamined = "CT", "CHEST"
    data.SeriesNumber, data.InstanceNumber = 1, number
    data.ImageOrientationPatient = [1, 0, 0, 0, 0, -1]  # coronal
    data.ImagePositionPatient = [-200, THICKNESS * number, 200]
    data.PixelSpacing, data.SliceThickness = [400 / SIDE, 400 / SIDE], THICKNESS
    data.Rows, data.Columns = picture.shape
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.BitsAllocated, data.BitsStored, data.HighBit = 16, 16, 15
    data.PixelRepresentation = 1
    data.RescaleSlope, data.RescaleIntercept = 1, 0
    data.PixelData = np.rint(AIR + SPAN * picture).astype("<i2").tobytes()
    data.save_as(path, enforce_file_format=True)


def _uid(name: str) -> UID:
    return generate_uid(entropy_srcs=["drawn CT of the tutorial", name])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
