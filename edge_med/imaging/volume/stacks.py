"""What of a series can be one volume: slices of one orientation, of which each place has one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from edge_med.errors import ImageError
from edge_med.imaging.slice_geometry import PARALLEL, UNTURNED, Slice, content_key, cosine, places
from edge_med.imaging.volume.passes import (
    COVERED,
    DIFFERENCES,
    FEW,
    Difference,
    in_turn,
    parts,
    without_places,
)

_MANY = 3
"""Images in one place that may be a volume whose places were lost, and not images over time."""


@dataclass(frozen=True, slots=True)
class Stack:
    """Slices that may be one volume.

    Attributes:
        slices: slices in any order.
        part: part of its series, such as `echo 1 of 2`; empty for the whole series.
        notices: sentences about what is left out of its series.
        doubt: reason why it is shown only if the user chooses it; empty without one.
        duplicates: number of slices that were left out for another one at the same position.
    """

    slices: tuple[Slice, ...]
    part: str = ""
    notices: tuple[str, ...] = ()
    doubt: str = ""
    duplicates: int = 0


_NAMED = 4
"""Orientations that a sentence names."""

_MOST_WAYS = 500
"""Orientations of a series; each slice is compared with one of each."""


def stacks(series: Sequence[Slice]) -> list[Stack]:
    """The stacks of a series: of each orientation, and of each pass, the largest first.

    Raises:
        ImageError: it has too many orientations.
    """
    notices: list[str] = []
    pieces = [*series]
    for narrowed in (_without_copies, _without_scouts, _without_strays):
        pieces = narrowed(pieces, notices)
    oriented = _by_orientation(pieces)
    doubt = ""
    if len(pieces) - len(oriented[0]) > FEW * len(pieces):
        planes = ", ".join(_plane(oriented, number) for number in range(len(oriented))[:_NAMED])
        planes += f" and {len(oriented) - _NAMED} more" if len(oriented) > _NAMED else ""
        doubt = f"The series has slices of several orientations: {planes}."
    found = []
    for number, group in enumerate(oriented, 1):
        which = f"orientation {number} of {len(oriented)}" if len(oriented) > 1 else ""
        notes = (*notices, *_others_notice(len(pieces) - len(group)))
        for stack in passes(group):
            part = ", ".join(filter(None, (which, stack.part)))
            all_notices = (*notes, *stack.notices)
            found.append(replace(stack, part=part, notices=all_notices, doubt=doubt or stack.doubt))
    return found


def _plane(oriented: Sequence[Sequence[Slice]], number: int) -> str:
    """Plane of one of some groups, such as `10 axial turned` after `12 axial`."""
    first = oriented[number][0]
    turned = any(cosine(group[0].normal, first.normal) > PARALLEL for group in oriented[:number])
    words = (str(len(oriented[number])), first.plane, "turned" if turned else "")
    return " ".join(filter(None, words))


def _others_notice(others: int) -> Iterator[str]:
    if others:
        images = "1 image" if others == 1 else f"{others} images"
        yield f"{images} of another orientation {'is' if others == 1 else 'are'} left out."


def _without_copies(series: list[Slice], notices: list[str]) -> list[Slice]:
    once: dict[Slice, Slice] = {}
    for piece in series:
        once.setdefault(content_key(piece), piece)
    unique = [*once.values()]
    if len(unique) < len(series):
        left = len(series) - len(unique)
        what = "copy of an image is" if left == 1 else "copies of images are"
        notices.append(f"{left} {what} left out.")
    return unique


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
    notices.append(f"{images} without a position {'is' if strays == 1 else 'are'} left out.")
    return [piece for piece in series if piece.position is not None]


def _by_orientation(series: Sequence[Slice]) -> list[list[Slice]]:
    groups: list[list[Slice]] = []
    for piece in series:
        for group in groups:
            if _parallel(group[0], piece):
                group.append(piece)
                break
        else:
            if len(groups) == _MOST_WAYS:
                raise ImageError(
                    f"The images of a series have more than {_MOST_WAYS} orientations.",
                    "Give the folder of one series.",
                )
            groups.append([piece])
    return sorted(groups, key=len, reverse=True)


def _parallel(a: Slice, b: Slice) -> bool:
    """Whether slices lie alike and aren't turned in their plane, so that left stays left."""
    orientations = [piece.orientation or UNTURNED for piece in (a, b)]
    return all(
        cosine(*(orientation[part] for orientation in orientations)) > PARALLEL
        for part in _ROWS_AND_COLUMNS
    )


_ROWS_AND_COLUMNS = (slice(3), slice(3, 6))


def passes(series: Sequence[Slice]) -> list[Stack]:
    """Slices of one orientation, parted so that what differs isn't in one stack."""
    has_places = all(piece.position for piece in series)
    found = list((_parted if has_places else _unplaced)(series, DIFFERENCES))
    if len(found) == 1:
        return found
    if not has_places:
        return [replace(one, notices=(_left_out_notice(one, len(series)),)) for one in found]
    sharing = {id(piece): len(place) for place in places(series) for piece in place}
    summaries = []
    for one in found:
        same = sum(sharing[id(piece)] for piece in one.slices)
        summaries.append(_left_out_notice(one, len(series), len(series) - same))
    return [
        replace(one, notices=(summary, *one.notices))
        for one, summary in zip(found, summaries, strict=True)
    ]


