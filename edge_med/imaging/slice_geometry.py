"""A slice of a series, and where it lies in the patient (PS3.3 C.7.6.2)."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

Vector = tuple[float, ...]

VOLUMES = ("CT", "MR")
"""Modalities whose series are volumes; of others, images of a folder stand for themselves."""

SAME_PLACE = 0.01
"""mm between slices that lie in the same place."""

UNNAMED = "Some of the images name their {}, and others don't."
"""The text where some images have no identity."""

PARALLEL = 0.999
"""Cosine of the angle between slices that still are of one orientation: 2.6 degrees."""

UNTURNED: Vector = (1, 0, 0, 0, 1, 0)
"""The orientation of slices that have none: axial ones."""

Identity = tuple[str, str, str]
"""Of which patient, study and day an image is: words that can only be compared."""

NOBODY: Identity = ("", "", "")


@dataclass(frozen=True, slots=True)
class Slice:
    """A slice of a series: a file, or one frame of a file.

    Attributes:
        entry: index of its file among the given ones.
        image: unique name (SOP Instance UID), with the frame's number if there are many.
        series: unique name of its series.
        modality: DICOM's code of the modality; empty if it isn't one of the standard's.
        kinds: values of DICOM's ImageType.
        rows: number of rows of pixels.
        columns: number of columns of pixels.
        number: number by the scanner (InstanceNumber).
        acquisition: number of its acquisition.
        echo: number of the echo of an MR.
        moment: index of the moment in a series over time.
        position: position of its first pixel in the patient, in mm.
        orientation: directions of its rows and columns.
        frame: index of the frame in its file, from 0.
        has_positions: whether its file has positions of its frames, if it has many.
        batch: number of its series by the scanner (SeriesNumber).
        space: frame of reference of its position.
        b_value: b-value of a diffusion image, in s/mm2.
        trigger: time in ms after the heartbeat, or since the series began.
        kernel: convolution kernel of a CT, if it has a known form.
        sequence: sequence of an MR, if it has a known form.
        thickness: thickness in mm.
        spacing: distance of its pixels, down and across, in mm.
        samples: number of samples of a pixel: 1, or 3 with colours.
        identity: hashes of patient, study and day, which can only be compared.
    """

    entry: int
    image: str
    series: str
    modality: str
    kinds: tuple[str, ...]
    rows: int
    columns: int
    number: int | None = None
    acquisition: int | None = None
    echo: int | None = None
    moment: int | None = None
    position: Vector | None = None
    orientation: Vector | None = None
    frame: int = 0
    has_positions: bool = True
    batch: int | None = None
    space: str = ""
    b_value: float | None = None
    trigger: int | None = None
    kernel: str | None = None
    sequence: str | None = None
    thickness: float | None = None
    spacing: Vector | None = None
    samples: int | None = None
    identity: Identity = NOBODY

    @property
    def normal(self) -> Vector:
        """The direction in which slices follow each other."""
        return _normal(self.orientation or UNTURNED)

    @property
    def depth(self) -> float:
        """Where it lies along that direction, in mm."""
        return sum(a * b for a, b in zip(self.position or (), self.normal, strict=True))

    @property
    def plane(self) -> str:
        """How it cuts the body; empty if not known."""
        if self.orientation is None:
            return ""
        sizes = [abs(part) for part in self.normal]
        return PLANES[sizes.index(max(sizes))]


def content_key(piece: Slice) -> Slice:
    """What copies have in common: one unique name, a place or number, and what makes a pass.

    The name alone doesn't make a copy: some programs give all images of a study one.
    """
    if not piece.image:
        return piece
    return replace(piece, entry=0, number=None if piece.position else piece.number)


def _normal(orientation: Sequence[float]) -> Vector:
    a, b, c, d, e, f = orientation
    return (b * f - c * e, c * d - a * f, a * e - b * d)


def spans_plane(orientation: Sequence[float]) -> bool:
    """Whether two directions are some, and not the same: zeros stand where programs lost them."""
    return math.hypot(*_normal(orientation)) > _FLAT


_FLAT = 0.5
"""Length of the normal of what are no directions at right angles."""

PLANES = ("sagittal", "coronal", "axial")
"""By the patient's axis that goes through them: x to the left, y to the back, z to the head."""

_WAYS = (
    ("right to left", "left to right"),
    ("front to back", "back to front"),
    ("feet to head", "head to feet"),
)
"""Where one goes along each of those axes, and against it (PS3.3 C.7.6.2.1.1)."""


def direction(slices: Sequence[Slice]) -> str:
    """From where to where slices go through the body; empty if not known."""
    first, last = slices[0].position, slices[-1].position
    if first is None or last is None or first == last:
        return ""
    steps = [b - a for a, b in zip(first, last, strict=True)]
    axis = max(range(3), key=lambda n: abs(steps[n]))
    return _WAYS[axis][steps[axis] < 0]


def cosine(a: Vector, b: Vector) -> float:
    """Of the angle between two directions; 1 if one is none."""
    length = math.hypot(*a) * math.hypot(*b)
    return sum(x * y for x, y in zip(a, b, strict=True)) / length if length else 1.0


def places(slices: Sequence[Slice]) -> list[list[Slice]]:
    """Slices by where they lie along their normal; all must have a position."""
    ordered = sorted(slices, key=lambda piece: piece.depth)
    found = [ordered[:1]]
    for before, piece in pairwise(ordered):
        if piece.depth - before.depth < SAME_PLACE:
            found[-1].append(piece)
        else:
            found.append([piece])
    return found


def grouped(found: Sequence[Slice], key: Callable[[Slice], Hashable]) -> dict[Any, list[Slice]]:
    """Slices by a key, in the order in which the keys come first."""
    groups: dict[Any, list[Slice]] = defaultdict(list)
    for piece in found:
        groups[key(piece)].append(piece)
    return groups
