"""Which series is shown, and why: the one that was chosen, or the one a radiologist would take.

Geometry, number and size decide. What files call themselves comes last: scouts are called originals
as often as volumes are called derived.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from edge_med.errors import LISTED, ImageError, UsageError
from edge_med.imaging.slice_geometry import Slice, content_key
from edge_med.imaging.volume.contents import ROW, Contents, Series, contents
from edge_med.imaging.volume.slice_order import Order, ordered
from edge_med.imaging.volume.stacks import Stack

_SHOWN = 20
"""Characters of a choice that isn't understood."""


@dataclass(frozen=True, slots=True)
class SeriesChoice:
    """What is shown.

    Attributes:
        slices: slices in order.
        notices: sentences for the user: what is shown, what was left out, what is odd.
        series: number by which it is chosen; empty for single images of several series.
        volume: whether they are slices, and not single images.
        why: reason of the choice; empty if the user chose it, or it is the only one.
    """

    slices: tuple[Slice, ...]
    notices: tuple[str, ...] = ()
    series: str = ""
    volume: bool = True
    why: str = ""


class SeriesStack(NamedTuple):
    """A stack, and the series that it is of."""

    series: Series
    stack: Stack

    @property
    def first(self) -> Slice:
        """One of its slices."""
        return self.stack.slices[0]

    @property
    def description(self) -> str:
        """What it is."""
        return describe(self.first, len(self.stack.slices))


def describe(first: Slice, count: int) -> str:
    """What a series is, by one of its slices and their number: CT axial, 20 slices."""
    kind = " ".join(filter(None, (first.modality, first.plane)))
    word = "slice" if count == 1 else "slices"
    return f"{kind}, {count} {word}"


class _Rule(NamedTuple):
    """What decides between stacks; where none fulfils it, it decides nothing."""

    why: str
    keep: Callable[[Sequence[SeriesStack]], list[SeriesStack]]


def _having(share: float) -> Callable[[Sequence[SeriesStack]], list[SeriesStack]]:
    """Those that have at least such a share of the slices that the largest has."""

    def keep(found: Sequence[SeriesStack]) -> list[SeriesStack]:
        most = max(len(one.stack.slices) for one in found)
        return [one for one in found if len(one.stack.slices) >= share * most]

    return keep


def _some(found: Sequence[SeriesStack]) -> list[SeriesStack]:
    """Those that have a tenth of the most slices, or that reach far enough in few thick ones."""
    most, farthest = max(len(one.stack.slices) for one in found), max(map(_reach, found))

    def counts(one: SeriesStack) -> bool:
        slices = len(one.stack.slices)
        return slices >= 0.1 * most or (slices >= ROW and _reach(one) >= farthest / 4 > 0)

    return list(filter(counts, found))


def _reach(one: SeriesStack) -> float:
    """How far its slices reach along their normal, in mm; 0 if not known."""
    if not _placed(one):
        return 0.0
    depths = [piece.depth for piece in one.stack.slices]
    return max(depths) - min(depths)


def _placed(one: SeriesStack) -> bool:
    return all(piece.position is not None for piece in one.stack.slices)


def _sources(found: Sequence[SeriesStack]) -> list[SeriesStack]:
    """Without reformats: what was computed in another plane than a volume that wasn't."""
    originals = {
        (one.first.modality, one.first.plane)
        for one in found
        if len(one.stack.slices) >= _SCOUTS
        and one.first.plane
        and {"DERIVED", "LOCALIZER"}.isdisjoint(one.first.kinds)
    }

    def reformat(one: SeriesStack) -> bool:
        first = one.first
        others = (plane for made_by, plane in originals if made_by == first.modality)
        return "DERIVED" in first.kinds and any(plane != first.plane for plane in others)

    return [one for one in found if not reformat(one)]


_SCOUTS = 10
"""Slices in a plane that a localizer of an MR hasn't: fewer are no volume to compute others of."""


def _without(word: str) -> Callable[[Sequence[SeriesStack]], list[SeriesStack]]:
    return lambda found: [one for one in found if word not in one.first.kinds]


def _grey(found: Sequence[SeriesStack]) -> list[SeriesStack]:
    return [one for one in found if (one.first.samples or 1) == 1]


def _axial(found: Sequence[SeriesStack]) -> list[SeriesStack]:
    return [one for one in found if one.first.modality != "CT" or one.first.plane == "axial"]


def _widest(found: Sequence[SeriesStack]) -> list[SeriesStack]:
    most = max(one.first.rows * one.first.columns for one in found)
    return [one for one in found if one.first.rows * one.first.columns == most]


_RULES = (
    _Rule("some have few images", _some),
    _Rule("others are in colours", _grey),
    _Rule("others have no positions", lambda found: list(filter(_placed, found))),
    _Rule("axial slices are preferred for a CT", _axial),
    _Rule("some were computed", _sources),
    _Rule("it has the most slices", _having(0.5)),
    _Rule("some are scouts", _without("LOCALIZER")),
    _Rule("some were computed", _without("DERIVED")),
    _Rule("it has the most slices", _having(1.0)),
    _Rule("its slices are the largest", _widest),
    _Rule("it is the first of several alike", lambda found: list(found[:1])),
)
"""What decides, in this order. Google's serving code takes originals first, and of these the most;
a tenth, a quarter and a half are ours: scouts are fewer than that, and thick slices aren't."""


