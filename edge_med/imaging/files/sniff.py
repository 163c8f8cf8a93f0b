"""What a file is, by how it begins; nothing is loaded for it."""

from __future__ import annotations

import re
import struct

HEAD = 1 << 16
"""Bytes of a file's beginning that are enough to know its format."""

_MARK, _MARK_AT = b"DICM", 128
"""How a DICOM file is known (PS3.10 7.1)."""

_META = re.compile(rb"\x02\x00(?:\x00\x00UL|\x01\x00OB|\x02\x00UI|\x03\x00UI|\x10\x00UI)")
"""How the elements of group 2 begin, which say what the others are written in. Some files begin
with these, without the 128 bytes and the mark before them."""

_ZIP = b"PK\x03\x04"

_PROBED = 8
"""Elements that are looked at in a file without a mark."""

_IDENTITY, _LONGEST = 0x0008, 4096
"""Group of a file's first elements, and bytes of a value among them."""


def meta_at(data: bytes) -> int | None:
    """Where a file says that it is DICOM, and what it is written in; None if it doesn't."""
    if data[_MARK_AT : _MARK_AT + 4] == _MARK:
        return _MARK_AT + 4
    return 0 if _META.match(data) else None


def is_zip(data: bytes) -> bool:
    """Whether a file is a zip with something in it."""
    return data.startswith(_ZIP)


def is_dicom(data: bytes) -> bool:
    """Whether a file is DICOM: by its mark or its group 2, or by how its elements follow.

    Old archives write files without a mark, in implicit little endian: their tags rise from group 8
    on, and their values end within the file.
    """
    if meta_at(data) is not None:
        return True
    place, before = 0, 0
    for _ in range(_PROBED):
        if place + 8 > len(data):
            return False
        group, element, length = struct.unpack_from("<HHI", data, place)
        tag = group << 16 | element
        if tag <= before or (not before and group != _IDENTITY) or length > _LONGEST:
            return False
        place, before = place + 8 + length, tag
    return place <= len(data)
