"""Frames of JPEG XL: their size is read first, by ISO/IEC 18181-1, D.2."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_med.errors import ImageError
from edge_med.imaging.file_limits import DAMAGED

_BARE, _BOXED = b"\xff\x0a", b"\x00\x00\x00\x0cJXL \r\n\x87\n"
"""How a codestream and a file of boxes begin (ISO/IEC 18181-2)."""

_BITS = (9, 13, 18, 30)
"""That a side may have, by a selector of two bits."""

_RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))
"""Of width to height, by a selector of three bits from 1 on."""

_MOST_BOXES = 1000


def decode(source: bytes) -> npt.NDArray[Any]:
    """A frame in grey or RGB, of 8 or 16 bits.

    Raises:
        Exception: whatever a damaged frame makes the decoder raise.
    """
    import imagecodecs

    return np.asarray(imagecodecs.jpegxl_decode(source, numthreads=1))


def size(source: bytes) -> tuple[int, int]:
    """Width and height of a frame."""
    stream = source if source.startswith(_BARE) else _boxed(source)
    bits = _Bits(stream[2:16])
    if bits.take(1):  # sides of whole eights
        height = 8 * (bits.take(5) + 1)
        small = True
    else:
        height, small = bits.take(_BITS[bits.take(2)]) + 1, False
    ratio = bits.take(3)
    if ratio:
        across, down = _RATIOS[ratio - 1]
        return height * across // down, height
    return (8 * (bits.take(5) + 1) if small else bits.take(_BITS[bits.take(2)]) + 1), height


class _Bits:
    """Numbers out of bytes, the lowest bits first."""

    def __init__(self, data: bytes) -> None:
        self._left = int.from_bytes(data, "little")

    def take(self, count: int) -> int:
        found = self._left & ((1 << count) - 1)
        self._left >>= count
        return found


def _boxed(source: bytes) -> bytes:
    """The beginning of the codestream in a file of boxes."""
    place = 0
    for _ in range(_MOST_BOXES if source.startswith(_BOXED) else 0):
        if place + 8 > len(source):
            break
        length, name = struct.unpack_from(">L4s", source, place)
        start = place + (16 if length == 1 else 8)
        if length == 1:
            length = int.from_bytes(source[place + 8 : place + 16], "big")
        if name in (b"jxlc", b"jxlp"):  # a part begins with its number
            return source[start + 4 * (name == b"jxlp") :][:16]
        if length < 8:
            break
        place += length
    raise ImageError("A compressed frame of the DICOM image is damaged.", DAMAGED)
