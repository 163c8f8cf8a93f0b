"""What of a series can be one volume: slices of one orientation, of which each place has one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from edge_med.imaging.series import PARALLEL, Slice, cosine, grouped, places

FEW = 0.25
"""Share of a series that may lie otherwise, such as scouts, and is then left out."""

_COVERED = 0.5
"""Share of all places that the largest pass must have, so that a difference makes passes: where
each slice has a number of acquisition of its own, or a time, that doesn't."""


_MANY = 3
"""Images in one place that may be a volume whose places were lost, and not images over time."""


@dataclass(frozen=True, slots=True)
class Stack:
    """Slices that may be one volume.

    Attributes:
        slices: they, in any order.
        told: which of its series, such as `echo 1 of 2`; empty if it is all of it.
        notices: what isn't in it, of what is left out of its series.
        doubt: why it is taken only if somebody chooses it; empty if nothing speaks against it.
        doubled: how many were left out since they lie in the place of another.
    """

    slices: tuple[Slice, ...]
    told: str = ""
    notices: tuple[str, ...] = ()
    doubt: str = ""
    doubled: int = 0


def stacks(series: Sequence[Slice]) -> list[Stack]:
    """The stacks of a series: of each orientation, and of each pass, the largest first."""
    notices: list[str] = []
    pieces = [*series]
    for narrowed in (_without_copies, _without_scouts, _without_strays):
        pieces = narrowed(pieces, notices)
    oriented = _by_orientation(pieces)
    doubt = ""
    if len(pieces) - len(oriented[0]) > FEW * len(pieces):
        planes = ", ".join(f"{len(group)} {group[0].plane}".strip() for group in oriented)
        doubt = f"The series has slices of several orientations: {planes}."
    found = []
    for number, group in enumerate(oriented, 1):
        which = f"orientation {number} of {len(oriented)}" if len(oriented) > 1 else ""
        given = (*notices, *_told_of_others(len(pieces) - len(group)))
        for stack in passes(group):
            told = ", ".join(filter(None, (which, stack.told)))
            said = (*given, *stack.notices)
            found.append(replace(stack, told=told, notices=said, doubt=doubt or stack.doubt))
    return found


def _told_of_others(others: int) -> Iterator[str]:
    if others:
        images = "1 image" if others == 1 else f"{others} images"
        yield f"{images} of another orientation {'is' if others == 1 else 'are'} left out."


def _without_copies(series: list[Slice], notices: list[str]) -> list[Slice]:
    once = {piece.image or str(piece.entry): piece for piece in reversed(series)}
    kept = [piece for piece in series if once[piece.image or str(piece.entry)] is piece]
    if len(kept) < len(series):
        left = len(series) - len(kept)
        what = "copy of an image is" if left == 1 else "copies of images are"
        notices.append(f"{left} {what} left out.")
    return kept


def _without_scouts(series: list[Slice], notices: list[str]) -> list[Slice]:
    """Without those that say of themselves that they are scouts, unless most do."""
    scouts = sum("LOCALIZER" in piece.kinds for piece in series)
    if not 0 < scouts <= FEW * len(series):
        return series
    notices.append(f"{scouts} scout {'image is' if scouts == 1 else 'images are'} left out.")
    return [piece for piece in series if "LOCALIZER" not in piece.kinds]


def _without_strays(series: list[Slice], notices: list[str]) -> list[Slice]:
    """Without those that lie nowhere, such as a page with the dose, if nearly all lie somewhere."""
    strays = sum(piece.position is None for piece in series)
    if not 0 < strays <= FEW * len(series):
        return series
    images = "1 image" if strays == 1 else f"{strays} images"
    notices.append(f"{images} without a place {'is' if strays == 1 else 'are'} left out.")
    return [piece for piece in series if piece.position is not None]


def _by_orientation(series: Sequence[Slice]) -> list[list[Slice]]:
    groups: list[list[Slice]] = []
    for piece in series:
        for group in groups:
            if cosine(group[0].normal, piece.normal) > PARALLEL:
                group.append(piece)
                break
        else:
            groups.append([piece])
    return sorted(groups, key=len, reverse=True)


class _Difference(NamedTuple):
    """What may tell slices in one place from each other."""

    one: str
    several: str
    of: Callable[[Slice], Any]


def _beside(piece: Slice) -> tuple[int, ...]:
    """Where a slice lies across its normal, in cm: stations of a spine lie above each other."""
    depth = piece.depth
    across = [p - depth * n for p, n in zip(piece.position or (), piece.normal, strict=True)]
    return tuple(round(part / 10) for part in across)


def _kind(piece: Slice) -> tuple[bool, tuple[str, ...]]:
    """What sort of image it is; magnitudes come before phases and the like."""
    return (not _NOT_MAGNITUDE.isdisjoint(piece.kinds), piece.kinds)


