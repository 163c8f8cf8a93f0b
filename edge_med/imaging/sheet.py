"""Several pictures on one sheet, to be looked at."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence

import numpy as np
from PIL import Image

from edge_med.imaging.picture import Picture, Pixels

CELL = 224
"""Pixels of a picture's side on a sheet with others."""


def sheet(pictures: Sequence[Picture]) -> Pixels:
    """A picture alone as it is; several in rows from left to right, each made small."""
    if len(pictures) == 1:
        return pictures[0].pixels
    columns = math.ceil(math.sqrt(len(pictures)))
    rows = math.ceil(len(pictures) / columns)
    found = np.zeros((rows * CELL, columns * CELL, 3), np.uint8)
    for number, picture in enumerate(pictures):
        y, x = divmod(number, columns)
        small = Image.fromarray(picture.pixels).resize((CELL, CELL), Image.Resampling.BILINEAR)
        found[y * CELL : (y + 1) * CELL, x * CELL : (x + 1) * CELL] = np.asarray(small)
    return found


def png(pixels: Pixels) -> bytes:
    """The pixels as a PNG file, with nothing else in it."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()
