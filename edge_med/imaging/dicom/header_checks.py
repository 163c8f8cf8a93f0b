"""Checks of a DICOM image's header: its facts of the pixels agree, and are within limits."""

from __future__ import annotations

from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset

from edge_med.errors import ImageError
from edge_med.imaging.dicom.dataset import DicomHeader
from edge_med.imaging.dicom.elements import MAX_FRAMES, cut_off, too_many
from edge_med.imaging.dicom.pixel_data import Pixels
from edge_med.imaging.dicom.syntaxes import SYNTAXES, Syntax
from edge_med.imaging.file_limits import check_size
from edge_med.imaging.picture_facts import NO_IMAGE, OTHER_CONTENT

PACKED = 12
"""Bits allocated that fill no whole number of bytes: two pixels lie in three."""

GREY = ("MONOCHROME1", "MONOCHROME2")
PALETTE = "PALETTE COLOR"
COLOUR = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT", "XYB")
"""Photometric interpretations that are read (PS3.3 C.7.6.3.1.2)."""

_KNOWN = (
    *GREY,
    PALETTE,
    *COLOUR,
    "HSV",
    "ARGB",
    "CMYK",
    "YBR_PARTIAL_422",
    "YBR_PARTIAL_420",
)
"""The same with those that aren't read."""


def _no_image(data: Dataset) -> ImageError:
    content = OTHER_CONTENT.get(str(data.get("Modality")))
    more = f", but {content}" if content else ""
    return ImageError(f"The DICOM file holds no image{more}.", "Give a file that holds an image.")


