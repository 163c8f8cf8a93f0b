"""Read a DICOM file's elements: what it is written in is known and bounded before they are read.

Its pixels aren't read here, nor what it says of each of many frames: only where these are.
"""

from __future__ import annotations

import io
import re
import zlib
from collections.abc import Sequence
from typing import Any, BinaryIO

import pydicom.uid as uids
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filereader import read_dataset
from pydicom.tag import Tag

from edge_med.errors import ImageError
from edge_med.imaging.dicom.elements import Encoding, Items, head
from edge_med.imaging.dicom.pixel_data import Pixels
from edge_med.imaging.dicom.syntaxes import OTHERS, SYNTAXES
from edge_med.imaging.file_limits import DAMAGED, MAX_BYTES, check_bytes
from edge_med.imaging.files.sniff import HEAD, meta_at

MOST_INFLATED = 100
"""Times the size of a deflated file; pictures shrink to a tenth at the best, black ones to a
thousandth and less, which nobody needs to see."""

MOST_VALUE = 16 << 20
"""Bytes of an element before the pixels; longer ones are ignored. A table of 65,536 numbers has
128 KiB."""

_DIRECTORY = "1.2.840.10008.1.3.10"
"""A DICOMDIR: it holds no pixels, and names files that may lie anywhere."""

_UID = re.compile(r"[0-9.]{1,64}")
"""What a UID may look like (PS3.5 9.1)."""

_META = 0x0002
"""The group that says what the others are written in (PS3.10 7.1)."""

_GROUPS = 0x52009230
"""PerFrameFunctionalGroupsSequence."""

_PIXELS, _FLOATS = 0x7FE00010, (0x7FE00008, 0x7FE00009)
"""PixelData; and FloatPixelData and DoubleFloatPixelData, which aren't read."""


class DirectoryError(ImageError):
    """The file is a DICOMDIR."""


class DicomHeader(Dataset):
    """The elements up to a file's pixels; `file_meta` says what they are written in.

    Attributes:
        groups: functional groups of each frame; None without any.
        pixels: place of the pixels; None without any.
        fractions: whether its pixels are fractions, as those of parametric maps.
        shared_groups: functional groups of all frames, as far as they were looked up.
    """

    groups: Items | None = None
    pixels: Pixels | None = None
    fractions: bool = False
    shared_groups: dict[str, Dataset | None]


def read(file: BinaryIO, tags: Sequence[int] | None = None) -> DicomHeader:
    """Read a file's elements up to its pixels.

    Args:
        file: file, which must stay open while the result is used.
        tags: tags to read; None for all.

    Raises:
        ImageError: it isn't a DICOM file that can be read.
        Exception: whatever a damaged file makes pydicom raise.
    """
    meta = _meta(file)
    uid = str(meta.get("TransferSyntaxUID", ""))
    if meta.get("MediaStorageSOPClassUID") == _DIRECTORY:
        raise DirectoryError(
            "This is the index of a DICOM disc (DICOMDIR), not an image.",
            "Give a folder with the images, or one of them.",
        )
    if uid not in SYNTAXES:
        raise _unread(uid)
    if uid == uids.DeflatedExplicitVRLittleEndian:
        file = io.BytesIO(_inflated(file))
    found = DicomHeader()
    found.file_meta, found.shared_groups = meta, {}
    _fill(found, file, Encoding(SYNTAXES[uid].implicit, SYNTAXES[uid].little), tags)
    return found


def _fill(found: DicomHeader, file: BinaryIO, form: Encoding, tags: Sequence[int] | None) -> None:
    """Read elements in turns: up to what is said of each frame, and behind it up to the pixels."""
    wanted: list[Any] | None = list(map(Tag, tags)) if tags else None
    stopped = 1
    while stopped not in (0, _PIXELS, *_FLOATS):
        stopped = 0

        def stops(tag: Any, _kind: object, _length: object) -> bool:
            nonlocal stopped
            stopped = int(tag) if int(tag) in (_GROUPS, _PIXELS, *_FLOATS) else 0
            return bool(stopped)

        part = read_dataset(
            file, *form, stop_when=stops, defer_size=MOST_VALUE, specific_tags=wanted
        )
        found.update(part)
        # What it is written in may be another than it says.
        form = Encoding(bool(part.original_encoding[0]), form.little)
        if stopped:
            begun = head(file, form)
        if stopped == _GROUPS:
            found.groups = Items(file, form, begun.length)
        elif stopped == _PIXELS:
            found.pixels = Pixels(file, form, begun.kind, file.tell(), begun.length)
    found.fractions = stopped in _FLOATS
    found.set_original_encoding(*form)


def _unread(uid: str) -> ImageError:
    """The name of a transfer syntax that isn't read; for private ones their numbers."""
    hint = "Export it from your archive uncompressed, or as JPEG lossless."
    if not uid:
        return ImageError(
            "The DICOM file doesn't say in which transfer syntax it is written.", hint
        )
    name = "of no known form"
    if _UID.fullmatch(uid):
        name = OTHERS.get(uid) or uids.UID(uid).name
    return ImageError(f"The DICOM image's transfer syntax isn't read: {name}.", hint)


def _meta(file: BinaryIO) -> FileMetaDataset:
    """The elements that say what the others are written in; the file stands at those then."""
    meta = FileMetaDataset()
    start = meta_at(file.read(HEAD))
    file.seek(start or 0)
    if start is None:
        meta.TransferSyntaxUID = uids.ImplicitVRLittleEndian
        return meta
    found = read_dataset(
        file,
        is_implicit_VR=False,
        is_little_endian=True,
        stop_when=lambda tag, *_: tag.group != _META,
        defer_size=MOST_VALUE,
    )
    for name in ("TransferSyntaxUID", "MediaStorageSOPClassUID"):
        if name in found:
            setattr(meta, name, found[name].value)
    return meta


def _inflated(file: BinaryIO) -> bytes:
    """The elements of a deflated file, within bounds (PS3.5 A.5)."""
    data = file.read(MAX_BYTES + 1)
    check_bytes(len(data))
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
