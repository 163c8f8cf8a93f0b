"""One frame of a DICOM image as an array: held against the limits first, then decoded."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset

from edge_med.errors import ImageError
from edge_med.imaging.container import DAMAGED, check_size
from edge_med.imaging.dicom.syntaxes import PLUGIN, SYNTAXES, decoder

MAX_FRAMES = 4096

PACKED = 12
"""Bits allocated that fill no whole number of bytes: two pixels lie in three."""

GREY = ("MONOCHROME1", "MONOCHROME2")
PALETTE = "PALETTE COLOR"
COLOUR = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")
"""Photometric interpretations that are read (PS3.3 C.7.6.3.1.2)."""

_NEEDED = ("Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation")

_NO_IMAGE = {
    **dict.fromkeys(("RTDOSE", "RTPLAN", "RTRECORD"), "a radiotherapy plan or its dose"),
    **dict.fromkeys(("RTSTRUCT", "SEG"), "outlines of structures"),
    **dict.fromkeys(("SR", "KO", "DOC"), "a report"),
    **dict.fromkeys(("ECG", "HD", "EPS", "RESP"), "curves, such as an ECG"),
    "PR": "how another image is shown",
    "REG": "how images lie on each other",
}
"""Modalities whose files hold something else, and what; some have pixels that say so."""

_NO_PIXELS = {"ECG", "HD", "EPS", "RESP"}
"""Those that are believed only where pixels are missing."""


def _no_image(data: Dataset) -> ImageError:
    held = _NO_IMAGE.get(str(data.get("Modality")))
    told = f", but {held}" if held else ""
    return ImageError(f"The DICOM file holds no image{told}.", "Give one that holds an image.")


def check(data: Dataset) -> None:
    """Hold a file's figures against each other and against the limits, before room is made.

    Raises:
        ImageError: it has no image, one too large, of an unknown kind, or less bytes than it says.
    """
    if data.get("Modality") in {*_NO_IMAGE} - _NO_PIXELS or "PixelData" not in data:
        raise _no_image(data)
    if "TotalPixelMatrixColumns" in data:
        raise ImageError(
            "The DICOM file holds tiles of a whole slide.", "Export the region that you mean."
        )
    rows, columns, allocated, stored, high, sign = (number(data, name) for name in _NEEDED)
    check_size(columns, rows)
    if not 1 <= frames(data) <= MAX_FRAMES:
        raise too_many()
    if allocated not in (8, PACKED, 16) or not 1 <= stored <= allocated or sign not in (0, 1):
        raise ImageError(
            f"A DICOM image of {stored} bits in {allocated} a pixel isn't read.",
            f"Let your archive export it with 8 to 16 bits, in 8, {PACKED} or 16.",
        )
    if allocated == PACKED:
        _check_packed(data)
    if not stored - 1 <= high < allocated:
        raise _inconsistent()
    _check_kind(data)
    _check_length(data, rows * columns * allocated // 8)


def _check_packed(data: Dataset) -> None:
    """Packed pixels are read as archives of old wrote them: grey and uncompressed."""
    syntax = SYNTAXES[str(data.file_meta.TransferSyntaxUID)]
    if syntax.frame or not syntax.little or data.get("PhotometricInterpretation") not in GREY:
        raise _inconsistent()


def _check_kind(data: Dataset) -> None:
    kind, samples = data.get("PhotometricInterpretation"), number(data, "SamplesPerPixel")
    if kind not in (*GREY, PALETTE, *COLOUR):
        raise ImageError(
            "The DICOM image has colours of a kind that isn't read here.",
            "Let your archive export it as RGB or grey.",
        )
    if samples != (3 if kind in COLOUR else 1):
        raise _inconsistent()


def _check_length(data: Dataset, plane: int) -> None:
    """Uncompressed pixels must all be there; compressed ones at least a few bytes a frame."""
    element = data.get_item("PixelData")
    there = len(element.value or b"")
    samples = number(data, "SamplesPerPixel")
    if data.PhotometricInterpretation == "YBR_FULL_422":
        samples = 2
    compressed = SYNTAXES[str(data.file_meta.TransferSyntaxUID)].frame
    if there < (8 if compressed else plane * samples) * frames(data):
        raise ImageError("The end of the DICOM image is missing.", DAMAGED)


def number(data: Dataset, name: str) -> int:
    """A whole number that a file must have.

    Raises:
        ImageError: it hasn't.
    """
    value = data.get(name)
    if not isinstance(value, int):
        raise _inconsistent()
    return value


def frames(data: Dataset) -> int:
    """How many frames a file has."""
    return int(data.get("NumberOfFrames") or 1)


def decode(data: Dataset, index: int) -> npt.NDArray[Any]:
    """Decode one frame of a file that was checked.

    Returns:
        patterns of bits in uint8 or uint16 of the shape (rows, columns) for grey and palettes;
        RGB of the shape (rows, columns, 3) for colours.

    Raises:
        ImageError: there is no such frame, or it can't be decoded.
    """
    if not 0 <= index < frames(data):
        raise ImageError(
            f"The DICOM image has {frames(data)} frames.", "Give the number of one of them."
        )
    if data.BitsAllocated == PACKED:
        return _unpacked(data, index)
    uid = str(data.file_meta.TransferSyntaxUID)
    options: dict[str, Any] = {
        "correct_unused_bits": False
    }  # `levels.stored` does, by the high bit
    if SYNTAXES[uid].frame:
        options["decoding_plugin"] = PLUGIN
    grey = data.PhotometricInterpretation not in COLOUR
    if grey and not SYNTAXES[uid].frame:
        options["view_only"] = True
    try:
        pixels, _ = decoder(uid).as_array(data, index=index, raw=grey, **options)
    except Exception:  # noqa: BLE001 - decoders raise what a damaged frame makes them meet
        raise ImageError("The DICOM image can't be decoded.", DAMAGED) from None
    native = pixels.astype(pixels.dtype.newbyteorder("="), copy=False)
    return native.view(f"u{native.dtype.itemsize}")  # type: ignore[no-any-return]


def _unpacked(data: Dataset, index: int) -> npt.NDArray[np.uint16]:
    """A frame of packed pixels: two in three bytes, the lower bits first (PS3.5-2008, D.2)."""
    count = data.Rows * data.Columns
    skipped, pairs = index * count % 2, (index * count % 2 + count + 1) // 2
    begin = index * count // 2 * 3
    packed = bytes(data.PixelData[begin : begin + 3 * pairs]).ljust(3 * pairs, b"\0")
    first, middle, last = np.frombuffer(packed, np.uint8).reshape(-1, 3).T.astype(np.uint16)
    pixels = np.stack([first | (middle & 15) << 8, middle >> 4 | last << 4], axis=1).ravel()
    return pixels[skipped : skipped + count].reshape(data.Rows, data.Columns)


def too_many() -> ImageError:
    """A file with more frames than anybody looks at, or none."""
    return ImageError(
        f"The DICOM image has more than {MAX_FRAMES:,} frames, or none.", "Export one frame."
    )


def _inconsistent() -> ImageError:
    return ImageError(
        "The DICOM file's header contradicts itself in the size, the bits or the frames of its "
        "image.",
        DAMAGED,
    )
