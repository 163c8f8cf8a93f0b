"""TIFF's tags: the orientation of a photo (EXIF is a small TIFF), and the kind of a TIFF's pixels.

They are read here, within bounds, and a TIFF gets a new directory that holds only the tags its
pixels need. So Pillow meets none that it would warn of and then leave out.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from typing import Any, NamedTuple

from edge_med.errors import ImageError
from edge_med.imaging.file_limits import MAX_PARTS, Container, check_size, damaged, several

ORDERS = {b"II*\x00": "<", b"MM\x00*": ">"}
"""How a TIFF begins, and the byte order that this says."""

_BITS, _PHOTOMETRIC, _ORIENTATION, _FORMAT = 258, 262, 274, 339
_SIZES = ((256, 257), (322, 323))
"""Of the picture, and of its tiles."""

_SMALLER = 330
"""SubIFDs: where smaller copies of the picture lie (TIFF Technical Note 1)."""

_SINGLE = {
    256: "ImageWidth",
    257: "ImageLength",
    259: "Compression",
    _PHOTOMETRIC: "PhotometricInterpretation",
    266: "FillOrder",
    277: "SamplesPerPixel",
    278: "RowsPerStrip",
    284: "PlanarConfiguration",
    292: "T4Options",
    293: "T6Options",
    317: "Predictor",
    322: "TileWidth",
    323: "TileLength",
}
"""The tags of one number that say what the pixels are."""

_SEVERAL = {
    _BITS: "BitsPerSample",
    273: "StripOffsets",
    279: "StripByteCounts",
    320: "ColorMap",
    324: "TileOffsets",
    325: "TileByteCounts",
    338: "ExtraSamples",
    _FORMAT: "SampleFormat",
    347: "JPEGTables",
    529: "YCbCrCoefficients",
    530: "YCbCrSubSampling",
    532: "ReferenceBlackWhite",
}
"""And those of any number of numbers."""

_RELEVANT = {*_SINGLE, *_SEVERAL, _ORIENTATION}

_XMP = 700
"""Adobe's notes, as XML (XMP specification, part 3, 3.2.2)."""

_XMP_ORIENTATION = re.compile(rb'tiff:Orientation(?:="|>)([1-8])')

_SILENT = 0
"""An EXIF block that doesn't say which way up."""

_CODES = {1: "B", 3: "H", 4: "I", 5: "Q", 7: "B"}
"""struct's letters for BYTE, SHORT, LONG, RATIONAL (as one) and UNDEFINED (TIFF 6.0, section 2)."""


class _Tag(NamedTuple):
    number: int
    kind: int
    values: int
    value: bytes
    """Itself, or where it lies if it has more than four bytes."""


def turned(exif: bytes, xmp: bytes = b"") -> int | None:
    """The orientation of a photo; XMP counts where EXIF has none, as in Pillow's `getexif`.

    Args:
        exif: EXIF block, with or without the `Exif` that JPEG puts before it, and some cameras
            twice; empty if there is none.
        xmp: Adobe's notes as XML; empty if there are none.

    Returns:
        1 to 8; 1 where nothing says it; None where the block can't be read.
    """
    orientation = _orientation(exif) if exif else _SILENT
    if orientation in (None, _SILENT) and (found := _XMP_ORIENTATION.search(xmp)):
        return int(found[1])
    return 1 if orientation == _SILENT else orientation


def _orientation(exif: bytes) -> int | None:
    data = re.sub(rb"^(Exif\x00\x00){1,2}", b"", exif)
    order = ORDERS.get(data[:4])
    if order is None:
        return None
    try:
        for tag in _directory(data, order):
            if tag.number == _ORIENTATION:
                return _known(_values(data, order, tag))
    except struct.error:
        return None
    return _SILENT


