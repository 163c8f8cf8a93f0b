"""Where a DICOM file's pixels lie, and the bytes of one frame of them (PS3.5 A.4)."""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import BinaryIO

from edge_med.errors import ImageError
from edge_med.imaging.dicom.elements import END, ITEM, UNDEFINED, Encoding, cut_off, head
from edge_med.imaging.file_limits import DAMAGED, MAX_BYTES, MAX_PARTS

_FRAME_BEGINS = re.compile(
    rb"\xff\xd8\xff|\xff\x4f\xff\x51|\x00\x00\x00\x0c(?:jP  |JXL )\r\n\x87\n|\xff\x0a"
)
"""JPEG and JPEG-LS, JPEG 2000, JPEG 2000 and JPEG XL in boxes, JPEG XL."""

_MARK = 12
"""Bytes of a fragment that are looked at for that."""

Place = tuple[int, int]
"""Where some bytes begin in the file, and how many they are."""


@dataclass(frozen=True)
class Pixels:
    """The value of a file's pixels, which isn't read as a whole.

    Attributes:
        file: file with the pixels.
        form: encoding of the file.
        kind: DICOM's kind of the element: OB or OW, or nothing.
        start: offset of the pixels in the file.
        length: number of bytes; `UNDEFINED` for fragments up to a delimiter.
    """

    file: BinaryIO
    form: Encoding
    kind: str
    start: int
    length: int

    @property
    def there(self) -> int:
        """Bytes that the file really has of them, at the most."""
        left = max(0, self.file.seek(0, io.SEEK_END) - self.start)
        return left if self.length == UNDEFINED else min(left, self.length)

    def plain(self, start: int, length: int, *, words: bool = False) -> bytes:
        """Some bytes of pixels that aren't compressed.

        Args:
            start: offset of the bytes in the pixels.
            length: number of bytes.
            words: whether they are in words of two bytes in reversed order.

        Raises:
            ImageError: they are too many, or not there.
        """
        if self.length == UNDEFINED:
            raise ImageError(
                "The DICOM image's PixelData (7FE0,0010) is in fragments, though its transfer "
                "syntax isn't a compressed one.",
                DAMAGED,
            )
        if not words:
            return self._bytes(self.start + start, length)
        first, last = start // 2 * 2, min((start + length + 1) // 2 * 2, self.there)
        found = bytearray(self._bytes(self.start + first, last - first))
        found += bytes(len(found) % 2)
        found[::2], found[1::2] = found[1::2], found[::2]
        return bytes(found[start - first : start - first + length])

    def compressed(self, index: int, frames: int, offsets: Sequence[int]) -> bytes:
        """One compressed frame.

        Args:
            index: index of the frame, from 0.
            frames: number of frames.
            offsets: offsets of all frames, where the file has an extended offset table.

        Raises:
            ImageError: it isn't there, or nothing says where it begins.
        """
        table, fragments = self._fragments
        chosen = fragments
        if frames == len(fragments):
            chosen = fragments[index : index + 1]
        elif frames > 1:
            starts = self._starts(fragments, offsets or table)
            if len(starts) != frames or len(fragments) < frames:
                raise ImageError(
                    f"Nothing says where the {frames} compressed frames of the DICOM image begin: "
                    f"they are in {len(fragments)} fragments.",
                    DAMAGED,
                )
            chosen = fragments[starts[index] : (*starts, len(fragments))[index + 1]]
        _check_bytes(sum(length for _, length in chosen))
        return b"".join(self._bytes(*place) for place in chosen)

    def check_whole(self) -> None:
        """Go through the fragments of compressed pixels: each must end within the file.

        Raises:
            ImageError: one doesn't.
        """
        _table, fragments = self._fragments
        start, length = fragments[-1] if fragments else (self.start, 0)
        if start + length > self.start + self.there:
            raise cut_off()

    def _starts(self, fragments: list[Place], offsets: Sequence[int]) -> list[int]:
        """Which fragments begin a frame: by a table of offsets, or by how they begin."""
        if offsets and fragments:
            first = fragments[0][0]
            at = {start - first: number for number, (start, _) in enumerate(fragments)}
            return [at[offset] for offset in offsets if offset in at]
        return [
            number
            for number, (start, length) in enumerate(fragments)
            if _FRAME_BEGINS.match(self._bytes(start, min(length, _MARK)))
        ]

    @cached_property
    def _fragments(self) -> tuple[Sequence[int], list[Place]]:
        """The table of offsets, which may be empty, and where the fragments lie."""
        self.file.seek(self.start)
        end = self.start + self.length
        found: list[Place] = []
        while self.length == UNDEFINED or self.file.tell() < end:
            tag, _, length = head(self.file, self.form)
            if tag == END:
                break
            if tag != ITEM or length == UNDEFINED or len(found) > MAX_PARTS:
                raise ImageError("The fragments of the DICOM image's pixels are damaged.", DAMAGED)
            found.append((self.file.tell(), length))
            self.file.seek(length, io.SEEK_CUR)
        if not found:
            raise cut_off()
        start, length = found[0]
        table = self._bytes(start, length - length % 4)
        return struct.unpack(f"<{len(table) // 4}L", table), found[1:]

    def _bytes(self, start: int, length: int) -> bytes:
        _check_bytes(length)
        self.file.seek(start)
        found = self.file.read(length)
        if len(found) < length:
            raise cut_off()
        return found


def _check_bytes(length: int) -> None:
    if length > MAX_BYTES:
        raise ImageError(
            f"A frame of the DICOM image has more than {MAX_BYTES >> 20} MiB.",
            "Export it from your archive smaller, or compressed.",
        )
