"""Several pictures on one sheet, to be looked at."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from edge_med.imaging.picture import Picture, Pixels

CELL = 224
"""Pixels of a picture's side on a sheet with others."""


def sheet(pictures: Sequence[Picture], *, labelled: bool = False) -> Pixels:
    """A picture alone as it is; several in rows from left to right, each made small.

    Args:
        pictures: pictures in order.
        labelled: whether they are slices, whose numbers are written into their corners: what an
            answer calls each, and which of its series it is.
    """
    if len(pictures) == 1:
        return pictures[0].pixels
    columns = math.ceil(math.sqrt(len(pictures)))
    rows = math.ceil(len(pictures) / columns)
    found = np.zeros((rows * CELL, columns * CELL, 3), np.uint8)
    for number, picture in enumerate(pictures):
        y, x = divmod(number, columns)
        small = Image.fromarray(picture.pixels).resize((CELL, CELL), Image.Resampling.BILINEAR)
        if labelled:
            _write(small, number + 1, picture)
        found[y * CELL : (y + 1) * CELL, x * CELL : (x + 1) * CELL] = np.asarray(small)
    return found


def _write(small: Image.Image, label: int, picture: Picture) -> None:
    """Write a slice's numbers into the upper left corner, on black."""
    number, total = picture.slice or (label, 0)
    text = f"SLICE {label}" + (f" = {number} of {total}" if total else "")
    drawn = ImageDraw.Draw(small)
    drawn.rectangle(drawn.textbbox((3, 2), text), fill=(0, 0, 0))
    drawn.text((3, 2), text, fill=(255, 255, 0))


def png(pixels: Pixels) -> bytes:
    """The pixels as a PNG file, with nothing else in it."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()
