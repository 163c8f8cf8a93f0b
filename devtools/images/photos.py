"""Small pictures of every kind, written by Pillow or by hand where Pillow can't write them."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from edge_med import imaging

Pixels = npt.NDArray[np.uint8]


def scene(width: int, height: int) -> Pixels:
    """RGB without any symmetry, so that a turn, a shift or a swap of channels shows."""
    y, x = np.mgrid[0:height, 0:width]
    red = x * 255 // max(width - 1, 1)
    green = (x * 7 + y * 13) % 256
    blue = np.where(x * height > y * width, 40, 200 - y * 80 // height)
    return np.dstack([red, green, blue]).astype(np.uint8)


def drawn(mode: str, width: int = 23, height: int = 17) -> Image.Image:
    """The scene in one of Pillow's modes; its alpha rises from left to right."""
    image = Image.fromarray(scene(width, height))
    if mode == "I;16":
        return Image.fromarray(scene(width, height)[:, :, 1].astype(np.uint16) * 199)
    if mode in ("LA", "RGBA"):
        image.putalpha(Image.fromarray(scene(width, height)[:, :, 0]))
    if mode == "P":
        return image.quantize(16)
    return image.convert(mode)


def saved(image: Image.Image, form: str, **options: Any) -> bytes:
    """A file's bytes, as Pillow writes them."""
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


FILES = {
    "PNG 1": saved(drawn("1"), "PNG"),
    "PNG L": saved(drawn("L"), "PNG"),
    "PNG LA": saved(drawn("LA"), "PNG"),
    "PNG P": saved(drawn("P"), "PNG"),
    "PNG P with an alpha each": saved(drawn("P"), "PNG", transparency=bytes(range(0, 256, 16))),
    "PNG P with one clear colour": saved(drawn("P"), "PNG", transparency=3),
    "PNG L with a clear grey": saved(drawn("L"), "PNG", transparency=7),
    "PNG RGB": saved(drawn("RGB"), "PNG"),
    "PNG RGB with a clear colour": saved(drawn("RGB"), "PNG", transparency=(0, 0, 40)),
    "PNG RGBA": saved(drawn("RGBA"), "PNG"),
    "JPEG L": saved(drawn("L"), "JPEG"),
    "JPEG RGB": saved(drawn("RGB"), "JPEG"),
    "JPEG RGB, progressive": saved(drawn("RGB"), "JPEG", progressive=True),
    "JPEG CMYK": saved(drawn("CMYK"), "JPEG"),
    "WebP RGB": saved(drawn("RGB"), "WEBP"),
    "WebP RGB, lossless": saved(drawn("RGB"), "WEBP", lossless=True),
    "WebP RGBA": saved(drawn("RGBA"), "WEBP"),
    "TIFF 1, group 4": saved(drawn("1"), "TIFF", compression="group4"),
    "TIFF L": saved(drawn("L"), "TIFF"),
    "TIFF LA": saved(drawn("LA"), "TIFF"),
    "TIFF P, PackBits": saved(drawn("P"), "TIFF", compression="packbits"),
    "TIFF RGB": saved(drawn("RGB"), "TIFF"),
    "TIFF RGB, LZW": saved(drawn("RGB"), "TIFF", compression="tiff_lzw"),
    "TIFF RGB, Deflate": saved(drawn("RGB"), "TIFF", compression="tiff_adobe_deflate"),
    "TIFF RGB, JPEG": saved(drawn("RGB"), "TIFF", compression="jpeg"),
    "TIFF RGBA": saved(drawn("RGBA"), "TIFF"),
    "TIFF CMYK": saved(drawn("CMYK"), "TIFF"),
    "TIFF YCbCr": saved(drawn("YCbCr"), "TIFF"),
    "GIF P": saved(drawn("P"), "GIF"),
    "GIF L": saved(drawn("L"), "GIF"),
    "GIF P with one clear colour": saved(drawn("P"), "GIF", transparency=3),
    "GIF P, interlaced": saved(drawn("P"), "GIF", interlace=1),
    "AVIF L": saved(drawn("L"), "AVIF"),
    "AVIF RGB": saved(drawn("RGB"), "AVIF"),
    "AVIF RGBA": saved(drawn("RGBA"), "AVIF"),
    "JPEG-2000 L": saved(drawn("L"), "JPEG2000"),
    "JPEG-2000 LA": saved(drawn("LA"), "JPEG2000"),
    "JPEG-2000 RGB": saved(drawn("RGB"), "JPEG2000"),
    "JPEG-2000 RGB, lossy": saved(drawn("RGB"), "JPEG2000", irreversible=True),
    "JPEG-2000 RGB, in tiles": saved(drawn("RGB"), "JPEG2000", tile_size=(16, 16)),
    "JPEG-2000 RGB, bare": saved(drawn("RGB"), "JPEG2000", no_jp2=True),
    "JPEG-2000 RGBA": saved(drawn("RGBA"), "JPEG2000"),
    "JPEG-2000 CMYK": saved(drawn("CMYK"), "JPEG2000"),
    "BMP 1": saved(drawn("1"), "BMP"),
    "BMP L": saved(drawn("L"), "BMP"),
    "BMP P": saved(drawn("P"), "BMP"),
    "BMP RGB": saved(drawn("RGB"), "BMP"),
    "BMP RGBA": saved(drawn("RGBA"), "BMP"),
}
"""A file of every format and kind of pixel that holds 8 bits a channel, or fewer."""


