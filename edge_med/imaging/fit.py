"""Fit a picture into the model's square, and find the way back from the square to the picture.

`pad` is what MedGemma was trained with (Google's serving code, `predictor.py`): black on both sides
to a square, then resized. `stretch` is what the Hugging Face processor does: resized as it is.
Pillow's bilinear filter with antialiasing in both, so that the result equals theirs to the bit.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from PIL import Image

from edge_med.config import Fit

Size = tuple[int, int]
Box = tuple[float, float, float, float]

SCALE = 1000
"""MedGemma gives boxes as [y0, x0, y1, x1] in thousandths of the square."""

_BAND = 256
"""Rows that are padded at once: a whole square of the longest side would take 1.6 GB."""


def pad(image: Image.Image, side: int) -> Image.Image:
    """Black to a centred square, then resized to side x side.

    Pillow resizes each row by itself first, and then the columns; so rows can be padded and resized
    in bands, and the result is that of the whole square.
    """
    square = max(image.size)
    if image.width == image.height:
        return stretch(image, side)
    left, top = _margin(image.size)
    narrow = Image.new(image.mode, (side, square))
    for y in range(0, image.height, _BAND):
        rows = min(_BAND, image.height - y)
        band = Image.new(image.mode, (square, rows))
        band.paste(image.crop((0, y, image.width, y + rows)), (left, 0))
        narrow.paste(band.resize((side, rows), Image.Resampling.BILINEAR), (0, top + y))
    return stretch(narrow, side)


def stretch(image: Image.Image, side: int) -> Image.Image:
    """Resized to side x side, whatever that does to its proportions."""
    return image.resize((side, side), Image.Resampling.BILINEAR)


FITS: dict[Fit, Callable[[Image.Image, int], Image.Image]] = {"pad": pad, "stretch": stretch}


def box_to_original(box: Box, fit: Fit, size: Size) -> Box:
    """Where a box of the model lies in the picture.

    Args:
        box: y0, x0, y1, x1 in thousandths of the square.
        fit: fit of the picture into the square.
        size: width and height of the picture.

    Returns:
        x0, y0, x1, y1 in pixels of the picture, cut off at its edges; the order of Pillow's boxes.
    """
    width, height = size
    across, down = (max(size),) * 2 if fit == "pad" else size
    left, top = _margin(size) if fit == "pad" else (0, 0)
    y0, x0, y1, x1 = box
    return (
        _within(x0 * across / SCALE - left, width),
        _within(y0 * down / SCALE - top, height),
        _within(x1 * across / SCALE - left, width),
        _within(y1 * down / SCALE - top, height),
    )


def inside(size: Size, fit: Fit, side: int) -> tuple[slice, slice]:
    """Rows and columns of the square that show the picture alone, and nothing of its margin.

    Args:
        size: width and height of the picture.
        fit: fit of the picture into the square.
        side: side of the square, in pixels.
    """
    if fit == "stretch" or size[0] == size[1]:
        return slice(None), slice(None)
    longest = max(size)
    blurred = 1 + math.ceil(side / longest)  # pixels on which the margin next to them has bearing
    columns, rows = (
        _middle(less * side / longest, (less + length) * side / longest, side, blurred)
        for less, length in zip(_margin(size), size, strict=True)
    )
    return rows, columns


def _middle(first: float, last: float, side: int, blurred: int) -> slice:
    """From one place to another without what is blurred at a margin; at least one pixel."""
    start = math.ceil(first) + blurred if first else 0
    stop = math.floor(last) - blurred if last < side else side
    middle = int((first + last) / 2)
    return slice(start, stop) if start < stop else slice(middle, middle + 1)


def _margin(size: Size) -> Size:
    """What is left and above of the picture in its square; an odd pixel goes right or below."""
    side = max(size)
    return (side - size[0]) // 2, (side - size[1]) // 2


def _within(value: float, limit: int) -> float:
    return min(max(value, 0.0), float(limit))
