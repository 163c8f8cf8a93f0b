"""Tables of numbers: modality and VOI LUTs, and those of palettes (PS3.3 C.11.1.1, C.11.2.1.1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

from edge_med.errors import ImageError
from edge_med.imaging.dicom.dataset import DicomHeader
from edge_med.imaging.dicom.header_checks import missing, syntax
from edge_med.imaging.file_limits import DAMAGED

Entries = npt.NDArray[np.integer[Any]]

_MOST = 1 << 16
"""Entries of a table, whose number 0 stands for: it has 16 bits itself."""


@dataclass(frozen=True, slots=True)
class Lut:
    """A table.

    Attributes:
        first: stored value of the first entry.
        bits: number of bits of an entry.
        entries: values of the table.
    """

    first: int
    bits: int
    entries: Entries

    def of(self, numbers: npt.NDArray[Any]) -> Entries:
        """The entry of each number; below the first its own, beyond the last that one."""
        places = numbers.astype(np.int64) - self.first
        return self.entries[np.clip(places, 0, len(self.entries) - 1)]


def lut(data: DicomHeader, source: Dataset, name: str) -> Lut | None:
    """The first table of a sequence.

    Args:
        data: header of the file.
        source: dataset that has the sequence.
        name: name of the sequence.

    Returns:
        None if there is none, or an item with nothing in it.

    Raises:
        ImageError: half of it is there, or it is shorter than it says.
    """
    items = source.get(name)
    item = items[0] if items else Dataset()
    there = [part for part in ("LUTDescriptor", "LUTData") if item.get(part) is not None]
    if not there:
        return None
    for part in ("LUTDescriptor", "LUTData"):
        if part not in there:
            raise missing(part)
    entries, first, bits = described(item["LUTDescriptor"])
    return Lut(first, bits, table(data, item["LUTData"], entries))


def described(element: DataElement) -> tuple[int, int, int]:
    """What a descriptor says: entries, the number that has the first, and bits of each."""
    entries, first, bits = (int(part) for part in element.value)
    return entries or _MOST, first, bits


def table(data: DicomHeader, element: DataElement, entries: int) -> Entries:
    """The entries of a table, of eight or sixteen bits, in the byte order of the file.

    Raises:
        ImageError: it is shorter than it says.
    """
    if isinstance(element.value, int | Sequence) and not isinstance(element.value, bytes):
        numbers = np.atleast_1d(np.asarray(element.value)).astype(np.uint16)
        return _enough(numbers, len(numbers), entries)[:entries]
    values, little = bytes(element.value), syntax(data).little
    if len(values) >= 2 * entries:
        return np.frombuffer(values, "<u2" if little else ">u2", entries)
    packed = _enough(np.frombuffer(values, np.uint8), len(values), entries)
    if not little and element.VR == "OW":  # two to a word, and the words are turned round
        packed = packed[: len(packed) // 2 * 2].reshape(-1, 2)[:, ::-1].ravel()
    return packed[:entries]


def _enough(found: Entries, there: int, entries: int) -> Entries:
    if there < entries:
        raise ImageError(
            f"A table of the DICOM image is shorter than it says: {there} of {entries} entries.",
            DAMAGED,
        )
    return found
