"""Phantoms as DICOM files: 8 to 16 bits, both photometric interpretations, rescale, all syntaxes.

python -m devtools.micro.dicom FOLDER [--seeds 0 1 2]

They are for tests of reading; edge-med itself writes no DICOM. Attributes by PS3.3 C.7.6.3 (image
pixel), C.11.1 (modality LUT) and C.11.2 (VOI LUT). All names and numbers in them are invented.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import numpy.typing as npt
import pydicom.uid as uids
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian, generate_uid

from edge_med.demo.drawing import render
from edge_med.demo.phantom import phantom

Stored = npt.NDArray[Any]
"""Pixels of uint8 or uint16."""


@dataclass(frozen=True)
class Form:
    """How a picture is stored.

    Attributes:
        bits: that are used of the 8 or 16 allocated.
        inverted: MONOCHROME1, in which the highest value is the darkest.
        slope: of the rescale.
        intercept: of the rescale.
        window: centre and width that go with it, as shares of the range; None for no window.
        syntax: the transfer syntax.
    """

    bits: int = 12
    inverted: bool = False
    slope: float = 1.0
    intercept: float = 0.0
    window: tuple[float, float] | None = (0.5, 1.0)
    syntax: str = uids.ExplicitVRLittleEndian


FORMS = {
    "12-bit": Form(),
    "12-bit-monochrome1": Form(inverted=True),
    "16-bit": Form(bits=16),
    "16-bit-monochrome1": Form(bits=16, inverted=True),
    "rescaled": Form(slope=2.0, intercept=-1024.0),
    "no-window": Form(window=None),
    "narrow-window": Form(window=(0.4, 0.6)),
    "big-endian": Form(syntax=uids.ExplicitVRBigEndian),
}

LOSSLESS = {
    "rle": Form(syntax=uids.RLELossless),
    "jpeg-lossless": Form(bits=16, syntax=uids.JPEGLosslessSV1),
    "jpeg-lossless-14": Form(syntax=uids.JPEGLossless),
    "jpeg-ls": Form(inverted=True, syntax=uids.JPEGLSLossless),
    "jpeg-2000-lossless": Form(bits=16, inverted=True, syntax=uids.JPEG2000Lossless),
}

LOSSY = {
    "jpeg-baseline": Form(bits=8, syntax=uids.JPEGBaseline8Bit),
    "jpeg-extended": Form(syntax=uids.JPEGExtended12Bit),
    "jpeg-ls-near": Form(bits=16, syntax=uids.JPEGLSNearLossless),
    "jpeg-2000": Form(bits=16, syntax=uids.JPEG2000),
}

ENCODERS: dict[str, Callable[[Stored, int], Any]] = {
    uids.JPEGLosslessSV1: lambda pixels, bits: imagecodecs.jpeg8_encode(
        pixels, lossless=True, bitspersample=bits, predictor=1
    ),
    uids.JPEGLossless: lambda pixels, bits: imagecodecs.jpeg8_encode(
        pixels, lossless=True, bitspersample=bits, predictor=4
    ),
    uids.JPEGBaseline8Bit: lambda pixels, _: imagecodecs.jpeg8_encode(pixels, level=92),
    uids.JPEGExtended12Bit: lambda pixels, bits: imagecodecs.jpeg8_encode(
        pixels, level=92, bitspersample=bits
    ),
    uids.JPEGLSLossless: lambda pixels, _: imagecodecs.jpegls_encode(pixels),
    uids.JPEGLSNearLossless: lambda pixels, _: imagecodecs.jpegls_encode(pixels, level=48),
    uids.JPEG2000Lossless: lambda pixels, _: imagecodecs.jpeg2k_encode(
        pixels, level=0, codecformat="J2K"
    ),
    uids.JPEG2000: lambda pixels, _: imagecodecs.jpeg2k_encode(
        pixels, level=60, reversible=False, codecformat="J2K"
    ),
}
"""By syntax; RLE is pydicom's own."""


def stored(seed: int, form: Form, side: int = 512) -> Stored:
    """A phantom's numbers as the file holds them, without the black bars of a padded picture."""
    drawn = phantom(seed)
    top = (1 << form.bits) - 1
    values = np.rint(cut(render(drawn, side), drawn.frame) * top)
    if form.inverted:
        values = top - values
    found: Stored = values.astype(np.uint8 if form.bits == 8 else np.uint16)
    return found


def cut(square: npt.NDArray[Any], frame: tuple[float, float]) -> npt.NDArray[Any]:
    """The picture without its bars; padded to a square, it lies where it did."""
    side = len(square)
    left, top = (round(side * (1 - share) / 2) for share in frame)
    return square[top : side - top, left : side - left]


def write(seed: int, form: Form, path: Path, side: int = 512) -> None:
    """Write a phantom's picture."""
    pixels = stored(seed, form, side)
    data = _dataset(seed, path)
    data.Rows, data.Columns = pixels.shape
    data.SamplesPerPixel = 1
    data.PhotometricInterpretation = "MONOCHROME1" if form.inverted else "MONOCHROME2"
    data.BitsAllocated = pixels.itemsize * 8
    data.BitsStored, data.HighBit = form.bits, form.bits - 1
    data.PixelRepresentation = 0
    data.RescaleSlope, data.RescaleIntercept, data.RescaleType = form.slope, form.intercept, "US"
    if form.window:
        centre, width = (share * ((1 << form.bits) - 1) for share in form.window)
        data.WindowCenter = form.intercept + form.slope * centre
        data.WindowWidth = form.slope * width
    _put(data, pixels, form)
    data.save_as(path, enforce_file_format=True)


def _put(data: FileDataset, pixels: Stored, form: Form) -> None:
    """The pixels, as the syntax has them."""
    data.file_meta.TransferSyntaxUID = uids.UID(form.syntax)
    big = form.syntax == uids.ExplicitVRBigEndian
    data.PixelData = (pixels.byteswap() if big else pixels).tobytes()
    data["PixelData"].VR = "OB" if pixels.itemsize == 1 else "OW"
    data.set_original_encoding(is_implicit_vr=False, is_little_endian=not big)
    if form.syntax == uids.RLELossless:
        data.file_meta.TransferSyntaxUID = uids.ExplicitVRLittleEndian
        data.compress(uids.RLELossless, encoding_plugin="pydicom", generate_instance_uid=False)
    elif encode := ENCODERS.get(form.syntax):
        data.PixelData = encapsulate([bytes(encode(pixels, form.bits))])
        data["PixelData"].VR = "OB"


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
        for name, form in (FORMS | LOSSLESS | LOSSY).items():
            write(seed, form, options.folder / f"{seed}-{name}.dcm")


if __name__ == "__main__":
    main()
