"""The table of readers: one row for each kind of image file.

A new kind is one module, which has what `ReaderModule` says, and one row in `READERS`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, Protocol, cast

from edge_med.errors import ImageError
from edge_med.imaging.files import image_files
from edge_med.imaging.files.sniff import HEAD, is_dicom
from edge_med.imaging.photo.photo import Photo
from edge_med.imaging.picture_facts import About

Source = bytes | str
"""A file's bytes, or its path."""

DecodedFrame = tuple[Photo, About, Sequence[str] | None]
"""A photo, what is known of it, and of which patient, study and day it is."""


class OpenedFile(Protocol):
    """A file that was read as far as its frames need it."""

    def decode(self, frame: int, job: dict[str, Any]) -> DecodedFrame:
        """A frame, from 0 on, as the job wants it: `fit`, `windows`, `ends`, `key`."""

    def extent(self, frame: int) -> tuple[float, float] | None:
        """The least and the greatest value of a frame; None if there is none."""


class ReaderModule(Protocol):
    """What the module of a kind has; only the processes that decode load it."""

    def describe(self, source: Source, key: str) -> list[dict[str, Any]]:
        """The facts of each slice in a file, by the names of `Slice`; none if it has no slices."""

    def open_file(self, file: BinaryIO) -> OpenedFile:
        """Read a file as far as its frames need it."""


@dataclass(frozen=True, slots=True)
class Reader:
    """One kind of image file.

    Attributes:
        name: what the kind is called here.
        recognises: whether a file is of this kind, by its first `HEAD` bytes.
        module: the dotted name of the module that reads it.
        slices: whether a file may hold slices of a volume.
        prepared: the dotted name of what a new process loads beforehand for this kind; None if the
            process has it already.
        imageless: makes the error where files of this kind were found, and no image in them.
    """

    name: str
    recognises: Callable[[bytes], bool]
    module: str
    slices: bool = False
    prepared: str | None = None
    imageless: Callable[[], ImageError] | None = None

    def load(self) -> ReaderModule:
        """The module that reads this kind."""
        return cast(ReaderModule, importlib.import_module(self.module))


def _no_dicom_image() -> ImageError:
    return ImageError(
        "The DICOM files among these hold no image: they are reports, outlines or lists.",
        "Give a folder with the images.",
    )


READERS = (
    Reader(
        "dicom",
        is_dicom,
        "edge_med.imaging.readers.dicom_reader",
        slices=True,
        prepared="edge_med.imaging.dicom.recipes",
        imageless=_no_dicom_image,
    ),
    # The last one takes whatever is left, and says of each other file what it is.
    Reader("photo", lambda _head: True, "edge_med.imaging.readers.photo_reader"),
)
"""The first that recognises a file reads it."""

BY_NAME = {reader.name: reader for reader in READERS}


def reader_of(head: bytes) -> Reader:
    """What reads a file that begins so."""
    return next(reader for reader in READERS if reader.recognises(head))


def reader_for(source: Source) -> Reader:
    """What reads a file, given as its bytes or its path.

    Raises:
        ImageError: there is no such file, or it can't be read.
    """
    return reader_of(source[:HEAD] if isinstance(source, bytes) else image_files.read(source, HEAD))
