"""Phantoms as DICOM files: 12 and 16 bits, both photometric interpretations, rescale and windows.

python -m scripts.micro.dicom FOLDER [--seeds 0 1 2]

They are for tests of reading; edge-med itself writes no DICOM. Attributes by PS3.3 C.7.6.3 (image
pixel), C.11.1 (modality LUT) and C.11.2 (VOI LUT). All names and numbers in them are invented.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian, generate_uid

from edge_med.demo.drawing import render
from edge_med.demo.phantom import phantom


@dataclass(frozen=True)
class Form:
    """How a picture is stored.

    Attributes:
        bits: that are used of the 16 allocated.
        inverted: MONOCHROME1, in which the highest value is the darkest.
        slope: of the rescale.
        intercept: of the rescale.
        window: centre and width that go with it, as shares of the range; None for no window.
    """

    bits: int = 12
    inverted: bool = False
    slope: float = 1.0
    intercept: float = 0.0
    window: tuple[float, float] | None = (0.5, 1.0)


FORMS = {
    "12-bit": Form(),
    "12-bit-monochrome1": Form(inverted=True),
    "16-bit": Form(bits=16),
    "16-bit-monochrome1": Form(bits=16, inverted=True),
    "rescaled": Form(slope=2.0, intercept=-1024.0),
    "no-window": Form(window=None),
    "narrow-window": Form(window=(0.4, 0.6)),
}


def write(seed: int, form: Form, path: Path, side: int = 512) -> None:
    """Write a phantom's picture."""
    top = (1 << form.bits) - 1
    stored = np.rint(render(phantom(seed), side) * top).astype(np.uint16)
    if form.inverted:
        stored = (top - stored).astype(np.uint16)
    data = _dataset(seed, path)
    data.Rows = data.Columns = side
    data.SamplesPerPixel = 1
    data.PhotometricInterpretation = "MONOCHROME1" if form.inverted else "MONOCHROME2"
    data.BitsAllocated, data.BitsStored, data.HighBit = 16, form.bits, form.bits - 1
    data.PixelRepresentation = 0
    data.RescaleSlope, data.RescaleIntercept, data.RescaleType = form.slope, form.intercept, "US"
    if form.window:
        centre, width = (share * top for share in form.window)
        data.WindowCenter = form.intercept + form.slope * centre
        data.WindowWidth = form.slope * width
    data.PixelData = stored.tobytes()
    data.save_as(path, enforce_file_format=True)


def _dataset(seed: int, path: Path) -> FileDataset:
    """Everything but the picture."""
    identity = [f"phantom-{seed}"]
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = DigitalXRayImageStorageForPresentation
    meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=[*identity, path.name])
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    data.SOPClassUID, data.SOPInstanceUID = (
        meta.MediaStorageSOPClassUID,
        generate_uid(entropy_srcs=[*identity, path.name]),
    )
    data.StudyInstanceUID = generate_uid(entropy_srcs=[*identity, "study"])
    data.SeriesInstanceUID = generate_uid(entropy_srcs=[*identity, "series"])
    data.PatientName, data.PatientID = "Phantom^Drawn", f"PHANTOM-{seed}"
    data.Modality, data.BodyPartExamined, data.ViewPosition = "DX", "CHEST", "PA"
    data.PresentationIntentType = "FOR PRESENTATION"
    data.InstanceNumber = 1
    return data


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    for seed in options.seeds:
        for name, form in FORMS.items():
            write(seed, form, options.folder / f"{seed}-{name}.dcm")


if __name__ == "__main__":
    main()
