"""Boxes: from the model's answer to the pixels of the original, and drawn there."""

from __future__ import annotations

import io
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from edge_med import _platform
from edge_med.artifacts.safe_text import safe_line
from edge_med.errors import InputError, UsageError
from edge_med.imaging.box_answers import NOTHING, Box, Parsed, locate_prompt, other_than, parse
from edge_med.imaging.hu_windows import DEFAULT
from edge_med.imaging.opener import Source, upright
from edge_med.imaging.picture import Picture

__all__ = [
    "NOTHING",
    "Box",
    "Parsed",
    "PixelBox",
    "Placed",
    "check_target",
    "draw",
    "locate_prompt",
    "other_than",
    "parse",
    "place",
    "save",
]

_COLOURS = ((255, 214, 0), (0, 229, 255), (255, 105, 180), (118, 255, 3))
"""Bright on every grey; the boxes take them in turn."""

_DARK = (0, 0, 0)


@dataclass(frozen=True, slots=True)
class PixelBox:
    """A box in pixels of the upright original picture."""

    label: str
    x0: float
    y0: float
    x1: float
    y1: float


Placed = PixelBox
"""The name of `PixelBox` before 0.1."""


def place(box: Box, picture: Picture) -> PixelBox:
    """Where a box lies in the original of the picture that the model saw."""
    return PixelBox(box.label, *picture.box_to_original(box.corners))


def draw(image: Image.Image, boxes: Sequence[PixelBox]) -> Image.Image:
    """A copy of a picture in RGB with the boxes and their labels; nothing else is taken over."""
    canvas = Image.new("RGB", image.size)
    canvas.paste(image)
    pen = ImageDraw.Draw(canvas)
    width = max(1, round(min(image.size) / 250))
    font = ImageFont.load_default(size=max(10, round(max(image.size) / 50)))
    for number, box in enumerate(boxes):
        colour = _COLOURS[number % len(_COLOURS)]
        _rectangle(pen, box, width, colour)
        if box.label:
            _label(pen, box, font, colour)
    return canvas


def _rectangle(
    pen: ImageDraw.ImageDraw, box: PixelBox, width: int, colour: tuple[int, ...]
) -> None:
    """The box's edges, just within it, with a dark line on their inner side."""
    left, top = math.floor(box.x0), math.floor(box.y0)
    right, bottom = max(left, math.ceil(box.x1) - 1), max(top, math.ceil(box.y1) - 1)
    for inset, ink in ((width, _DARK), (0, colour)):
        edges = (left + inset, top + inset, right - inset, bottom - inset)
        if edges[0] <= edges[2] and edges[1] <= edges[3]:
            pen.rectangle(edges, outline=ink, width=width)


def _label(pen: ImageDraw.ImageDraw, box: PixelBox, font: Any, colour: tuple[int, ...]) -> None:
    """The label on a dark ground: above the box, or in it where there is no room."""
    text = safe_line(box.label)[:60]
    canvas_width, canvas_height = pen.im.size
    _, _, width, height = (math.ceil(edge) for edge in pen.textbbox((0, 0), text, font=font))
    left = max(0, min(math.floor(box.x0), canvas_width - width))
    above = math.floor(box.y0) - height
    top = above if above >= 0 else max(0, min(math.floor(box.y0), canvas_height - height))
    pen.rectangle((left, top, left + width, top + height), fill=_DARK)
    pen.text((left, top), text, fill=colour, font=font)


def save(
    source: Source,
    boxes: Sequence[PixelBox],
    path: str | os.PathLike[str],
    *,
    frame: int = 1,
    windows: str = DEFAULT,
    force: bool = False,
) -> None:
    """Write the original picture, upright and with the boxes, as PNG that its owner alone reads.

    The file appears whole or not at all. No error names the picture's file.

    Args:
        source: original image of the boxes, so no `Picture`.
        boxes: boxes to draw.
        path: path of the new file, with the ending .png.
        frame: frame of a DICOM file with several, from 1 on.
        windows: HU windows of a CT, as in `edge_med.imaging.open`.
        force: whether an existing file is replaced; the source never is.

    Raises:
        ImageError: the picture can't be read.
        UsageError: the path has another ending, or there is such a file.
        InputError: it can't be written.
    """
    target = Path(path)
    check_target(source, target, force=force)
    buffer = io.BytesIO()
    draw(upright(source, frame, windows), boxes).save(buffer, "PNG")
    try:
        _platform.write_private(target, buffer.getvalue())
    except OSError as error:
        raise InputError(
            f"The image with the boxes can't be written: {error.strerror}.",
            "Give a file in a folder that you may write to.",
        ) from None


def check_target(source: Source, target: Path, *, force: bool) -> None:
    """Refuse a path that `save` couldn't write to, before anything else is done.

    Raises:
        UsageError: it has another ending than .png, or there is such a file.
        InputError: there is no such folder.
    """
    if target.suffix.lower() != ".png":
        raise UsageError(
            "The image with the boxes must be a PNG file.", "Give a name ending in .png."
        )
    if not target.parent.is_dir():
        raise InputError(
            "There is no folder for the image with the boxes.",
            "Create it, or give another path.",
        )
    if not os.path.lexists(target):
        return
    original = Path(source) if isinstance(source, (str, os.PathLike)) else None
    if original and original.exists() and target.exists() and target.samefile(original):
        raise UsageError("The original image is never replaced.", "Give another name.")
    if target.is_dir() or not force:
        raise UsageError(
            "The file for the image with the boxes exists already.",
            "Give another name, or replace it with `force`.",
        )