_NOT_MAGNITUDE = {"P", "R", "I", "PHASE", "PHASE MAP", "REAL", "IMAGINARY"}
"""Of ImageType and ComplexImageComponent (PS3.3 C.8.13.3.1.1)."""


_DIFFERENCES = (
    _Difference("acquisition", "acquisitions", lambda piece: piece.acquisition),
    _Difference("echo", "echoes", lambda piece: piece.echo),
    _Difference("b-value", "b-values", lambda piece: piece.b_value),
    _Difference("moment", "moments", lambda piece: piece.moment),
    _Difference("phase", "phases", lambda piece: piece.trigger),
    _Difference("kernel", "kernels", lambda piece: piece.kernel),
    _Difference("kind of image", "kinds of image", _kind),
    _Difference("station", "stations", _beside),
)


def passes(series: Sequence[Slice]) -> list[Stack]:
    """Slices of one orientation, so that none lies where another of the same stack does."""
    if any(piece.position is None for piece in series):
        return [Stack(tuple(series))]
    found = list(_parted(series, _DIFFERENCES))
    if len(found) == 1:
        return found
    return [replace(one, notices=(_told_of(one, len(series)), *one.notices)) for one in found]


def _told_of(stack: Stack, total: int) -> str:
    slices = "1 slice" if len(stack.slices) == 1 else f"{len(stack.slices)} slices"
    left = total - len(stack.slices) - stack.doubled
    images = "1 image" if left == 1 else f"{left} images"
    told = f"{stack.told[0].upper()}{stack.told[1:]} is taken, with {slices}"
    return f"{told}; {images} in the same places {'is' if left == 1 else 'are'} left out."


def _parted(series: Sequence[Slice], left: Sequence[_Difference]) -> Iterator[Stack]:
    there = places(series)
    doubled = [place for place in there if len(place) > 1]
    if not doubled or (len(doubled) <= FEW * len(there) and all(map(_numbered, doubled))):
        yield _without_doubled(there)
        return
    for number, difference in enumerate(left):
        groups = grouped(series, difference.of)
        if len(groups) == 1 or not _is_difference(groups.values(), len(there)):
            continue
        for place, value in enumerate(sorted(groups, key=_order), 1):
            told = f"{difference.one} {place} of {len(groups)}"
            if difference.one == "b-value" and value is not None:
                told = f"b-value {value:g}, {place} of {len(groups)}"
            for stack in _parted(groups[value], left[number + 1 :]):
                yield replace(stack, told=", ".join(filter(None, (told, stack.told))))
        return
    yield from _by_turns(there)


def _numbered(place: Sequence[Slice]) -> bool:
    """Whether slices in one place have each a number of its own."""
    numbers = [piece.number for piece in place]
    return None not in numbers and len({*numbers}) == len(numbers)


def _without_doubled(there: Sequence[Sequence[Slice]]) -> Stack:
    """Of each place the first slice, as numbered: acquisitions that follow each other overlap."""
    left = sum(len(place) - 1 for place in there)
    images = "1 image" if left == 1 else f"{left} images"
    told = f"{images} in the place of another {'is' if left == 1 else 'are'} left out."
    first = tuple(min(place, key=lambda piece: piece.number or 0) for place in there)
    return Stack(first, notices=(told,) if left else (), doubled=left)


def _is_difference(groups: Any, there: int) -> bool:
    """Whether slices that differ so are passes through the same places."""
    return bool(max(len(places(group)) for group in groups) >= _COVERED * there)


def _order(value: Any) -> tuple[bool, str | float]:
    """What isn't said comes first: an image without diffusion often has no b-value."""
    if value is None or isinstance(value, int | float):
        return (value is not None, value or 0)
    return (True, str(value))


def _by_turns(there: Sequence[Sequence[Slice]]) -> Iterator[Stack]:
    """Where nothing else tells them apart, the first of each place are a pass, as numbered."""
    turns: list[list[Slice]] = []
    sure = True
    for place in there:
        sure = sure and _numbered(place)
        ordered = sorted(place, key=lambda piece: (piece.number or 0, piece.entry, piece.frame))
        for turn, piece in enumerate(ordered):
            turns += [[]] if turn == len(turns) else []
            turns[turn].append(piece)
    counts = Counter(len(place) for place in there)
    sure = sure and sum(n for size, n in counts.items() if size > 1) >= _COVERED * len(there)
    doubt = "" if sure else "Several slices of the series lie in the same place."
    if len(there) == 1 and len(turns) >= _MANY and "MOSAIC" not in there[0][0].kinds:
        doubt = f"All {len(turns)} images of the series lie in the same place."
    for number, turn_slices in enumerate(turns, 1):
        yield Stack(tuple(turn_slices), f"pass {number} of {len(turns)}", doubt=doubt)
