"""In which direction the slices of a volume go, and what is odd in how they follow each other."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from statistics import median
from typing import Literal

from edge_med.errors import ImageError
from edge_med.imaging.slice_geometry import Slice, cosine

Order = Literal["numbers", "position"]

ORDERS: tuple[Order, ...] = ("numbers", "position")
"""`numbers`: as the machine numbered them, where its numbers go along the normal: so do Google's
notebooks. `position`: along the normal, which is from feet to head of axial slices."""

_TILTED = math.cos(math.radians(1))

_GAP = 1.5
"""Times the distance of their neighbours, from which on a slice may be missing between two."""

_EQUAL = 0.1
"""Share of the usual distance by which distances differ that are called equal."""


def ordered(slices: Sequence[Slice], order: Order) -> tuple[list[Slice], tuple[str, ...]]:
    """Slices in the order in which they are shown, and what the user should know of it.

    Raises:
        ImageError: nothing says in which order they lie.
    """
    if all(piece.position for piece in slices):
        lying = sorted(slices, key=lambda piece: piece.depth)
        if order == "numbers" and _numbered_backwards(lying):
            lying.reverse()
        return lying, tuple(_order_notices(lying))
    if len(slices) == 1:
        return [*slices], ()
    numbers = {piece.number for piece in slices}
    if None in numbers or len(numbers) < len(slices):
        raise ImageError(
            "The order of the series' slices isn't known: they have no positions and no numbers.",
            "Export the series again, with its positions.",
        )
    notice = "The slices have no positions, so they are in the order of their numbers."
    return sorted(slices, key=lambda piece: piece.number or 0), (notice,)


def _numbered_backwards(lying: Sequence[Slice]) -> bool:
    """Whether the machine's numbers fall all along the normal."""
    numbers = [piece.number for piece in lying]
    return len(lying) > 1 and all(
        a is not None and b is not None and a > b for a, b in pairwise(numbers)
    )


def steps_of(lying: Sequence[Slice]) -> list[float]:
    """Distances between slices that follow each other, in mm."""
    return [abs(b.depth - a.depth) for a, b in pairwise(lying)]


def _order_notices(lying: Sequence[Slice]) -> Iterator[str]:
    steps = steps_of(lying)
    if not steps:
        return
    gaps = _unnumbered(lying)
    missing = [_missing(steps, gaps[place], place) for place in range(len(steps))]
    if count := sum(missing):
        slices = "1 slice is" if count == 1 else f"{count} slices are"
        yield f"About {slices} missing between the others."
    regular = [step / (gap + 1) for step, gap in zip(steps, missing, strict=True)]
    low, high = min(regular), max(regular)
    if high - low > _EQUAL * median(regular):
        yield _distances(regular)
    first, last = lying[0].position or (), lying[-1].position or ()
    step = tuple(b - a for a, b in zip(first, last, strict=True))
    angle = math.degrees(math.acos(min(1.0, abs(cosine(step, lying[0].normal)))))
    if math.cos(math.radians(angle)) < _TILTED:
        yield f"The gantry was tilted by {angle:.0f} degrees. The slices aren't corrected for it."


def _missing(steps: Sequence[float], gap: int, place: int) -> int:
    """How many slices are missing after one, by its distance to the next and by their numbers.

    A distance alone doesn't say it: many heads have thin slices below and thick ones above. Numbers
    are missing too, or it stands out among its neighbours and is a multiple of theirs.
    """
    step = steps[place]
    neighbours = [*steps[max(0, place - 1) : place], *steps[place + 1 : place + 2]]
    if not neighbours or step <= _GAP * max(neighbours):
        return 0
    times = step / max(neighbours)
    if gap:
        return min(gap, max(1, round(times) - 1))
    alone = len(neighbours) == 2 and max(neighbours) - min(neighbours) <= _EQUAL * max(neighbours)
    return round(times) - 1 if alone and abs(times - round(times)) <= _EQUAL * times else 0


def _unnumbered(lying: Sequence[Slice]) -> list[int]:
    """How many of the machine's numbers are missing between each slice and the next."""
    numbers = [piece.number for piece in lying if piece.number is not None]
    steps = [b - a for a, b in pairwise(numbers)]
    if len(numbers) < len(lying) or not (min(steps) > 0 or max(steps) < 0):
        return [0] * (len(lying) - 1)
    usual = median(steps)
    return [max(0, round(step / usual) - 1) for step in steps]


def _distances(steps: Sequence[float]) -> str:
    """How far apart slices are, where that changes."""
    first, last = steps[0], steps[-1]
    turns = sum(abs(b - a) > _EQUAL * max(a, b) for a, b in pairwise(steps))
    if abs(last - first) > _EQUAL * max(first, last) and turns <= 2:  # one may lie between both
        return f"Slices are {first:.3g} mm apart at first and {last:.3g} mm later."
    return f"Slices are {min(steps):.3g} to {max(steps):.3g} mm apart."
