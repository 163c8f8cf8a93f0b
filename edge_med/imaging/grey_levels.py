"""Greys of more than eight bits in eight: what photos and DICOM images have in common."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]
Patterns = npt.NDArray[Any]
Extent = tuple[float, float]

DEEPEST = 65_535
"""White in 16 bits."""

_ROWS = 16
"""Rows that are looked up at once: their indices stay in the processor's cache."""


def spread(values: Values, ends: Extent) -> Values:
    """Values from 0 to 1 between two ends; 0 if these are the same."""
    low, high = ends
    return np.clip((values - low) / (high - low), 0, 1) if high > low else np.zeros_like(values)


def spread_by_16_bits(values: Values, ends: Extent) -> Values:
    """The same in the 65,536 steps, cut off and not rounded, that Google's code goes by."""
    if ends[0] >= ends[1]:
        return np.zeros_like(values)
    found: Values = np.floor(np.interp(values, ends, (0, DEEPEST))) / DEEPEST
    return found


def in_eight_bits(shares: Values) -> npt.NDArray[np.uint8]:
    """Shares of white in eight bits, rounded."""
    return np.rint(shares * 255).astype(np.uint8)


def look_up(pixels: Patterns, table: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """The pixels in eight bits, grey or RGB as the table is."""
    out = np.empty((*pixels.shape, *table.shape[1:]), np.uint8)
    for row in range(0, len(pixels), _ROWS):
        rows = slice(row, row + _ROWS)
        np.take(table, pixels[rows], axis=0, out=out[rows], mode="clip")
    return out
