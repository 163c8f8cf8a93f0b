"""What makes slices of one orientation passes, so that they never lie in one volume."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any, Literal, NamedTuple

from edge_med.imaging.slice_geometry import SAME_PLACE, Slice, grouped, places

FEW = 0.25
"""Share of a series that may lie otherwise, such as scouts, and is then left out."""

COVERED = 0.5
"""Share of all places that the largest pass must have, so that a difference makes passes: where
each slice has a number of acquisition of its own, or a time, that doesn't."""

_RUN = 3
"""Images that have a value in common, at least and on average, so that slices which alternate in it
are passes and not slices with a value of their own each."""


class Difference(NamedTuple):
    """A difference between slices.

    Attributes:
        name: name of a part.
        value_of: function that gives a slice's value.
        rule: `always`: slices that differ never are one volume; `unless continued`: they are if
            their ranges only follow each other; `in one place`: only such slices need it.
    """

    name: str
    value_of: Callable[[Slice], Any]
    rule: Literal["always", "unless continued", "in one place"]


def _neighbour_station(piece: Slice) -> tuple[int, ...]:
    """Where a slice lies across its normal, in cm: stations of a spine lie above each other."""
    depth = piece.depth
    across = [p - depth * n for p, n in zip(piece.position or (), piece.normal, strict=True)]
    return tuple(round(part / 10) for part in across)


def _kind(piece: Slice) -> tuple[bool, tuple[str, ...]]:
    """What sort of image it is; magnitudes come before phases and the like."""
    return (not _NOT_MAGNITUDE.isdisjoint(piece.kinds), piece.kinds)


_NOT_MAGNITUDE = {"P", "R", "I", "PHASE", "PHASE MAP", "REAL", "IMAGINARY"}
"""Of ImageType and ComplexImageComponent (PS3.3 C.8.13.3.1.1)."""


DIFFERENCES = (
    Difference("acquisition", lambda piece: piece.acquisition, "unless continued"),
    Difference("echo", lambda piece: piece.echo, "always"),
    Difference("b-value", lambda piece: piece.b_value, "always"),
    Difference("sequence", lambda piece: piece.sequence, "always"),
    Difference("moment", lambda piece: piece.moment, "unless continued"),
    Difference("phase", lambda piece: piece.trigger, "in one place"),
    Difference("kernel", lambda piece: piece.kernel, "unless continued"),
    Difference("kind of image", _kind, "in one place"),
    Difference("station", _neighbour_station, "in one place"),
)


def _continued(groups: dict[Any, list[Slice]], there: int) -> list[Slice]:
    """Slices in a row, where what differs only follows each other in space; empty if it doesn't.

    Where ranges overlap a little, the first of both along the normal stays.
    """
    ranges = []
    for group in groups.values():
        depths = [piece.depth for piece in group]
        ranges.append((min(depths), max(depths), group))
    ranges.sort(key=lambda one: one[:2])
    row = [*ranges[0][2]]
    left: list[Slice] = []
    for (low, high, _), (next_low, next_high, group) in pairwise(ranges):
        if next_low - low < SAME_PLACE or next_high - high < SAME_PLACE:
            return []
        for piece in group:
            (row if piece.depth - high >= SAME_PLACE else left).append(piece)
    return row if len(left) <= FEW * there else []


def _is_difference(groups: Sequence[list[Slice]], there: int, *, loose: bool, few: bool) -> bool:
    """Whether slices that differ so are passes, and not slices with a value of their own each."""
    share = 1 - FEW if loose and few else COVERED
    if max(len(places(group)) for group in groups) >= share * there:
        return True
    return few and not loose and sum(map(len, groups)) >= _RUN * len(groups)


def in_turn(groups: Mapping[Any, Sequence[Slice]]) -> list[Any]:
    """Values of a difference: numbers as they rise, words as the machine numbered their images.

    What isn't said comes first: an image without diffusion often has no b-value.
    """

    def place(value: Any) -> tuple[bool, float, int]:
        begins = value[0] if isinstance(value, tuple) else value
        number = begins if isinstance(begins, int | float) else 0
        return (value is not None, number, min(piece.number or 0 for piece in groups[value]))

    return sorted(groups, key=place)


def without_places(series: Sequence[Slice], difference: Difference) -> dict[Any, list[Slice]]:
    """Slices that don't say where they lie, by a difference; none if it makes no passes."""
    if difference.name == "station":
        return {}
    groups = grouped(series, difference.value_of)
    return groups if 1 < len(groups) <= len(series) / _RUN else {}


class PassSplit(NamedTuple):
    """What a difference makes of slices: passes by their values, or slices in a row."""

    passes: dict[Any, list[Slice]]
    row: list[Slice]


def parts(series: Sequence[Slice], difference: Difference, there: int, doubled: int) -> PassSplit:
    """Slices by a difference.

    Args:
        series: slices.
        difference: difference that separates them.
        there: number of positions.
        doubled: number of positions with several slices.

    Returns:
        no passes if it separates nothing; the row is then all of them, or those that stay if ranges
        which follow each other overlap.
    """
    groups = grouped(series, difference.value_of)
    loose, few = difference.rule == "in one place", doubled <= FEW * there
    if len(groups) == 1 or (loose and not doubled):
        return PassSplit({}, [*series])
    if difference.rule == "unless continued" and (row := _continued(groups, there)):
        return PassSplit({}, row)
    made = _is_difference([*groups.values()], there, loose=loose, few=few)
    return PassSplit(groups if made else {}, [*series])
