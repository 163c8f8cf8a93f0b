"""Elements and items of a DICOM file, found without reading what they hold (PS3.5 7.1 and 7.5)."""

from __future__ import annotations

import io
import struct
from typing import BinaryIO, NamedTuple

from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset
from pydicom.valuerep import EXPLICIT_VR_LENGTH_32

from edge_med.errors import ImageError
from edge_med.imaging.file_limits import DAMAGED, check_bytes

UNDEFINED = 0xFFFFFFFF
"""A length that stands for: up to a delimiter."""

ITEM, _ITEM_END, END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
"""An item, the end of one, and the end of a sequence."""

MAX_FRAMES = 4096

_ENDS = (_ITEM_END, END)
_ITEM_GROUP = 0xFFFE
_LONG = frozenset(kind.encode() for kind in EXPLICIT_VR_LENGTH_32)
"""Kinds of elements whose lengths have 32 bits."""


class Encoding(NamedTuple):
    """How elements are written.

    Attributes:
        implicit: whether elements don't name their kind (VR).
        little: whether the byte order is little endian.
    """

    implicit: bool
    little: bool


class Head(NamedTuple):
    """How an element begins; the file stands at its value."""

    tag: int
    kind: str
    length: int


def head(file: BinaryIO, form: Encoding) -> Head:
    """Read how the next element or item begins.

    Raises:
        ImageError: the file ends here.
    """
    order, begun = "<" if form.little else ">", file.read(8)
    if len(begun) < 8:
        raise cut_off()
    group, element, kind, length = struct.unpack(order + "HH2sH", begun)
    tag = group << 16 | element
    # Some writers go over to implicit amid a file; what their lengths begin with are no letters.
    if form.implicit or group == _ITEM_GROUP or not (kind.isalpha() and kind.isupper()):
        return Head(tag, "", struct.unpack(order + "L", begun[4:])[0])
    if kind in _LONG:
        rest = file.read(4)
        if len(rest) < 4:
            raise cut_off()
        (length,) = struct.unpack(order + "L", rest)
    return Head(tag, kind.decode(), length)


def skip(file: BinaryIO, form: Encoding, length: int) -> None:
    """Go to the end of a value, which may hold others up to its delimiter."""
    if length != UNDEFINED:
        file.seek(length, io.SEEK_CUR)
        return
    depth = 1
    while depth:
        tag, _, inner = head(file, form)
        if tag in _ENDS:
            depth -= 1
        elif inner == UNDEFINED:
            depth += 1
        else:
            file.seek(inner, io.SEEK_CUR)


_Read = dict[int, tuple[bytes, Dataset]]
"""Of each sequence what was read of it last: most are the same in a thousand frames."""


class Item:
    """What an item holds: sequences of one item each, read once they are asked for."""

    def __init__(self, data: bytes, form: Encoding, read: _Read) -> None:
        self._data, self._form, self._read = data, form, read
        self._places: dict[int, tuple[int, int]] = {}
        file = io.BytesIO(data)
        while file.tell() < len(data):
            tag, _, length = head(file, form)
            if tag in _ENDS:
                break
            start = file.tell()
            skip(file, form, length)
            self._places[tag] = start, file.tell()

    def group(self, tag: int) -> Dataset | None:
        """The first item of one of these sequences; None if it isn't there."""
        if tag not in self._places:
            return None
        start, end = self._places[tag]
        data = self._data[start:end]
        if tag not in self._read or self._read[tag][0] != data:
            file = io.BytesIO(data)
            begun = head(file, self._form)
            if begun.tag != ITEM:
                return None
            length = None if begun.length == UNDEFINED else begun.length
            self._read[tag] = data, read_dataset(file, *self._form, length, at_top_level=False)
        return self._read[tag][1]


class Items:
    """The items of a sequence, each read once it is asked for.

    An enhanced CT says of each of a thousand frames where it lies; one frame needs one item.
    """

    def __init__(self, file: BinaryIO, form: Encoding, length: int) -> None:
        """Find where the items lie; the file stands at the sequence's end then.

        Args:
            file: file, at the beginning of the sequence's value.
            form: encoding of the file.
            length: length of the value in bytes.

        Raises:
            ImageError: there are more than of any image's frames, or the end is missing.
        """
        self._file, self._form = file, form
        self._places: list[tuple[int, int]] = []
        self._last: tuple[int, Item] | None = None
        self._read: _Read = {}
        end = file.tell() + length
        while length == UNDEFINED or file.tell() < end:
            tag, _, inner = head(file, form)
            if tag == END:
                break
            if tag != ITEM:
                raise ImageError(
                    "The DICOM file's PerFrameFunctionalGroupsSequence (5200,9230) is damaged.",
                    DAMAGED,
                )
            if len(self._places) == MAX_FRAMES:
                raise too_many()
            start = file.tell()
            skip(file, form, inner)
            self._places.append((start, file.tell()))

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, index: int) -> Item:
        if self._last is None or self._last[0] != index:
            start, end = self._places[index]
            check_bytes(end - start)
            self._file.seek(start)
            data = self._file.read(end - start)
            self._last = index, Item(data, self._form, self._read)
        return self._last[1]


def too_many() -> ImageError:
    """A file with more frames than anybody looks at, or none."""
    return ImageError(
        f"The DICOM image has more than {MAX_FRAMES:,} frames, or none.", "Export one frame."
    )


def cut_off() -> ImageError:
    """The text about a file that ends too soon."""
    return ImageError("The DICOM file ends before its image does.", DAMAGED)
