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
from edge_med.imaging.slice_geometry import Identity

Pixels = npt.NDArray[np.uint8]

DIRECTIONS = {"numbers": "by number", "position": "by position"}
"""The text about slices by what their order is of; see `ordering.ORDERS`."""


@dataclass(frozen=True, slots=True)
class SeriesOrigin:
    """The series that a picture was opened with.

    Attributes:
        opened: random word for each opening of a series.
        series: number by which it is chosen; empty for single images of several series.
        direction: direction of its slices through the body; empty if not known.
        order: order of its slices, `numbers` or `position`; empty without a volume.
    """

    opened: str
    series: str = ""
    direction: str = ""
    order: str = ""

    def __str__(self) -> str:
        parts = (
            self.series and f"series {self.series}",
            self.direction,
            DIRECTIONS.get(self.order),
        )
        return ", ".join(filter(None, parts))


@dataclass(frozen=True, slots=True)
class Picture:
    """A prepared picture. Two are equal if the model sees the same, and boxes mean the same.

    Attributes:
        pixels: RGB of shape (side, side, 3), read-only, exactly as llama.cpp receives them.
        original_size: width and height before the fit, upright, in pixels.
        fit: fit of the image into the square.
        provenance: source of its pixels and what was done to them, in order.
        about: facts of the image, if its file has them.
        identity: patient, study and day of the image, as words that can only be compared within
            this run of the program; None if no file has them.
        of_series: sentences about the series whose first picture it is: which slices
            are shown, and what was left out.
        series_origin: series that it was opened with; None without one.
        sha256: hash of the pixels: the picture's name in every cache.
    """

    pixels: Pixels = field(repr=False, compare=False)
    original_size: tuple[int, int]
    fit: Fit
    provenance: tuple[str, ...] = field(compare=False)
    about: About = field(default=About(), repr=False, compare=False)
    identity: Identity | None = field(default=None, repr=False, compare=False)
    of_series: tuple[str, ...] = field(default=(), repr=False, compare=False)
    series_origin: SeriesOrigin | None = field(default=None, repr=False, compare=False)
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
    def from_reply(
        cls, reply: Mapping[str, Any], pixels: bytearray | memoryview, fit: Fit, side: int
    ) -> Self:
        """A picture of a square's pixels, and of a decoder's reply about its image."""
        return cls(
            np.frombuffer(memoryview(pixels).toreadonly(), np.uint8).reshape(side, side, 3),
            tuple(reply["size"]),
            fit,
            (*reply["steps"], fitted(fit, side)),
            cls.about_of(reply),
            tuple(reply["identity"]) if reply.get("identity") else None,
            tuple(reply.get("of_series", ())),
            reply.get("series_origin"),
        )

    def facts(self) -> tuple[Any, ...]:
        """All but its pixels, in the order in which a picture is made of them."""
        size, fit, steps = self.original_size, self.fit, self.provenance
        return size, fit, steps, self.about, self.identity, self.of_series, self.series_origin

    @staticmethod
    def about_of(reply: Mapping[str, Any]) -> About:
        """The facts of an image, by a decoder's reply."""
        about: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in reply["about"].items()
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
    """The text about a slice among its picture's steps."""
    return f"slice {number} of {total}"


_SLICE = re.compile(r"slice (\d{1,6}) of (\d{1,6})")
"""What `sliced` says."""


def fitted(fit: Fit, side: int) -> str:
    """The text about a fit among a picture's steps."""
    return f"{fit} to {side} x {side}"
