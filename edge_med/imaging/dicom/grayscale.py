"""From stored pixels to what they mean, and to eight bits.

A pixel has 256 or 65,536 patterns of bits. Every rule is applied to these, and the pixels are
looked up in the result once; so an X-ray of 12 megapixels never becomes 12 million fractions.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from edge_med.imaging.dicom.dataset import DicomHeader
from edge_med.imaging.dicom.functional_groups import of_frame
from edge_med.imaging.dicom.header_checks import contradicts, high_bit, missing, number
from edge_med.imaging.dicom.luts import lut
from edge_med.imaging.grey_levels import Extent, Patterns, Values, in_eight_bits, spread
from edge_med.imaging.hu_windows import Windows

RESCALING = ("RescaleSlope", "RescaleIntercept")

Flags = npt.NDArray[np.bool_]


def stored_values(data: DicomHeader, patterns: int) -> npt.NDArray[np.int64]:
    """The number that each pattern stands for: only the stored bits, with their sign.

    What lies above them is an overlay of old, or noise (PS3.5 8.1.1).
    """
    bits, sign = number(data, "BitsStored"), number(data, "PixelRepresentation")
    lowest = high_bit(data) + 1 - bits
    numbers = (np.arange(patterns) >> lowest) & ((1 << bits) - 1)
    if sign:
        numbers -= (numbers >> (bits - 1)) << bits
    return numbers


def padding(data: DicomHeader, numbers: npt.NDArray[np.int64]) -> Flags:
    """Which patterns mean that there is no picture (PS3.3 C.7.5.1.1.2)."""
    first = data.get("PixelPaddingValue")
    if not isinstance(first, int):
        return np.zeros(len(numbers), bool)
    last = data.get("PixelPaddingRangeLimit")
    both = (first, last if isinstance(last, int) else first)
    low, high = sorted(_signed_as_pixels(data, value) for value in both)
    return (numbers >= low) & (numbers <= high)


def _signed_as_pixels(data: DicomHeader, value: int) -> int:
    """A value of padding, which some write with a sign where pixels have none, or without one."""
    patterns = 1 << number(data, "BitsAllocated")
    if number(data, "PixelRepresentation"):
        return value - patterns if patterns // 2 <= value < patterns else value
    return value + patterns if -patterns // 2 <= value < 0 else value


def says_meaning(data: DicomHeader, index: int) -> bool:
    """Whether a file says what its numbers mean: by a modality LUT, or by slope and intercept."""
    source = of_frame(data, index, "PixelValueTransformationSequence") or data
    rescaled = None not in (source.get("RescaleSlope"), source.get("RescaleIntercept"))
    return rescaled or lut(data, data, "ModalityLUTSequence") is not None


def table_bits(data: DicomHeader) -> int | None:
    """Bits of an entry of the modality LUT; None if there is none."""
    table = lut(data, data, "ModalityLUTSequence")
    return table.bits if table else None


def modality_values(
    data: DicomHeader, numbers: npt.NDArray[np.int64], index: int, *, ct: bool
) -> Values:
    """What each number means: modality LUT, or slope and intercept (PS3.3 C.11.1).

    Of a CT only slope and intercept count, and both or none must be there, as in Google's code.

    Raises:
        ImageError: these aren't numbers that can be used.
    """
    source = of_frame(data, index, "PixelValueTransformationSequence") or data
    slope, intercept = source.get("RescaleSlope"), source.get("RescaleIntercept")
    if ct and (slope is None) != (intercept is None):
        raise missing("RescaleSlope" if slope is None else "RescaleIntercept")
    if not ct and (table := lut(data, data, "ModalityLUTSequence")):
        return np.asarray(table.of(numbers), np.float64)
    factor, offset = (float(1 if slope is None else slope), float(intercept or 0))
    if not (np.isfinite([factor, offset]).all() and factor and abs(factor) < 1e9):
        raise contradicts(source, *(name for name in RESCALING if source.get(name) is not None))
    found = np.asarray(numbers, np.float64) * factor + offset
    if ct:
        np.rint(found, out=found)
    return found


def extent(pixels: Patterns, values: Values, hidden: Flags) -> Extent | None:
    """The least and the greatest value in a frame; None if all of it is padding."""
    low, high = int(pixels.min()), int(pixels.max())
    span = values[low : high + 1]
    if not hidden[low : high + 1].any() and (np.diff(span) >= 0).all():
        return float(span[0]), float(span[-1])  # a tenth of the time, and nearly always so
    found = np.zeros(len(values), bool)
    found[pixels] = True
    found &= ~hidden
    there = values[found]
    return (float(there.min()), float(there.max())) if len(there) else None


def windowed(values: Values, windows: Windows) -> Values:
    """Values of CT in windows of red, green and blue, of the shape (patterns, 3)."""
    return np.stack([spread(values, window) for window in windows], axis=-1)


def display_values(data: DicomHeader, values: Values, index: int) -> tuple[Values, str] | None:
    """As a viewer shows them: by the first VOI LUT or window of the file (PS3.3 C.11.2).

    Returns:
        values from 0 to 1, and what was done; None if the file has none that can be used.
    """
    source = of_frame(data, index, "FrameVOILUTSequence") or data
    if table := lut(data, source, "VOILUTSequence"):
        return table.of(values) / float((1 << table.bits) - 1), "VOI LUT"
    centre, width = (_first(source.get(name)) for name in ("WindowCenter", "WindowWidth"))
    if centre is None or width is None or width <= 0:
        return None
    shape = source.get("VOILUTFunction") or "LINEAR"
    if shape == "SIGMOID":
        return 1 / (1 + np.exp(np.clip(-4 * (values - centre) / width, -99, 99))), "window, sigmoid"
    if shape == "LINEAR_EXACT" or width <= 1:
        return spread(values, (centre - width / 2, centre + width / 2)), "window"
    return spread(values, (centre - width / 2, centre + width / 2 - 1)), "window"


def eight_bits(shares: Values, hidden: Flags, *, inverted: bool) -> npt.NDArray[np.uint8]:
    """Shares of white in eight bits, rounded; padding is black."""
    table = in_eight_bits(1 - shares if inverted else shares)
    table[hidden] = 0
    return table


def _first(value: object) -> float | None:
    """The first of one or several numbers, if it is finite."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        value = value[0] if value else None
    found = float(value) if isinstance(value, (int, float)) else None
    return found if found is not None and np.isfinite(found) else None
