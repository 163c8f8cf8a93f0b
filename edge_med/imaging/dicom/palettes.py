"""Palettes: which colour each number has (PS3.3 C.7.6.3.1.5 and C.7.6.3.1.6)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from pydicom.pixels.processing import apply_color_lut

from edge_med.errors import ImageError
from edge_med.imaging.dicom.dataset import DicomHeader
from edge_med.imaging.dicom.header_checks import missing, syntax
from edge_med.imaging.dicom.luts import Entries, described, table

_COLOURS = ("Red", "Green", "Blue")


def colours(data: DicomHeader, numbers: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
    """The colour of each number, in eight bits.

    Raises:
        ImageError: its tables are missing, or shorter than it says.
        Exception: whatever damaged tables make pydicom raise.
    """
    name = f"{_COLOURS[0]}PaletteColorLookupTableDescriptor"
    if data.get(name) is None:
        raise missing(name)
    entries, first, bits = described(data[name])
    if "SegmentedRedPaletteColorLookupTableData" in data:
        found = _segmented(data, entries, first, bits)
    else:
        found = np.stack([_table(data, colour, entries) for colour in _COLOURS], axis=-1)
    # Some write eight bits where they say sixteen, or in sixteen: white would be black.
    shallow = (found >> 8 if found.max(initial=0) > 255 else found).astype(np.uint8)
    return shallow[np.clip(numbers - first, 0, entries - 1)]


def _table(data: DicomHeader, colour: str, entries: int) -> Entries:
    name = f"{colour}PaletteColorLookupTableData"
    if data.get(name) is None:
        raise missing(name)
    return table(data, data[name], entries)


def _segmented(data: DicomHeader, entries: int, first: int, bits: int) -> Entries:
    """Tables that are written in segments (PS3.3 C.7.9.2)."""
    if bits == 8 and not syntax(data).little:  # pydicom doesn't turn their bytes round
        raise ImageError(
            "The DICOM image's palette isn't read: segments of 8 bits in big endian.",
            "Export it from your archive as RGB.",
        )
    return np.asarray(apply_color_lut(np.arange(first, first + entries), data))[..., :3]
