"""One frame of a DICOM image as an array: held against the limits first, then decoded."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.pixels.utils import as_pixel_options

from edge_med.errors import ImageError
from edge_med.imaging.container import DAMAGED, check_size
from edge_med.imaging.dicom.items import MAX_FRAMES, cut_off, too_many
from edge_med.imaging.dicom.pixels import Pixels
from edge_med.imaging.dicom.reading import Header
from edge_med.imaging.dicom.syntaxes import (
    PLUGIN,
    SYNTAXES,
    WHOLE,
    Syntax,
    check_frame,
    decoder,
)

PACKED = 12
"""Bits allocated that fill no whole number of bytes: two pixels lie in three."""

GREY = ("MONOCHROME1", "MONOCHROME2")
PALETTE = "PALETTE COLOR"
COLOUR = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")
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
    "XYB",
)
"""The same with those that aren't read."""

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


def check(data: Header) -> None:
    """Hold a file's figures against each other and against the limits, before room is made.

    Raises:
        ImageError: it has no image, one too large, of an unknown kind, or less bytes than it says.
    """
    if data.get("Modality") in {*_NO_IMAGE} - _NO_PIXELS or data.pixels is None:
        raise _no_image(data)
    if "TotalPixelMatrixColumns" in data:
        raise ImageError(
            "The DICOM file holds tiles of a whole slide.", "Export the region that you mean."
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


def _check_bits(data: Header) -> None:
    allocated, stored = number(data, "BitsAllocated"), number(data, "BitsStored")
    if allocated not in (8, PACKED, 16):
        raise ImageError(
            f"A DICOM image of {stored} bits in {allocated} a pixel isn't read.",
            f"Let your archive export it with 8 to 16 bits, in 8, {PACKED} or 16.",
        )
    if not 1 <= stored <= allocated:
        raise contradicts(data, "BitsStored", "BitsAllocated")
    if not stored - 1 <= high_bit(data) < allocated:
        raise contradicts(data, "HighBit", "BitsStored", "BitsAllocated")
    if number(data, "PixelRepresentation") not in (0, 1):
        raise contradicts(data, "PixelRepresentation")


def _check_packed(data: Header) -> None:
    """Packed pixels are read as archives of old wrote them: grey and uncompressed."""
    written = syntax(data)
    if written.frame or not written.little or kind(data) not in GREY:
        raise contradicts(data, "BitsAllocated")


def _check_kind(data: Header) -> None:
    found = kind(data)
    if found not in (*GREY, PALETTE, *COLOUR):
        raise ImageError(
            f"The DICOM image's colours aren't of a kind that is read: {_named(data, _KIND)}.",
            "Let your archive export it as RGB or grey.",
        )
    wanted = 3 if found in COLOUR else 1
    if data.get("SamplesPerPixel", wanted) != wanted:  # what is missing, the kind implies
        raise contradicts(data, "SamplesPerPixel", _KIND)
    if found in COLOUR and data.get("PlanarConfiguration") not in (None, 0, 1):
        raise contradicts(data, "PlanarConfiguration")


_KIND = "PhotometricInterpretation"


def _check_length(data: Header, pixels: Pixels, plane: int) -> None:
    """Uncompressed pixels must all be there; compressed ones at least a few bytes a frame."""
    least = 8 if syntax(data).frame else frame_bytes(data, plane)
    if pixels.there < least * frames(data):
        raise cut_off()


def frame_bytes(data: Header, plane: int) -> int:
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


def decode(data: Header, index: int) -> npt.NDArray[Any]:
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
    assert data.pixels
    if data.BitsAllocated == PACKED:
        return _unpacked(data, data.pixels, index)
    source, samples = _source(data, data.pixels, index), 3 if kind(data) in COLOUR else 1
    check_frame(source, syntax(data).frame, (data.Columns, data.Rows, samples))
    try:
        pixels = _decoded(data, source)
    except ImageError:
        raise
    except Exception:  # noqa: BLE001 - decoders raise what a damaged frame makes them meet
        raise ImageError(
            f"The DICOM image can't be decoded: its transfer syntax is {syntax(data).name}.",
            DAMAGED,
        ) from None
    native = pixels.astype(pixels.dtype.newbyteorder("="), copy=False)
    return native.view(f"u{native.dtype.itemsize}")


def _source(data: Header, pixels: Pixels, index: int) -> bytes:
    """The bytes of one frame, as they are written."""
    if syntax(data).frame:
        return pixels.compressed(index, frames(data), _offsets(data))
    size = frame_bytes(data, data.Rows * data.Columns * data.BitsAllocated // 8)
    words = data.BitsAllocated == 8 and not pixels.form.little and pixels.kind == "OW"
    return pixels.plain(index * size, size, words=words)


def _offsets(data: Header) -> list[int]:
    """Where the compressed frames begin, as far as a file says it beside them (PS3.5 A.4)."""
    table = data.get("ExtendedOffsetTable")
    return np.frombuffer(table, "<u8").tolist() if isinstance(table, bytes) else []


def _decoded(data: Header, source: bytes) -> npt.NDArray[Any]:
    """A frame by our decoders, with pydicom's rules of colours, signs and planes around them."""
    uid, grey = str(data.file_meta.TransferSyntaxUID), kind(data) not in COLOUR
    if uid in WHOLE:
        return _whole(data, WHOLE[uid](source))
    options: dict[str, Any] = {
        **as_pixel_options(data),
        "photometric_interpretation": kind(data),
        "samples_per_pixel": 1 if grey else 3,
        "planar_configuration": data.get("PlanarConfiguration") or 0,
        "number_of_frames": 1,
        "extended_offsets": None,
        "pixel_keyword": "PixelData",
        "pixel_vr": "OB",  # what was in words is turned round already
        "correct_unused_bits": False,  # `levels.stored` does, by the high bit
    }
    if syntax(data).frame:
        source, options["decoding_plugin"] = encapsulate([source], has_bot=False), PLUGIN
    elif grey:
        options["view_only"] = True
    return decoder(uid).as_array(source, index=0, raw=grey, **options)[0]  # type: ignore[no-any-return]


def _whole(data: Header, pixels: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """A frame that its decoder has made grey or RGB, if it has as many colours as its file says."""
    shape = (data.Rows, data.Columns) if kind(data) not in COLOUR else (data.Rows, data.Columns, 3)
    if pixels.shape != shape or pixels.dtype not in (np.uint8, np.uint16):
        raise contradicts(data, "SamplesPerPixel")
    return pixels


def _unpacked(data: Header, pixels: Pixels, index: int) -> npt.NDArray[np.uint16]:
    """A frame of packed pixels: two in three bytes, the lower bits first (PS3.5-2008, D.2)."""
    count = data.Rows * data.Columns
    skipped, pairs = index * count % 2, (index * count % 2 + count + 1) // 2
    begin = index * count // 2 * 3
    packed = pixels.plain(begin, min(3 * pairs, pixels.there - begin)).ljust(3 * pairs, b"\0")
    first, middle, last = np.frombuffer(packed, np.uint8).reshape(-1, 3).T.astype(np.uint16)
    whole = np.stack([first | (middle & 15) << 8, middle >> 4 | last << 4], axis=1).ravel()
    return whole[skipped : skipped + count].reshape(data.Rows, data.Columns)


def missing(name: str) -> ImageError:
    """An element that must be there, and isn't."""
    return ImageError(f"The DICOM image's header has no {_tagged(name)}.", _ANEW)


def contradicts(data: Dataset, *names: str) -> ImageError:
    """Values that can't be, or not together."""
    told = ", ".join(_named(data, name) for name in names)
    return ImageError(f"The DICOM image's header contradicts itself: {told}.", _ANEW)


_ANEW = "Let your archive export it anew; the file may be damaged."


def _tagged(name: str) -> str:
    tag = tag_for_keyword(name) or 0
    return f"{name} ({tag >> 16:04X},{tag & 0xFFFF:04X})"


def _named(data: Dataset, name: str) -> str:
    """An element with its value, if that is a number or a word that everybody knows."""
    value = data.get(name)
    told = value if isinstance(value, int | float) or value in _KNOWN else None
    return f"{_tagged(name)} is {'nothing' if value is None else told or 'of no known form'}"
