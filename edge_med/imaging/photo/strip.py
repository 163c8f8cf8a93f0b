"""Walk through a picture's file, part by part, before Pillow sees it.

A file must be whole, and hold one picture. Of a PNG or a JPEG only what the pixels need goes on, so
that most of what can be wrong in a file, or name a patient, never reaches a decoder.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Callable, Iterator

from edge_med.errors import ImageError
from edge_med.imaging.file_limits import MAX_PARTS, Container, check_size, cut_off, damaged, several
from edge_med.imaging.photo.tiff_tags import turned

_PNG_PIXELS = {b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"}

_MARKER = re.compile(rb"\xff([\x02-\xcf\xd9-\xfe])")
"""A JPEG marker with a segment, or the end; not a stuffed zero, a restart or a filling byte (ITU-T
T.81, table B.1)."""

_EOI, _SOS, _APP1, _APP2 = 0xD9, 0xDA, 0xE1, 0xE2
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_DROPPED = {*range(0xE0, 0xF0), 0xFE} - {0xE0, 0xEE}
"""Applications' segments and comments, but JFIF's and Adobe's, which define the colours."""

_XMP_NAME = b"http://ns.adobe.com/xap/1.0/\x00"

MAX_TEXT = 1 << 20
"""Bytes of a text of a PNG, of those that say which way up it is."""

MAX_SCANS = 100
"""Of a progressive JPEG; each decodes the whole picture anew. libjpeg writes ten."""

MAX_RUN_BYTES = 4 << 20
"""Of a run-length BMP, which Pillow decodes in Python: about a second."""


def png(data: bytes) -> Container:
    """Walk through a PNG: chunks of length, kind, body and CRC-32."""
    chunks, exif = [data[:8]], b""
    texts: dict[bytes, bytes] = {}
    for kind, start, end in _png_chunks(data):
        if kind == b"acTL":
            raise several("PNG")
        if kind == b"eXIf":
            exif = data[start + 8 : end - 4]
        if kind in _PNG_TEXTS:
            key, _, body = data[start + 8 : end - 4].partition(b"\x00")
            texts[key] = _PNG_TEXTS[kind](body) if key in (_XMP_KEY, _PROFILE_KEY) else b""
        if kind in _PNG_PIXELS:
            chunks.append(data[start:end])
    if chunks[1][4:8] != b"IHDR" or len(chunks[1]) != 25:
        raise damaged("PNG")
    exif, xmp = exif or from_profile(texts.get(_PROFILE_KEY, b"")), texts.get(_XMP_KEY, b"")
    return Container("PNG", b"".join(chunks), turned(exif, xmp), depth=chunks[1][16])


def _inflated(body: bytes) -> bytes:
    """A text that is packed, within bounds; what is damaged says nothing."""
    try:
        return zlib.decompressobj().decompress(body, MAX_TEXT)
    except zlib.error:
        return b""


def _international(body: bytes) -> bytes:
    """An iTXt: a flag, a method, a language, a translated key, and the text."""
    packed, (_, _, text) = body[:1] == b"\x01", body[2:].split(b"\x00", 2)
    return _inflated(text) if packed else text


_PNG_TEXTS: dict[bytes, Callable[[bytes], bytes]] = {
    b"tEXt": lambda body: body,
    b"zTXt": lambda body: _inflated(body[1:]),
    b"iTXt": lambda body: _international(body) if body.count(b"\x00", 2) > 1 else b"",
}
"""Chunks of texts (PNG, third edition, 11.3.3), and what makes a text of them."""

_XMP_KEY, _PROFILE_KEY = b"XML:com.adobe.xmp", b"Raw profile type exif"
"""Where XMP stands, and EXIF as ImageMagick wrote it before there was a chunk for it."""


def from_profile(text: bytes) -> bytes:
    """EXIF out of ImageMagick's form: a name and a length, a line each, and hexadecimal digits."""
    digits = b"".join(text.split(b"\n")[3:])
    try:
        return bytes.fromhex(digits.decode("ascii"))
    except ValueError:
        return b""


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    start = 8
    for _ in range(MAX_PARTS):
        if start + 12 > len(data):
            raise cut_off("PNG")
        length, kind = struct.unpack_from(">I4s", data, start)
        end = start + 12 + length
        if end > len(data):
            raise cut_off("PNG")
        if zlib.crc32(memoryview(data)[start + 4 : end - 4]) != int.from_bytes(data[end - 4 : end]):
            raise damaged("PNG")
        yield kind, start, end
        if kind == b"IEND":
            return
        start = end
    raise damaged("PNG")


