"""DICOM: files of frames, which may be slices of a volume."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, BinaryIO

from edge_med.imaging.dicom import dataset, recipes, slice_facts
from edge_med.imaging.hu_windows import windows
from edge_med.imaging.readers.reader_table import DecodedFrame, OpenedFile, Source


@dataclass(frozen=True, slots=True)
class DicomFile:
    """A file's elements."""

    elements: dataset.DicomHeader

    def decode(self, frame: int, job: dict[str, Any]) -> DecodedFrame:
        """A frame by the recipe of its modality."""
        made = recipes.prepare(self.elements, frame, windows(job["windows"]), job.get("ends"))
        return (*made, slice_facts.identity(self.elements, job.get("key", "")))

    def extent(self, frame: int) -> tuple[float, float] | None:
        """The least and the greatest value of a frame; None if all of it is padding."""
        return recipes.extent(self.elements, frame)


def describe(source: Source, key: str) -> list[dict[str, Any]]:
    """The facts of each slice in a file; none if it holds no image."""
    return slice_facts.describe(source, key)


def open_file(file: BinaryIO) -> OpenedFile:
    """Read a file's elements, and its frames when they are wanted."""
    return DicomFile(dataset.read(file))
