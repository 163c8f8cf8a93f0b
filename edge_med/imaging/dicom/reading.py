"""Read a DICOM file's elements: what it is written in is known and bounded before they are read."""

from __future__ import annotations

import io
import re
import zlib
from collections.abc import Sequence
from typing import Any

import pydicom.uid as uids
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filereader import read_dataset
from pydicom.tag import Tag

from edge_med.errors import ImageError
from edge_med.imaging.container import DAMAGED, MAX_BYTES, check_bytes
from edge_med.imaging.dicom.syntaxes import SYNTAXES
from edge_med.imaging.recognise import has_mark

MOST_INFLATED = 100
"""Times the size of a deflated file; pictures shrink to a tenth at the best, black ones to a
thousandth and less, which nobody needs to see."""

_DIRECTORY = "1.2.840.10008.1.3.10"
"""A DICOMDIR: it holds no pixels, and names files that may lie anywhere."""

_UID = re.compile(r"[0-9.]{1,64}")
"""What a UID may look like (PS3.5 9.1)."""

_META, _BODY = 0x0002, 132
"""The group that says what the others are written in, and where it begins (PS3.10 7.1)."""


class DirectoryError(ImageError):
    """The file is a DICOMDIR."""


PIXELS = (0x7FE00010, 0x7FE00008, 0x7FE00009)


def read(data: bytes, tags: Sequence[int] | None = None) -> Dataset:
    """Read a file's elements.

    Args:
        data: the whole file.
        tags: what alone is wanted, up to the pixels; everything if None.

    Returns:
        the elements; `file_meta` says what they are written in.

    Raises:
        ImageError: it isn't a DICOM file that can be read.
        Exception: whatever a damaged file makes pydicom raise.
    """
    check_bytes(len(data))
    meta, start = _meta(data)
    uid = str(meta.get("TransferSyntaxUID", ""))
    if meta.get("MediaStorageSOPClassUID") == _DIRECTORY:
        raise DirectoryError(
            "This is the list of a DICOM disc, and holds no image.",
            "Give a folder with the images, or one of them.",
        )
    if uid not in SYNTAXES:
        raise _unread(uid)
    body = _inflated(data[start:]) if uid == uids.DeflatedExplicitVRLittleEndian else data
    file = io.BytesIO(body)
    file.seek(0 if body is not data else start)
    syntax = SYNTAXES[uid]
    found = read_dataset(
        file,
        syntax.implicit,
        syntax.little,
        stop_when=_at_pixels if tags else None,
        specific_tags=list(map(Tag, tags)) if tags else None,
    )
    found.file_meta = meta
    found.set_original_encoding(syntax.implicit, syntax.little)
    return found


def _unread(uid: str) -> ImageError:
    """What is said of a transfer syntax that isn't read; others' own are told by their numbers."""
    hint = "Let your archive export it uncompressed, or as JPEG lossless."
    if not uid:
        return ImageError(
            "The DICOM file doesn't say in which transfer syntax it is written.", hint
        )
    name = uids.UID(uid).name if _UID.fullmatch(uid) else "of no known form"
    return ImageError(f"The DICOM image's transfer syntax isn't read: {name}.", hint)


def _at_pixels(tag: Any, _kind: object, _length: object) -> bool:
    return int(tag) in PIXELS


def _meta(data: bytes) -> tuple[FileMetaDataset, int]:
    """The elements that say what the others are written in, and where those begin."""
    meta = FileMetaDataset()
    if not has_mark(data):
        meta.TransferSyntaxUID = uids.ImplicitVRLittleEndian
        return meta, 0
    file = io.BytesIO(data)
    file.seek(_BODY)
    found = read_dataset(
        file,
        is_implicit_VR=False,
        is_little_endian=True,
        stop_when=lambda tag, *_: tag.group != _META,
    )
    for name in ("TransferSyntaxUID", "MediaStorageSOPClassUID"):
        if name in found:
            setattr(meta, name, found[name].value)
    return meta, file.tell()


def _inflated(data: bytes) -> bytes:
    """The elements of a deflated file, within bounds (PS3.5 A.5)."""
    most = min(MAX_BYTES, MOST_INFLATED * len(data))
    engine = zlib.decompressobj(-zlib.MAX_WBITS)
    body = engine.decompress(data, most)
    if engine.unconsumed_tail:
        raise ImageError(
            "The deflated DICOM image would become too large.", "Export it uncompressed."
        )
    if not engine.eof:
        raise ImageError("The end of the deflated DICOM image is missing.", DAMAGED)
    return body