def chunk(kind: bytes, body: bytes) -> bytes:
    """A PNG chunk."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(
    depth: int, colour: int, size: tuple[int, int], rows: Sequence[bytes], *chunks: bytes
) -> bytes:
    """A PNG by hand: bits a channel, colour type, and packed rows."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", *size, depth, colour, 0, 0, 0))
    packed = chunk(b"IDAT", zlib.compress(b"".join(b"\x00" + row for row in rows)))
    body = header + b"".join(chunks) + packed + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


Values = int | Sequence[int]


def tiff(tags: Mapping[int, Values], pixels: bytes = b"", *, order: str = "<") -> bytes:
    """A TIFF by hand: LONG tags, and one strip of pixels behind its directory."""
    entries: dict[int, Values] = {**tags, 273: 0, 279: len(pixels)} if pixels else {**tags}
    where = 8 + 2 + 12 * len(entries) + 4
    spilled, table = b"", b""
    for number in sorted(entries):
        value = entries[number]
        numbers = [value] if isinstance(value, int) else [*value]
        packed = struct.pack(f"{order}{len(numbers)}I", *numbers)
        if number == 273:
            packed = struct.pack(order + "I", where + _spilled(entries))
        if len(packed) > 4:
            packed, spilled = struct.pack(order + "I", where + len(spilled)), spilled + packed
        table += struct.pack(order + "HHI", number, 4, len(numbers)) + packed
    start = (b"II*\x00" if order == "<" else b"MM\x00*") + struct.pack(order + "I", 8)
    return start + struct.pack(order + "H", len(entries)) + table + bytes(4) + spilled + pixels


def _spilled(entries: Mapping[int, Values]) -> int:
    """Bytes of values that don't fit into their entries."""
    return sum(4 * len(value) for value in entries.values() if not isinstance(value, int))


def grey_tiff(width: int, height: int, bits: int, photometric: int = 1) -> dict[int, Values]:
    """The tags of an uncompressed grey TIFF."""
    return {256: width, 257: height, 258: bits, 259: 1, 262: photometric, 277: 1, 278: height}


def exif(orientation: int) -> bytes:
    """An EXIF block with nothing but an orientation."""
    block = Image.Exif()
    block[0x0112] = orientation
    return block.tobytes()


def xmp(orientation: int) -> bytes:
    """Adobe's notes with nothing but an orientation."""
    told = f'<rdf:Description tiff:Orientation="{orientation}"/>'
    return f'<x:xmpmeta xmlns:x="adobe:ns:meta/">{told}</x:xmpmeta>'.encode()


def png_with_texts(orientation: int, kind: str) -> bytes:
    """A PNG whose texts alone say which way up it is: as XMP, or as ImageMagick wrote EXIF."""
    told, digits = PngInfo(), exif(orientation).hex()
    if kind == "profile":
        told.add_text("Raw profile type exif", f"\nexif\n{len(digits) // 2:8}\n{digits}", zip=True)
    else:
        told.add_itxt("XML:com.adobe.xmp", xmp(orientation).decode(), zip=kind == "packed")
    return saved(drawn("RGB"), "PNG", pnginfo=told)


SAID_OTHERWISE: dict[str, Callable[[int], bytes]] = {
    "JPEG": lambda number: saved(drawn("RGB"), "JPEG", xmp=xmp(number)),
    "PNG": lambda number: png_with_texts(number, "plain"),
    "PNG, packed": lambda number: png_with_texts(number, "packed"),
    "PNG, profile": lambda number: png_with_texts(number, "profile"),
    "WebP": lambda number: saved(drawn("RGB"), "WEBP", lossless=True, xmp=xmp(number)),
    "TIFF": lambda number: saved(drawn("RGB"), "TIFF", tiffinfo={700: xmp(number)}),
    "AVIF": lambda number: saved(drawn("RGB"), "AVIF", xmp=xmp(number)),
}
"""Photos that say which way up they are by other means than a block of EXIF."""


def jpeg_segment(code: int, body: bytes) -> bytes:
    """A JPEG segment."""
    return struct.pack(">BBH", 0xFF, code, len(body) + 2) + body


def whole(source: imaging.Source) -> Pixels:
    """A picture's own pixels, cut out of its padded square."""
    width, height = imaging.open(source, side=1).original_size
    side = max(width, height)
    left, top = (side - width) // 2, (side - height) // 2
    return imaging.open(source, side=side).pixels[top : top + height, left : left + width]


def _deep_rows(channels: int) -> list[bytes]:
    """The scene in 16 bits a channel, as PNG has it."""
    pixels = np.dstack([scene(23, 17), scene(23, 17)[::-1]])[:, :, :channels].astype(">u2") * 199
    return [row.tobytes() for row in pixels]


DEEP = {
    "PNG I;16": saved(drawn("I;16"), "PNG"),
    "PNG LA, 16 bits": png(16, 4, (23, 17), _deep_rows(2)),
    "PNG RGB, 16 bits": png(16, 2, (23, 17), _deep_rows(3)),
    "PNG RGBA, 16 bits": png(16, 6, (23, 17), _deep_rows(4)),
    "TIFF I;16, LZW": saved(drawn("I;16"), "TIFF", compression="tiff_lzw"),
    "TIFF RGB, 16 bits": tiff(
        {**grey_tiff(23, 17, 16, photometric=2), 258: (16, 16, 16), 277: 3},
        b"".join(_deep_rows(3)),
        order=">",
    ),
    "JPEG-2000 I;16": saved(drawn("I;16"), "JPEG2000"),
}
"""Files of more than 8 bits a channel."""
