"""Walk through a GIF up to the end of its first frame (GIF89a, CompuServe 1990).

Only what that frame's pixels need goes on to Pillow: not comments, nor what applications add.
"""

from __future__ import annotations

import struct

from edge_med.errors import ImageError
from edge_med.imaging.file_limits import MAX_PARTS, Container, check_size, cut_off, damaged

_HEADER, _IMAGE = struct.Struct("<6sHHBBB"), struct.Struct("<HHHHB")
_EXTENSION, _FRAME, _TRAILER = 0x21, 0x2C, 0x3B
_CONTROL = 0xF9
"""The extension that says which colour is clear."""

MOST_BLOCKS = 1 << 20
"""In a chain: the largest file in blocks of 255 bytes, as writers make them."""

FIRST = "the first of several frames"


def gif(data: bytes) -> Container:
    """Walk through a GIF: a screen, and blocks of extensions and frames."""
    if len(data) < _HEADER.size:
        raise cut_off("GIF")
    _, width, height, flags, _, _ = _HEADER.unpack_from(data)
    check_size(width, height)
    place = _HEADER.size + _colours(flags)
    parts, frame = [data[:place]], False
    for _ in range(MAX_PARTS):
        kind = _byte(data, place)
        if frame and kind in (_FRAME, _TRAILER):
            steps = (FIRST,) if kind == _FRAME else ()
            return Container("GIF", b"".join(parts) + bytes([_TRAILER]), steps=steps)
        end = _end(data, place)
        if kind == _FRAME:
            frame = True
            _check_frame(data, place + 1, width, height, flags)
        if kind == _FRAME or (not frame and data[place + 1] == _CONTROL):
            parts.append(data[place:end])
        place = end
    raise damaged("GIF")


def _check_frame(data: bytes, place: int, width: int, height: int, screen: int) -> None:
    """A frame must fill the screen, since nothing says what else is there, and have colours."""
    left, top, across, down, flags = _IMAGE.unpack_from(data, place)
    if (left, top, across, down) != (0, 0, width, height):
        raise ImageError("The GIF image's first frame isn't a whole picture.", "Save it as a PNG.")
    if not (_colours(screen) or _colours(flags)):
        raise damaged("GIF")


def _end(data: bytes, place: int) -> int:
    """Where the block ends that begins here."""
    kind = data[place]
    if kind == _EXTENSION:
        return _sub_blocks(data, place + 2)
    if kind != _FRAME:
        raise damaged("GIF")
    pixels = place + 1 + _IMAGE.size
    return _sub_blocks(data, pixels + _colours(_byte(data, pixels - 1)) + 1)


def _sub_blocks(data: bytes, place: int) -> int:
    """The end of a chain of blocks with their lengths before them."""
    for _ in range(MOST_BLOCKS):
        length = _byte(data, place)
        place += 1 + length
        if not length:
            return place
    raise damaged("GIF")


def _byte(data: bytes, place: int) -> int:
    if place >= len(data):
        raise cut_off("GIF")
    return data[place]


def _colours(flags: int) -> int:
    """Bytes of a table of colours that follows."""
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0
