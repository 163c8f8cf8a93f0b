"""A picture as the model sees it, with the way back to the original."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from PIL import Image

from edge_med.config import Fit
from edge_med.imaging import fit as fits
from edge_med.imaging import picture_notices
from edge_med.imaging.fit import Box
from edge_med.imaging.picture_facts import About
from edge_med.imaging.slice_geometry import Whose

Pixels = npt.NDArray[np.uint8]

DIRECTIONS = {"numbers": "by number", "position": "by position"}
"""What is said of slices by what their order is of; see `ordering.ORDERS`."""


@dataclass(frozen=True, slots=True)
class Came:
    """What a picture came with.

    Attributes:
        opened: a word of its own for each time that a series was opened.
        series: by what that is chosen; empty if the pictures are single images of several.
        way: from where to where its slices go through the body; empty if nobody knows.
        order: what its slices are in the order of; empty of what is no volume.
    """

    opened: str
    series: str = ""
    way: str = ""
    order: str = ""

    def __str__(self) -> str:
        parts = (self.series and f"series {self.series}", self.way, DIRECTIONS.get(self.order))
        return ", ".join(filter(None, parts))


@dataclass(frozen=True, slots=True)
class Picture:
    """A prepared picture. Two are equal if the model sees the same, and boxes mean the same.

    Attributes:
        pixels: RGB of shape (side, side, 3), read-only, just as llama.cpp will receive them.
        original_size: width and height before the fit, upright, in pixels.
        fit: how it came into the square.
        provenance: where its pixels come from and what was done to them, in order.
        about: what is known of it, if its file tells.
        whose: of which patient, study and day it is, as words that can only be compared within
            this run of the program; None if no file tells.
        of_series: what the user should know of the series whose first picture it is: which slices
            are shown, and what was left out.
        came: with which series, if it did.
        sha256: of the pixels: the picture's name in every cache.
    """

    pixels: Pixels = field(repr=False, compare=False)
    original_size: tuple[int, int]
    fit: Fit
    provenance: tuple[str, ...] = field(compare=False)
    about: About = field(default=About(), repr=False, compare=False)
    whose: Whose | None = field(default=None, repr=False, compare=False)
    of_series: tuple[str, ...] = field(default=(), repr=False, compare=False)
    came: Came | None = field(default=None, repr=False, compare=False)
    sha256: str = field(init=False)

    def __post_init__(self) -> None:
        pixels = np.asarray(self.pixels, np.uint8, order="C")
        if pixels.flags.writeable:  # somebody may still change it
            pixels = pixels.copy()
            pixels.setflags(write=False)
        object.__setattr__(self, "pixels", pixels)
        object.__setattr__(self, "sha256", hashlib.sha256(pixels.data).hexdigest())

    def __reduce__(self) -> tuple[Any, ...]:
        # An array forgets in a queue that it is read-only; made anew, the picture is checked anew.
        return Picture, (self.pixels, *self.facts())

    @classmethod
    def told(
        cls, told: Mapping[str, Any], pixels: bytearray | memoryview, fit: Fit, side: int
    ) -> Self:
        """A picture of a square's pixels, and of what a process tells of its image."""
        return cls(
            np.frombuffer(memoryview(pixels).toreadonly(), np.uint8).reshape(side, side, 3),
            tuple(told["size"]),
            fit,
            (*told["steps"], fitted(fit, side)),
            cls.about_of(told),
            tuple(told["whose"]) if told.get("whose") else None,
            tuple(told.get("of_series", ())),
            told.get("came"),
        )

    def facts(self) -> tuple[Any, ...]:
        """All but its pixels, in the order in which a picture is made of them."""
        size, fit, steps = self.original_size, self.fit, self.provenance
        return size, fit, steps, self.about, self.whose, self.of_series, self.came

    @staticmethod
    def about_of(told: Mapping[str, Any]) -> About:
        """What is known of an image that a process tells of."""
        about: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in told["about"].items()
        }
        return About(**about)

    @property
    def notices(self) -> tuple[str, ...]:
        """What the user should know: which of several it is, or that it shows nothing."""
        return tuple(notice.text for notice in picture_notices.of(self))

    @property
    def slice(self) -> tuple[int, int] | None:
        """Which slice of its series it is, from 1 on, and how many that has; None of another."""
        found = [match for step in self.provenance if (match := _SLICE.fullmatch(step))]
        return (int(found[-1][1]), int(found[-1][2])) if found else None

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


def sliced(number: int, total: int) -> str:
    """What is said of a slice among its picture's steps."""
    return f"slice {number} of {total}"


_SLICE = re.compile(r"slice (\d{1,6}) of (\d{1,6})")
"""What `sliced` says."""


def fitted(fit: Fit, side: int) -> str:
    """What is said of a fit among a picture's steps."""
    return f"{fit} to {side} x {side}"
