"""The text about files that belong to no series: they may be what somebody meant."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from edge_med.errors import ImageError
from edge_med.imaging.files import image_files
from edge_med.imaging.files.bundle import Entry
from edge_med.imaging.files.unread_formats import unknown
from edge_med.imaging.photo.photo import FORMATS
from edge_med.imaging.readers.reader_table import reader_of

_MARK = 64
"""Bytes of a file that show its format."""

_LOOKED, _PROBED = 100, 4096
"""Files that are looked at where none is an image, and bytes of each."""

_REASONS = 8
"""Why files can't be read, as far as each is named; reasons hold figures of the files."""


class _Kind(NamedTuple):
    """Files with the same beginning, and the sentences about one, and about several."""

    begins: re.Pattern[bytes]
    one: str
    several: str


_PACKED = _Kind(
    re.compile(rb"\x1f\x8b|PK\x03\x04|BZh|\xfd7zXZ\x00|7z\xbc\xaf|Rar!"),
    "1 file is packed, and isn't shown: unpack it first.",
    "{} files are packed, and aren't shown: unpack them first.",
)
_PICTURE = _Kind(
    re.compile(b"|".join(mark.pattern for mark, *_ in FORMATS)),
    "1 picture isn't part of the series: give it by its own path.",
    "{} pictures aren't part of the series: give them by their own paths.",
)
_BARE = _Kind(
    re.compile(rb"[\x02\x08]\x00[\x00-\xff]\x00"),
    "1 file isn't shown: it begins as DICOM without its header. Export it from your archive again.",
    "{} files aren't shown: they begin as DICOM without their headers. Export them from your "
    "archive again.",
)
_REST = _Kind(
    re.compile(b""), "1 file isn't an image of a volume.", "{} files aren't images of a volume."
)
_KINDS = (_PACKED, _PICTURE, _BARE, _REST)
_PLACELESS = (
    "1 file has no positions for its frames, and isn't shown: give it by its own path.",
    "{} files have no positions for their frames, and aren't shown: give one by its own path.",
)


def left_out(
    entries: Sequence[Entry],
    images: set[int],
    placeless: set[int],
    unread: Mapping[int, ImageError],
) -> tuple[str, ...]:
    """The text about files that belong to no series.

    Args:
        entries: all files.
        images: indices of those that are images of a series.
        placeless: indices of those whose frames have no positions.
        unread: errors of those that can't be read, by index.
    """
    others = set(range(len(entries))) - images - placeless - unread.keys()
    return (*_unread(unread), *_of(_PLACELESS, len(placeless)), *_kinds(entries, others))


def no_image(entries: Sequence[Entry]) -> ImageError:
    """The text about files of which none is a DICOM image: pictures, or what most of them are."""
    heads = [_head(entry, _PROBED) for entry in entries[:_LOOKED]]
    if any(_PICTURE.begins.match(head) for head in heads):
        return ImageError(
            "There is no DICOM image among the files.", "Give single pictures by their own paths."
        )
    if error := next(filter(None, (reader_of(head).imageless for head in heads)), None):
        return error()
    reasons = Counter((error.message, error.hint) for error in map(unknown, heads))
    ((reason, hint), _count) = reasons.most_common(1)[0]
    one = re.sub("^The image(?:'s file)?", "One of them", reason)
    return ImageError(f"None of the files is an image that is read. {one}", hint)


def _unread(unread: Mapping[int, ImageError]) -> Iterator[str]:
    reasons = Counter(error.message for error in unread.values()).most_common()
    for reason, count in reasons[:_REASONS]:
        yield f"{'1 file is' if count == 1 else f'{count} files are'} left out. {reason}"
    if rest := sum(count for _, count in reasons[_REASONS:]):
        yield f"{'1 file is' if rest == 1 else f'{rest} files are'} left out for other reasons."


def _kinds(entries: Sequence[Entry], others: set[int]) -> Iterator[str]:
    heads = [_head(entries[number]) for number in sorted(others)]
    counts = Counter(next(kind for kind in _KINDS if kind.begins.match(head)) for head in heads)
    for kind in _KINDS:
        yield from _of(kind[1:], counts[kind])


def _of(words: Sequence[str], count: int) -> Iterator[str]:
    if count:
        one, several = words
        yield one if count == 1 else several.format(count)


def _head(entry: Entry, most: int = _MARK) -> bytes:
    """How a file begins; nothing if it can't be read."""
    if isinstance(entry, bytes):
        return entry[:most]
    try:
        return image_files.read(entry, most)
    except ImageError:
        return b""