def _left_out_notice(stack: Stack, total: int, elsewhere: int | None = None) -> str:
    """What is taken, and what isn't: some of this may lie where no slice of the stack does.

    Args:
        stack: stack that is shown.
        total: number of all images.
        elsewhere: number of them at other positions; None if not known.
    """
    slices = "1 slice" if len(stack.slices) == 1 else f"{len(stack.slices)} slices"
    left = total - len(stack.slices) - stack.duplicates
    images = "1 image" if left == 1 else f"{left} images"
    where = " in the same places" if elsewhere == 0 else ""
    also = f", {elsewhere} of them in other places" if elsewhere and not stack.duplicates else ""
    text = f"{stack.part[0].upper()}{stack.part[1:]} is shown, with {slices}; {images}{where}"
    return f"{text} {'is' if left == 1 else 'are'} left out{also}."


def _parted(series: Sequence[Slice], left: Sequence[Difference]) -> Iterator[Stack]:
    there = places(series)
    doubled = [place for place in there if len(place) > 1]
    for number, difference in enumerate(left):
        groups, row = parts(series, difference, len(there), len(doubled))
        if len(row) < len(series):
            for stack in _parted(row, left[number + 1 :]):
                yield _with_duplicates(stack, len(series) - len(row))
            return
        for name, group in _named(difference, groups):
            for stack in _parted(group, left[number + 1 :]):
                yield replace(stack, part=", ".join(filter(None, (name, stack.part))))
        if groups:
            return
    if len(doubled) <= FEW * len(there) and all(map(_numbered, doubled)):
        first = tuple(min(place, key=lambda piece: piece.number or 0) for place in there)
        yield _with_duplicates(Stack(first), len(series) - len(first))
    else:
        yield from _by_turns(there)


def _named(
    difference: Difference, groups: Mapping[Any, list[Slice]]
) -> Iterator[tuple[str, list[Slice]]]:
    """What slices of each value are called, and they."""
    for place, value in enumerate(in_turn(groups), 1):
        name = f"{difference.name} {place} of {len(groups)}"
        if difference.name == "b-value" and value is not None:
            name = f"b-value {value:g}, {place} of {len(groups)}"
        yield name, groups[value]


def _unplaced(series: Sequence[Slice], left: Sequence[Difference]) -> Iterator[Stack]:
    """Slices that don't say where they lie: whether acquisitions follow each other isn't known."""
    for number, difference in enumerate(left):
        groups = without_places(series, difference)
        doubt = _NOWHERE.format(len(groups)) if difference.name == "acquisition" else ""
        for name, group in _named(difference, groups):
            for stack in _unplaced(group, left[number + 1 :]):
                which = ", ".join(filter(None, (name, stack.part)))
                yield replace(stack, part=which, doubt=doubt or stack.doubt)
        if groups:
            return
    yield Stack(tuple(series))


_NOWHERE = "The {} acquisitions of the series have no positions."


def _numbered(place: Sequence[Slice]) -> bool:
    """Whether slices in one place have each a number of its own."""
    numbers = [piece.number for piece in place]
    return None not in numbers and len({*numbers}) == len(numbers)


def _with_duplicates(stack: Stack, left: int) -> Stack:
    """A stack, and that images which lie among its slices were left out."""
    if not left:
        return stack
    images = "1 image" if left == 1 else f"{left} images"
    notice = f"{images} in the same position as another {'is' if left == 1 else 'are'} left out."
    return replace(stack, notices=(notice, *stack.notices), duplicates=stack.duplicates + left)


def _by_turns(there: Sequence[Sequence[Slice]]) -> Iterator[Stack]:
    """Passes in the order of the slices' numbers, where no other difference is known."""
    most = max(map(len, there))
    sure = all(map(_numbered, there))
    turns = _one_after_another(there)
    if not sure or len(turns) != most:  # numbered place after place, of which none may lack one
        sure = sure and all(len(place) in (1, most) for place in there)
        ordered = [sorted(place, key=_as_numbered) for place in there]
        turns = [[place[n] for place in ordered if n < len(place)] for n in range(most)]
    sure = sure and sum(len(place) > 1 for place in there) >= COVERED * len(there)
    doubt = "" if sure else "Several slices of the series have the same position."
    if len(there) == 1 and len(turns) >= _MANY and "MOSAIC" not in there[0][0].kinds:
        doubt = f"All {len(turns)} images of the series have the same position."
    for number, turn_slices in enumerate(turns, 1):
        yield Stack(tuple(turn_slices), f"pass {number} of {len(turns)}", doubt=doubt)


def _as_numbered(piece: Slice) -> tuple[int, int, int]:
    return (piece.number or 0, piece.entry, piece.frame)


def _one_after_another(there: Sequence[Sequence[Slice]]) -> list[list[Slice]]:
    """Passes numbered volume after volume: where a place comes again, the next one has begun."""
    where = {id(piece): place for place, pieces in enumerate(there) for piece in pieces}
    turns: list[list[Slice]] = []
    seen: set[int] = set()
    for piece in sorted((piece for place in there for piece in place), key=_as_numbered):
        if not turns or where[id(piece)] in seen:
            turns.append([])
            seen = set()
        seen.add(where[id(piece)])
        turns[-1].append(piece)
    return turns
