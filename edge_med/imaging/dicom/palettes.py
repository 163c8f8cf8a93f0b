"""Palettes: which colour each number has (PS3.3 C.7.6.3.1.5 and C.7.6.3.1.6)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from pydicom.pixels.processing import apply_color_lut

from edge_med.errors import ImageError
from edge_med.imaging.container import DAMAGED
from edge_med.imaging.dicom.reading import Header
from edge_med.imaging.dicom.syntaxes import SYNTAXES

_COLOURS = ("Red", "Green", "Blue")
_MOST = 1 << 16
"""Entries of a table, whose number 0 stands for: it has 16 bits itself."""


def colours(data: Header, numbers: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
    """The colour of each number, in eight bits.

    Raises:
        ImageError: its tables are shorter than it says.
        Exception: whatever damaged tables make pydicom raise.
    """
    entries, first, _ = (int(part) for part in data.RedPaletteColorLookupTableDescriptor)
    entries = entries or _MOST
    if "RedPaletteColorLookupTableData" in data:
        table = np.stack([_table(data, colour, entries) for colour in _COLOURS], axis=-1)
    else:  # written in segments
        table = np.asarray(apply_color_lut(np.arange(first, first + entries), data))[..., :3]
    # Some write eight bits where they say sixteen, or in sixteen: white would be black.
    shallow = (table >> 8 if table.max(initial=0) > 255 else table).astype(np.uint8)
    return shallow[np.clip(numbers - first, 0, entries - 1)]


def _table(data: Header, colour: str, entries: int) -> npt.NDArray[np.generic]:
    """The entries of a table, of eight or sixteen bits, in the byte order of the file."""
    element = data[f"{colour}PaletteColorLookupTableData"]
    values, little = bytes(element.value), SYNTAXES[str(data.file_meta.TransferSyntaxUID)].little
    if len(values) >= 2 * entries:
        return np.frombuffer(values, "<u2" if little else ">u2", entries)
    if len(values) < entries:
        raise ImageError("A palette of the DICOM image is shorter than it says.", DAMAGED)
    packed = np.frombuffer(values, np.uint8)
    if not little and element.VR == "OW":  # two to a word, and the words are turned round
        packed = packed[: len(packed) // 2 * 2].reshape(-1, 2)[:, ::-1].ravel()
    return packed[:entries]