def default(there: Contents) -> tuple[SeriesStack, str]:
    """The stack that is taken if nobody chooses, and why; there must be one."""
    found = [SeriesStack(one, stack) for one in there.series for stack in one.stacks]
    whys = ["it is the only volume"] if len(found) == 1 else []
    for rule in _RULES:
        chosen = rule.keep(found)
        if chosen and len(chosen) < len(found):
            found = chosen
            whys.append(rule.why)
    *first, last = dict.fromkeys(whys)
    return found[0], f"{', '.join(first)} and {last}" if first else last


def choose(there: Contents, wanted: str | None = None, order: Order = "numbers") -> SeriesChoice:
    """What is shown of some series.

    Args:
        there: series to choose from.
        wanted: number of a series, or of one of its stacks, as 3.2; None for the default.
        order: order of the slices.

    Raises:
        UsageError: there is no such series.
        ImageError: it isn't clear what should be shown, or in which order.
    """
    if wanted is not None:
        return _chosen(there, wanted, order)
    if there.mixed:
        raise ImageError(there.mixed, f"Choose one with `series`: {LISTED}")
    if not any(one.stacks for one in there.series) or _is_album(there):
        images, copies = _images(there.series)
        return SeriesChoice(images, copies, volume=False)
    taken, why = default(there)
    if len(taken.stack.slices) == 1:
        _refuse_scattered(there)
    return _choice(there, taken, why, order)


def _is_album(there: Contents) -> bool:
    """Whether one or two slices are among X-rays and the like, each in its own series."""
    slices = [len({*map(content_key, one.slices)}) for one in there.series if one.stacks]
    return {*slices} == {1} and len(slices) < min(ROW, len(there.series))


def _refuse_scattered(there: Contents) -> None:
    """Refuse to take one image for a volume where many have a series of their own.

    Raises:
        ImageError: there are several, of one modality.
    """
    single = [one for one in there.series if one.stacks and len(one.slices) == 1]
    if len(single) >= ROW and len({one.modality for one in single}) == 1:
        raise ImageError(
            f"{len(single)} images have a series of their own each, and nothing shows that they are"
            " one.",
            f"Export them again, or choose one with `series`: {LISTED}",
        )


def _chosen(there: Contents, wanted: str, order: Order) -> SeriesChoice:
    number, _, part = wanted.partition(".")
    found = [one for one in there.series if str(one.number) == number]
    if not found or (part and not (part.isdecimal() and 0 < int(part) <= len(found[0].stacks))):
        last = there.series[-1].number
        parted = found and len(found[0].stacks) > 1
        there_are = f"they are {found[0].names() if parted else f'1 to {last}'}."
        raise UsageError(
            f"There is no series {wanted[:_SHOWN]!r}: "
            + (there_are if parted or last > 1 else "there is only 1."),
            f"Choose one that exists: {LISTED}",
        )
    (one,) = found
    if not one.stacks:
        images, copies = _images(found)
        notices = (*_others_notice(there, len(one.slices)), *copies)
        return SeriesChoice(images, notices, str(one.number), volume=False)
    if part:
        taken = SeriesStack(one, one.stacks[int(part) - 1])
        return _choice(there, taken, "", order, sure=True)
    taken, _why = default(Contents((one,)))
    return _choice(there, taken, "", order)


def _choice(
    there: Contents, taken: SeriesStack, why: str, order: Order, *, sure: bool = False
) -> SeriesChoice:
    one, stack = taken
    if stack.doubt and not sure:
        raise ImageError(stack.doubt, f"Choose one of {one.names()} with `series`: {LISTED}")
    slices, odd = ordered(stack.slices, order)
    notices = [*_choice_notices(there, taken, why), *stack.notices, *odd]
    if one.joined:
        notices.append(f"{one.joined} series of one image each are shown as one.")
    return SeriesChoice(tuple(slices), tuple(notices), one.name(stack), why=why)


def _choice_notices(there: Contents, taken: SeriesStack, why: str) -> Iterator[str]:
    if not why or len(there.series) == 1:
        yield from _others_notice(there, len(taken.series.slices))
        return
    left = sum(len(one.slices) for one in there.series) - len(taken.series.slices)
    images = "1 image" if left == 1 else f"{left} images"
    yield (
        f"{len(there.series)} series: {taken.series.name(taken.stack)} is shown"
        f" ({taken.description}), because {why}."
        f" {images} of the others {'is' if left == 1 else 'are'} left out."
    )


def _others_notice(there: Contents, shown: int) -> Iterator[str]:
    """The text about the series that weren't chosen."""
    if there.mixed:
        yield f"{there.mixed} Only the series that was chosen is shown."
    if left := sum(len(one.slices) for one in there.series) - shown:
        images = "1 image" if left == 1 else f"{left} images"
        yield f"{images} of other series {'is' if left == 1 else 'are'} left out."


def _images(several: Sequence[Series]) -> tuple[tuple[Slice, ...], tuple[str, ...]]:
    """Single images, in the order in which their machine numbered them; and what is left out."""

    def place(piece: Slice) -> tuple[int, int]:
        return (piece.number or 0, piece.entry)

    images = [piece for one in several for piece in sorted(one.slices, key=place)]
    first: dict[Slice, Slice] = {}
    for piece in images:
        first.setdefault(content_key(piece), piece)
    unique = tuple(first.values())
    left = len(images) - len(unique)
    what = "copy of an image is" if left == 1 else "copies of images are"
    return unique, (f"{left} {what} left out.",) if left else ()


def volume(
    found: Sequence[Slice], wanted: str | None = None, order: Order = "numbers"
) -> SeriesChoice:
    """What is shown of some images: see `choose`."""
    return choose(contents(found), wanted, order)