def tiff(data: bytes) -> Container:
    """Walk through a TIFF.

    Raises:
        ImageError: it holds several pictures, its tags are damaged, or its numbers aren't plain.
    """
    order = ORDERS[data[:4]]
    try:
        tags = [*_directory(data, order)]
        following = _unpack(data, order + "I", _start(data, order) + 2 + 12 * len(tags))[0]
        _check_single({tag.number for tag in tags}, following)
        # Of two alike the first one counts.
        found = {tag.number: tag for tag in reversed(tags) if tag.number in _RELEVANT}
        numbers = {tag.number: _values(data, order, tag) for tag in found.values()}
        if sum(map(_size, found.values())) > len(data):
            raise struct.error
    except struct.error:
        raise damaged("TIFF") from None
    _check(numbers)
    orientation = numbers.pop(_ORIENTATION, None)
    depth = max(numbers.get(_BITS, (1,)))
    return Container(
        "TIFF",
        _with_directory(data, order, [found[number] for number in sorted(numbers)]),
        orientation=_known(orientation) if orientation else turned(b"", _notes(data, order, tags)),
        depth=depth,
        negative=depth > 8 and numbers.get(_PHOTOMETRIC) == (0,),
    )


def _check_single(numbers: set[int], following: int) -> None:
    """Refuse several pictures; where the first has tiles, they are sizes of one, of a scanner."""
    if not (following or _SMALLER in numbers):
        return
    if _SIZES[1][0] in numbers:
        raise ImageError(
            "The TIFF is a whole-slide image: one picture in several sizes.",
            "Export the region that you need as PNG or TIFF, with the slide's viewer.",
        )
    raise several("TIFF")


def _notes(data: bytes, order: str, tags: list[_Tag]) -> bytes:
    """XMP, if there is any where its tag says."""
    for tag in tags:
        if tag.number == _XMP and len(tag.value) == 4:
            (place,) = struct.unpack(order + "I", tag.value)
            return data[place : place + tag.values]
    return b""


def _start(data: bytes, order: str) -> int:
    return int(_unpack(data, order + "I", 4)[0])


def _directory(data: bytes, order: str) -> Iterator[_Tag]:
    start = _start(data, order)
    (count,) = _unpack(data, order + "H", start)
    for entry in range(start + 2, start + 2 + 12 * count, 12):
        yield _Tag(*_unpack(data, order + "HHI4s", entry))


def _values(data: bytes, order: str, tag: _Tag) -> tuple[int, ...]:
    if tag.kind not in _CODES or not 0 < tag.values <= MAX_PARTS:
        raise struct.error
    layout = f"{order}{tag.values}{_CODES[tag.kind]}"
    if _size(tag) <= 4:
        return _unpack(tag.value, layout, 0)
    return _unpack(data, layout, *_unpack(tag.value, order + "I", 0))


def _size(tag: _Tag) -> int:
    return tag.values * struct.calcsize("<" + _CODES[tag.kind])


def _unpack(data: bytes, layout: str, place: int) -> tuple[Any, ...]:
    return struct.unpack_from(layout, data, place)


def _known(values: tuple[int, ...]) -> int:
    """An orientation; some cameras write 0 for one that they don't know."""
    return values[0] if values[0] in range(1, 9) else 1


def _check(numbers: dict[int, tuple[int, ...]]) -> None:
    """Hold the tags that pixels need against the rules."""
    if any(len(numbers[number]) != 1 for number in _SINGLE.keys() & numbers.keys()):
        raise damaged("TIFF")
    if set(numbers.get(_FORMAT, ())) - {1}:
        raise ImageError(
            "The image's pixels are fractions or have a sign, and nothing defines what is white.",
            "Save it with 8 or 16 bits a channel.",
        )
    for sides in _SIZES:
        check_size(*(numbers.get(side, (1,))[0] for side in sides))


def _with_directory(data: bytes, order: str, tags: list[_Tag]) -> bytes:
    """The file with these tags alone, in the place where they and others were."""
    entries = b"".join(struct.pack(order + "HHI4s", *tag) for tag in tags)
    directory = struct.pack(order + "H", len(tags)) + entries + bytes(4)
    start = _start(data, order)
    return data[:start] + directory + data[start + len(directory) :]