def jpeg(data: bytes) -> Container:
    """Walk through a JPEG up to its end; what follows belongs to cameras, and isn't the picture."""
    segments, exif, xmp, scans, rest = [], b"", b"", 0, 0
    steps: tuple[str, ...] = ()
    for code, start, end in _jpeg_segments(data):
        body = data[start + 4 : end]
        if code in _FRAMES and body[:1] != b"\x08":
            raise ImageError(
                "The image is a JPEG of more than 8 bits.", "Save it as a PNG of 16 bits."
            )
        if code == _APP1 and body.startswith(b"Exif\x00\x00"):
            exif = exif or body
        if code == _APP1 and body.startswith(_XMP_NAME):
            xmp = xmp or body
        follows = code == _EOI and data[end : end + 3] == b"\xff\xd8\xff"
        if follows or (code == _APP2 and body.startswith(b"MPF\x00")):
            steps = ("the first of several pictures",)
        scans += code == _SOS
        if code in _DROPPED:
            segments.append(data[rest:start])
            rest = end
        if code == _EOI:
            segments.append(data[rest:end])
    if scans > MAX_SCANS:
        raise ImageError(f"The image is a JPEG of {scans} scans.", "Save it as a PNG.")
    return Container("JPEG", b"".join(segments), turned(exif, xmp), steps=steps)


def _jpeg_segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    at = 2
    for _ in range(MAX_PARTS):
        found = _MARKER.search(data, at)
        if found is None:
            raise cut_off("JPEG")
        code = found[1][0]
        if code == _EOI:
            yield code, found.start(), found.end()
            return
        at = found.end() + int.from_bytes(data[found.end() : found.end() + 2])
        if at > len(data):
            raise cut_off("JPEG")
        yield code, found.start(), at
    raise damaged("JPEG")


def webp(data: bytes) -> Container:
    """Walk through a WebP: a RIFF of chunks with kind, length and body, filled to even lengths."""
    exif, xmp, size = b"", b"", None
    for kind, body in _riff_chunks(data):
        if kind in (b"ANIM", b"ANMF"):
            raise several("WebP")
        if kind == b"EXIF":
            exif = body
        if kind == b"XMP ":
            xmp = body
        if kind in _WEBP_SIZES and size is None:
            size = _WEBP_SIZES[kind](body)
    if size is None:
        raise damaged("WebP")
    check_size(*size)  # Pillow makes room for the picture as soon as it opens the file
    return Container("WebP", data, turned(exif, xmp))


def _riff_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    end, at = 8 + int.from_bytes(data[4:8], "little"), 12
    if end > len(data):
        raise cut_off("WebP")
    for _ in range(MAX_PARTS):
        if at + 8 > end:
            return
        kind, length = struct.unpack_from("<4sI", data, at)
        yield kind, data[at + 8 : at + 8 + length]
        at += 8 + length + length % 2
    raise damaged("WebP")


def _little(data: bytes) -> int:
    return int.from_bytes(data, "little")


_WEBP_SIZES: dict[bytes, Callable[[bytes], tuple[int, int]]] = {
    b"VP8X": lambda body: (_little(body[4:7]) + 1, _little(body[7:10]) + 1),
    b"VP8 ": lambda body: (_little(body[6:8]) & 0x3FFF, _little(body[8:10]) & 0x3FFF),
    b"VP8L": lambda body: (
        (_little(body[1:5]) & 0x3FFF) + 1,
        (_little(body[1:5]) >> 14 & 0x3FFF) + 1,
    ),
}
"""Width and height, from the first chunk that has them (RFC 9649, sections 2.5 to 2.7)."""


def bmp(data: bytes) -> Container:
    """Look at a BMP's header; it has no other parts."""
    compression = int.from_bytes(data[30:34], "little")
    if compression in (1, 2) and len(data) > MAX_RUN_BYTES:
        raise ImageError("The image is a large BMP of run lengths.", "Save it as a PNG.")
    return Container("BMP", data)
