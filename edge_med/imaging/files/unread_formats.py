"""Formats that aren't read, by how they begin: each is named, with what can be done.

Marks are those of the formats' own documents, as the `file` command knows them too.
"""

from __future__ import annotations

import re
import zlib
from typing import NamedTuple

from edge_med.errors import ImageError

AVIF = re.compile(
    rb"[\x00-\xff]{4}ftyp(?:avi[fs]|m[is]f1[\x00-\xff]{4}(?:[\x00-\xff]{4}){0,20}?avif)"
)
"""By its brand, or by one among those that it is compatible with (AV1 Image File Format, 6.2)."""

READ = "PNG, JPEG, WebP, TIFF, BMP, GIF, AVIF, JPEG 2000 and DICOM are read"

_HEAD = 4096
"""Bytes of a beginning that are looked at: a tar's mark is at 257, NIfTI's at 344."""

_AS_PNG = "Save the picture as PNG, and give that."
_AS_IMAGE = f"{READ}: let the program that wrote it export one of them."
_UNPACK = "Unpack it, and give what is in it."
_PRINT = "Save the page that you need as PNG, as with: pdftoppm -png -r 150 report.pdf page"
_SLICES = "Export it as DICOM, or a slice of it as PNG."
_FRAME = "Save the frame that you need as PNG."


class Kind(NamedTuple):
    """A format that isn't read.

    Attributes:
        mark: first bytes of its files.
        name: name, as after `The image is`.
        hint: advice for the user.
    """

    mark: re.Pattern[bytes]
    name: str
    hint: str


def _kind(mark: bytes, name: str, hint: str) -> Kind:
    return Kind(re.compile(mark, re.DOTALL), name, hint)


KINDS: tuple[Kind, ...] = (
    _kind(
        rb".{4}ftyp(?:hei[cmsx]|hev[cmsx]|m[is]f1)",
        "a HEIC photo, as phones take them",
        "Export it as JPEG; an iPhone takes JPEG with Settings > Camera > Formats > Most "
        "Compatible.",
    ),
    _kind(rb"(?:.{0,1024}?)%PDF-\d", "a PDF", _PRINT),
    _kind(rb"\x5c\x01\x00\x00|\x00\x00\x01\x5c", "a NIfTI volume", _SLICES),
    _kind(rb"\x1c\x02\x00\x00n[+i]2", "a NIfTI volume", _SLICES),
    _kind(rb"NRRD000\d", "an NRRD volume", _SLICES),
    _kind(rb"ObjectType *=|NDims *=", "a MetaImage volume", _SLICES),
    _kind(
        rb"II\+\x00|MM\x00\+",
        "a BigTIFF, as scanners of whole slides write it",
        "Export the region that you need as PNG or TIFF.",
    ),
    _kind(rb"\xff\x0a|\x00\x00\x00\x0cJXL \r\n\x87\n", "a JPEG XL", _AS_PNG),
    _kind(rb"P[1-7]\s", "a Netpbm picture", _AS_PNG),
    _kind(rb"8BPS", "a Photoshop document", _AS_PNG),
    _kind(rb"%!PS|\xc5\xd0\xd3\xc6", "a PostScript document", _AS_PNG),
    _kind(rb"\x00\x00\x01\x00[^\x00]", "an icon", _AS_PNG),
    _kind(rb"(?:\xef\xbb\xbf)?\s*(?:<\?xml.{0,1024}?)?<svg", "an SVG drawing", _AS_PNG),
    _kind(
        rb"(?i)(?:\xef\xbb\xbf)?\s*<(?:!doctype\s+html|html|head)",
        "a web page",
        "It was saved in the image's place: save the image itself.",
    ),
    _kind(
        rb"version https://git-lfs",
        "a pointer of Git LFS",
        "The image itself isn't here yet: git lfs pull",
    ),
    _kind(rb".{4}ftyp|\x1a\x45\xdf\xa3|RIFF.{4}AVI |\x00\x00\x01[\xba\xb3]", "a video", _FRAME),
    _kind(rb"RIFF.{4}WAVE|OggS|fLaC|ID3", "a sound", _AS_IMAGE),
    _kind(rb"Rar!|7z\xbc\xaf\x27\x1c|BZh\d|\xfd7zXZ|\x28\xb5\x2f\xfd", "an archive", _UNPACK),
    _kind(rb".{257}ustar", "a tar archive", _UNPACK),
    _kind(
        rb"\x93NUMPY",
        "a NumPy array",
        "Load it with numpy.load, and give the array: uint8 or uint16, grey or RGB.",
    ),
    _kind(rb"\x89HDF\r\n", "an HDF5 file", _SLICES),
    _kind(rb"\xd0\xcf\x11\xe0", "an Office document", _AS_IMAGE),
    _kind(rb"\{\\rtf", "an RTF document", _AS_IMAGE),
    _kind(rb"GGUF", "a model's file", "Name it with `model`, and an image as the image."),
    _kind(
        rb"[\x02\x08]\x00..[A-Z][A-Z]|\x00[\x02\x08]..[A-Z][A-Z]",
        "DICOM without its header",
        "Export it again as a DICOM file: its header says how the image is written.",
    ),
)
"""By the first that fits."""

_GZIP = b"\x1f\x8b"
_BASE64 = re.compile(rb"[A-Za-z0-9+/\s]{64,}={0,2}\s*")
_DICOM = (re.compile(rb".{128}DICM", re.DOTALL), "a DICOM file")


def unknown(data: bytes) -> ImageError:
    """The error of a file that isn't an image: its format, as far as its beginning shows."""
    head = data[:_HEAD]
    if not head:
        return ImageError("The image's file is empty.", "Copy it again from its source.")
    if head.startswith(_GZIP):
        return _packed(head)
    for kind in KINDS:
        if kind.mark.match(head):
            return ImageError(f"The image is {kind.name}, which isn't read.", kind.hint)
    if _BASE64.fullmatch(head):
        return ImageError("The image is written in base64.", "Decode it: base64 -d")
    if _is_text(head):
        return ImageError(
            "The image's file is a text.", "An image is needed here. Give a text with the question."
        )
    return ImageError("The image isn't of a known format.", f"{READ}: convert it to one of them.")


def _packed(head: bytes) -> ImageError:
    """What is in a file that gzip has packed."""
    try:
        inner = zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(head, _HEAD)
    except zlib.error:
        inner = b""
    kinds = (_DICOM, *((kind.mark, kind.name) for kind in KINDS))
    name = next((name for mark, name in kinds if mark.match(inner)), "a file")
    return ImageError(f"The image is {name} that gzip has packed.", "Unpack it: gunzip FILE.gz")


def _is_text(head: bytes) -> bool:
    """Whether a beginning is text: no control characters, in UTF-8 or UTF-16 by its mark."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return True
    try:
        text = head.decode("utf-8") if len(head) < _HEAD else head[:-3].decode("utf-8", "ignore")
    except UnicodeDecodeError:
        return False
    return all(letter.isprintable() or letter in "\t\r\n\f\ufeff" for letter in text)
