"""Photos: files of one frame, without slices."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, BinaryIO

from edge_med.imaging.file_limits import check_bytes
from edge_med.imaging.files import image_files
from edge_med.imaging.photo.photo import decode
from edge_med.imaging.picture_facts import About
from edge_med.imaging.readers.reader_table import DecodedFrame, OpenedFile, Source


@dataclass(frozen=True, slots=True)
class PhotoFile:
    """A photo's bytes."""

    data: bytes

    def decode(self, _frame: int, job: dict[str, Any]) -> DecodedFrame:
        """The photo, which is every frame; nothing is known of its patient."""
        return decode(self.data, job.get("fit", "pad")), About(), None

    def extent(self, _frame: int) -> None:
        """None: the values of a photo are colours."""


def describe(_source: Source, _key: str) -> list[dict[str, Any]]:
    """No facts: a photo is no slice."""
    return []


def open_file(file: BinaryIO) -> OpenedFile:
    """Read a photo's bytes, within their limit."""
    check_bytes(file.seek(0, os.SEEK_END))
    return PhotoFile(image_files.contents(file))
