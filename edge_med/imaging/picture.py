"""A picture as the model sees it, with the way back to the original."""

from __future__ import annotations

import hashlib
import io
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from edge_med.config import Fit
from edge_med.errors import ImageError, UsageError
from edge_med.imaging import fit as fits
from edge_med.imaging.container import MAX_BYTES, check_bytes
from edge_med.imaging.fit import FITS, Box
from edge_med.imaging.photo import Photo, decode, from_array, from_pillow

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Picture:
    """A prepared picture. Two are equal if the model sees the same, and boxes mean the same.

    Attributes:
        pixels: RGB of shape (side, side, 3), read-only, just as llama.cpp will receive them.
        original_size: width and height before the fit, upright, in pixels.
        fit: how it came into the square.
        provenance: where its pixels come from and what was done to them, in order.
        sha256: of the pixels: the picture's name in every cache.
    """

    pixels: Pixels = field(repr=False, compare=False)
    original_size: tuple[int, int]
    fit: Fit
    provenance: tuple[str, ...] = field(compare=False)
    sha256: str = field(init=False)

    def __post_init__(self) -> None:
        pixels = np.array(self.pixels, np.uint8, order="C")
        pixels.setflags(write=False)
        object.__setattr__(self, "pixels", pixels)
        object.__setattr__(self, "sha256", hashlib.sha256(pixels.data).hexdigest())

    def __reduce__(self) -> tuple[Any, ...]:
        # An array forgets in a queue that it is read-only; made anew, the picture is checked anew.
        return Picture, (self.pixels, self.original_size, self.fit, self.provenance)

    def png(self) -> bytes:
        """The prepared pixels as a PNG file."""
        buffer = io.BytesIO()
        Image.fromarray(self.pixels).save(buffer, "PNG")
        return buffer.getvalue()

    def box_to_original(self, box: Box) -> Box:
        """Where a box of the model lies in the original, upright picture.

        Args:
            box: y0, x0, y1, x1 in thousandths of the square, as MedGemma writes them.

        Returns:
            x0, y0, x1, y1 in pixels, cut off at the picture's edges.
        """
        return fits.box_to_original(box, self.fit, self.original_size)


Bytes = bytes | bytearray | memoryview
Source = Picture | str | os.PathLike[str] | Bytes | Image.Image | npt.NDArray[Any]
"""What can be opened: a file's path or its bytes, an image of Pillow's, an array, a picture."""


def open(source: Source, *, fit: Fit = "pad", side: int = 896) -> Picture:
    """Open a picture for the model.

    Args:
        source: a file's path; a file's bytes; an image of Pillow's; an array of uint8 or uint16,
            grey, RGB or RGBA; or a picture, which is returned as it is.
        fit: how it comes into the model's square.
        side: of that square, in pixels.

    Raises:
        ImageError: it can't be read as it is meant; it is never left out.
        UsageError: there is no such fit or side.
    """
    if isinstance(source, Picture):
        return source
    if fit not in FITS or side < 1:
        raise UsageError(f"'{fit}' to {side} pixels isn't a fit.", "Use pad or stretch, and 896.")
    photo = _photo(source)
    fitted = np.asarray(FITS[fit](photo.image, side))
    return Picture(fitted, photo.image.size, fit, (*photo.steps, f"{fit} to {side} x {side}"))


def upright(source: Source) -> Image.Image:
    """The whole original in RGB, upright, before any fit; errors are those of `open`."""
    return _photo(source).image


def _photo(source: object) -> Photo:
    match source:
        case bytes() | bytearray() | memoryview():
            return decode(bytes(source))
        case Image.Image():
            return from_pillow(source)
        case np.ndarray():
            return from_array(source)
        case str() | os.PathLike():
            return decode(_read(source))
    raise ImageError(
        f"A value of type {type(source).__name__} isn't an image.",
        "Give a path, a file's bytes, an image of Pillow's or an array.",
    )


def _read(source: str | os.PathLike[str]) -> bytes:
    """A file's bytes; errors don't name it, since names of files are often patients'."""
    path = Path(source)
    try:
        if path.exists() and not path.is_file():  # a pipe or a device may never end
            raise ImageError("The image isn't a file.", "Give the path of a file.")
        with path.open("rb") as file:
            check_bytes(os.fstat(file.fileno()).st_size)
            return file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "Not a path"
        raise ImageError(f"The image can't be read: {reason}.", "Check its path.") from None
