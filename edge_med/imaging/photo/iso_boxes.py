"""Walk through AVIF and JPEG 2000, whose files are boxes of length, kind and body.

ISO/IEC 14496-12, 4.2, and ITU-T T.800, I.4.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from edge_med.errors import ImageError
from edge_med.imaging.file_limits import MAX_PARTS, Container, check_size, cut_off, damaged, several

CODESTREAM = b"\xff\x4f\xff\x51"
"""How a JPEG 2000 codestream begins: SOC and SIZ (ITU-T T.800, A.4.1 and A.5.1)."""

_END = b"\xff\xd9"
_SIZ = struct.Struct(">HHIIII16xH")
"""Length, capabilities, width, height, and what is left and above; tiles; components."""

_MOST_BITS = 16
_KEPT = {b"jP  ", b"ftyp", b"jp2h", b"jp2c"}
"""Boxes of a JPEG 2000 file that pixels need; others hold names, places and notes."""


def avif(data: bytes) -> Container:
    """Walk through an AVIF."""
    kinds = [kind for kind, _, _ in _boxes(data, "AVIF")]
    if b"moov" in kinds:
        raise several("AVIF")
    if not {b"meta", b"mdat"} <= {*kinds}:
        raise damaged("AVIF")
    return Container("AVIF", data)


def jpeg2000(data: bytes) -> Container:
    """Walk through a JPEG 2000: a file of boxes, or a bare codestream."""
    if data.startswith(CODESTREAM):
        return _container(data, data)
    boxes = [*_boxes(data, "JPEG 2000")]
    streams = [(start, end) for kind, start, end in boxes if kind == b"jp2c"]
    if len(streams) > 1:
        raise several("JPEG 2000")
    if not streams:
        raise damaged("JPEG 2000")
    header = b"".join(data[start:end] for kind, start, end in boxes if kind in _KEPT)
    start, end = streams[0]
    return _container(header, data[data.index(CODESTREAM, start, start + 24) : end])


def _container(header: bytes, stream: bytes) -> Container:
    """What the head of a codestream says; its end must be there."""
    try:
        _, _, width, height, left, top, samples = _SIZ.unpack_from(stream, 4)
        depths = struct.unpack_from("BBB" * samples, stream, 4 + _SIZ.size)[::3]
    except struct.error:
        raise cut_off("JPEG 2000") from None
    check_size(width - left, height - top)
    if not stream.rstrip(b"\x00").endswith(_END):
        raise cut_off("JPEG 2000")
    if not depths:
        raise damaged("JPEG 2000")
    if any(depth & 0x80 for depth in depths):
        raise ImageError(
            "The image's pixels have a sign, and nothing defines what is white.",
            "Save it with 8 or 16 bits a channel.",
        )
    depth = 1 + max(depths)
    if depth > _MOST_BITS:
        raise ImageError(
            f"The image is a JPEG 2000 of {depth} bits a channel.", "Save it with 8 or 16."
        )
    return Container("JPEG 2000", header, depth=depth)


def _boxes(data: bytes, name: str) -> Iterator[tuple[bytes, int, int]]:
    """The kind of each box, and where it begins and ends."""
    start = 0
    for _ in range(MAX_PARTS):
        if start == len(data):
            return
        if start + 8 > len(data):
            raise cut_off(name)
        length, kind = struct.unpack_from(">I4s", data, start)
        if length == 1 and start + 16 <= len(data):  # it follows in 64 bits
            (length,) = struct.unpack_from(">Q", data, start + 8)
        elif length == 0:  # up to the end
            length = len(data) - start
        if length < 8:
            raise damaged(name)
        if start + length > len(data):
            raise cut_off(name)
        yield kind, start, start + length
        start += length
    raise damaged(name)