def check(data: DicomHeader) -> None:
    """Hold a file's figures against each other and against the limits, before room is made.

    Raises:
        ImageError: it has no image, one too large, of an unknown kind, or less bytes than it says.
    """
    if data.fractions:
        raise ImageError(
            "The DICOM image's pixels are fractions (FloatPixelData), which aren't read.",
            "Export it from your archive with 8 to 16 bits.",
        )
    if data.get("Modality") in NO_IMAGE or data.pixels is None:
        raise _no_image(data)
    if "TotalPixelMatrixColumns" in data:
        raise ImageError(
            "The DICOM file holds tiles of a whole slide.", "Export the region that you need."
        )
    rows, columns, allocated = (number(data, name) for name in _SIZES)
    check_size(columns, rows)
    if not 1 <= frames(data) <= MAX_FRAMES:
        raise too_many()
    _check_bits(data)
    if allocated == PACKED:
        _check_packed(data)
    _check_kind(data)
    _check_length(data, data.pixels, rows * columns * allocated // 8)


_SIZES = ("Rows", "Columns", "BitsAllocated")


def _check_bits(data: DicomHeader) -> None:
    allocated, stored = number(data, "BitsAllocated"), number(data, "BitsStored")
    if allocated not in (8, PACKED, 16):
        raise ImageError(
            f"A DICOM image of {stored} bits in {allocated} a pixel isn't read.",
            f"Export it from your archive with 8 to 16 bits, in 8, {PACKED} or 16.",
        )
    if not 1 <= stored <= allocated:
        raise contradicts(data, "BitsStored", "BitsAllocated")
    if not stored - 1 <= high_bit(data) < allocated:
        raise contradicts(data, "HighBit", "BitsStored", "BitsAllocated")
    if number(data, "PixelRepresentation") not in (0, 1):
        raise contradicts(data, "PixelRepresentation")


def _check_packed(data: DicomHeader) -> None:
    """Packed pixels are read as archives of old wrote them: grey and uncompressed."""
    written = syntax(data)
    if written.frame or not written.little or kind(data) not in GREY:
        raise contradicts(data, "BitsAllocated")


def _check_kind(data: DicomHeader) -> None:
    found = kind(data)
    if found not in (*GREY, PALETTE, *COLOUR):
        raise ImageError(
            f"The DICOM image's colours aren't of a kind that is read: {_named(data, _KIND)}.",
            "Export it from your archive as RGB or grey.",
        )
    if found == "XYB" and syntax(data).frame != "jpegxl":  # which alone makes RGB of it
        raise contradicts(data, _KIND)
    wanted = 3 if found in COLOUR else 1
    if data.get("SamplesPerPixel", wanted) != wanted:  # what is missing, the kind implies
        raise contradicts(data, "SamplesPerPixel", _KIND)
    if found in COLOUR and data.get("PlanarConfiguration") not in (None, 0, 1):
        raise contradicts(data, "PlanarConfiguration")


_KIND = "PhotometricInterpretation"


def _check_length(data: DicomHeader, pixels: Pixels, plane: int) -> None:
    """Uncompressed pixels must all be there; compressed ones at least a few bytes a frame."""
    least = 8 if syntax(data).frame else frame_bytes(data, plane)
    if pixels.there < least * frames(data):
        raise cut_off()


def check_whole(data: DicomHeader) -> None:
    """Refuse a file that is cut off, as far as its length shows, before its pixels are read.

    Raises:
        ImageError: its end is missing.
    """
    if data.fractions or data.get("Modality") in NO_IMAGE:
        return
    if data.pixels is None:
        raise cut_off()
    if syntax(data).frame:
        data.pixels.check_whole()
        return
    try:
        rows, columns, allocated = (number(data, name) for name in _SIZES)
        least = frame_bytes(data, rows * columns * allocated // 8)
    except ImageError:  # said when the image is opened, by what is missing
        return
    if data.pixels.there < least * frames(data):
        raise cut_off()


SIZES = ("BitsAllocated", "PhotometricInterpretation")
"""Elements that give the length of pixels, besides their rows, columns and frames."""


def frame_bytes(data: DicomHeader, plane: int) -> int:
    """Bytes of an uncompressed frame, whose parts of one colour have so many each."""
    if kind(data) == "YBR_FULL_422":
        return plane * 2
    return plane * (3 if kind(data) in COLOUR else 1)


def kind(data: Dataset) -> str:
    """What the pixels' numbers stand for: DICOM's PhotometricInterpretation.

    Raises:
        ImageError: the file doesn't say.
    """
    found = data.get(_KIND)
    if not found:
        raise missing(_KIND)
    return str(found).strip().upper()  # some write it small


def number(data: Dataset, name: str) -> int:
    """A whole number that a file must have.

    Raises:
        ImageError: it hasn't.
    """
    value = data.get(name)
    if value is None:
        raise missing(name)
    if not isinstance(value, int):
        raise contradicts(data, name)
    return value


def high_bit(data: Dataset) -> int:
    """The highest of the bits that count: where it isn't said, the last of those (PS3.5 8.1.1)."""
    if data.get("HighBit") is None:
        return number(data, "BitsStored") - 1
    return number(data, "HighBit")


def frames(data: Dataset) -> int:
    """How many frames a file has."""
    return int(data.get("NumberOfFrames") or 1)


def syntax(data: Dataset) -> Syntax:
    """How a file is written."""
    return SYNTAXES[str(data.file_meta.TransferSyntaxUID)]


def missing(name: str) -> ImageError:
    """An element that must be there, and isn't."""
    return ImageError(f"The DICOM image's header has no {_tagged(name)}.", _ANEW)


def contradicts(data: Dataset, *names: str) -> ImageError:
    """Values that can't be, or not together."""
    tags = ", ".join(_named(data, name) for name in names)
    return ImageError(f"The DICOM image's header contradicts itself: {tags}.", _ANEW)


_ANEW = "Export it from your archive again: the file may be damaged."


def _tagged(name: str) -> str:
    tag = tag_for_keyword(name) or 0
    return f"{name} ({tag >> 16:04X},{tag & 0xFFFF:04X})"


def _named(data: Dataset, name: str) -> str:
    """An element with its value, if that is a number or a word that everybody knows."""
    value = data.get(name)
    text = "of no known form"
    if value is None:
        text = "nothing"
    elif isinstance(value, int | float) or value in _KNOWN:
        text = str(value)
    return f"{_tagged(name)} is {text}"
