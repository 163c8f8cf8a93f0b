"""A series of slices as the model sees it: CT or MR from a folder, a zip or one file of frames."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

from edge_med.errors import ImageError
from edge_med.imaging.files.bundle import Entries, Entry
from edge_med.imaging.picture import Came, Picture, sliced
from edge_med.imaging.picture_facts import NO_IMAGE, About
from edge_med.imaging.sandbox.pool import POOL
from edge_med.imaging.slice_geometry import Slice, way
from edge_med.imaging.volume import left_out, series_choice, slice_decoding
from edge_med.imaging.volume import slice_selection as slices
from edge_med.imaging.volume.contents import Contents, contents
from edge_med.imaging.volume.lazy_fit import Fitted, Upright
from edge_med.imaging.volume.series_choice import SeriesChoice
from edge_med.imaging.volume.slice_order import Order

_NO_SIZE = ("The image's rows or columns are 0, or no number.", "Let your archive export it anew.")
"""What is said of a file without a size, and the hint."""

MOST_IMAGES = 100_000
"""Frames of all files together; a description takes about two kilobytes."""

_DESCRIBED = 32
"""Files whose beginnings a process reads at a time."""


Origin = tuple[Entry, int]
"""A file's path or bytes, and a frame of it, from 1 on."""


@dataclass(frozen=True, slots=True)
class Study:
    """Slices of a volume, prepared.

    Attributes:
        pictures: the chosen slices, in the order in which they lie; they are fitted when the first
            is asked for.
        plan: which they are of all, and what they cost.
        notices: what the user should know: what is missing, or was left out.
        origins: of each picture its file's path or bytes, and which frame of it, from 1 on; boxes
            are drawn there.
        series: by what it is chosen among those that lie beside it.
        way: from where to where its slices go through the body; empty if nobody knows.
        volume: whether they are slices, and not single images such as two X-rays.
        order: what its slices are in the order of, `numbers` or `position`; empty of single images.
    """

    pictures: Sequence[Picture] = field(repr=False)
    plan: slices.SlicePlan
    notices: tuple[str, ...] = ()
    origins: tuple[Origin, ...] = field(default=(), repr=False, compare=False)
    series: str = ""
    way: str = ""
    volume: bool = True
    order: str = ""

    @property
    def told(self) -> str:
        """Which series it is, and in which direction; empty if it is none."""
        told = str(Came("", self.series, self.way, self.order))
        return f"{told[0].upper()}{told[1:]}." if told else ""

    @property
    def about(self) -> About:
        """What is known of its first slice."""
        return (self.pictures if isinstance(self.pictures, Fitted) else self.pictures[0]).about

    @property
    def numbers(self) -> tuple[int, ...]:
        """Which slice of the volume each picture is, from 1 on."""
        return tuple(index + 1 for index in self.plan.chosen)

    def content(self) -> tuple[Picture | str, ...]:
        """What is sent: each slice and its label after it, as in Google's notebook."""
        if len(self.pictures) == 1 or not self.volume:
            return tuple(self.pictures)
        labelled = ((picture, slices.label(n)) for n, picture in enumerate(self.pictures, 1))
        return tuple(part for pair in labelled for part in pair)


def all_pictures(images: Iterable[Picture | Study]) -> list[Picture]:
    """The pictures of some images: of a series its slices."""
    return [
        picture
        for image in images
        for picture in ([image] if isinstance(image, Picture) else image.pictures)
    ]


def as_series(pictures: Sequence[Picture], each: int) -> Study:
    """Slices of a series that were shown before, to be shown again.

    Args:
        pictures: they, in order; each says which slice it is.
        each: tokens of one with its label.
    """
    places = [picture.slice for picture in pictures if picture.slice]
    chosen, tokens = tuple(number - 1 for number, _ in places), each * len(places)
    plan = slices.SlicePlan(chosen, places[0][1], tokens, None, "as before")
    came = pictures[0].came or Came("")
    return Study(tuple(pictures), plan, series=came.series, way=came.way, order=came.order)


@dataclass(frozen=True, slots=True)
class Described:
    """What some files are.

    Attributes:
        slices: in them; none of what isn't DICOM.
        unread: of those that can't be read, which they are and why.
    """

    slices: tuple[Slice, ...]
    unread: Mapping[int, ImageError]

    @property
    def is_volume(self) -> bool:
        """Whether a file's slices are several, or it has frames that can't be told apart."""
        return len(self.slices) > 1 or not all(piece.placed for piece in self.slices)


def described(entries: Sequence[Entry]) -> Described:
    """What some files are, by their beginnings.

    Raises:
        ImageError: they hold more images than `MOST_IMAGES`.
    """
    parts = [entries[start : start + _DESCRIBED] for start in range(0, len(entries), _DESCRIBED)]
    told: list[Any] = []
    images = 0
    with ThreadPoolExecutor(POOL.most) as threads:
        for part in threads.map(_told, parts):
            told += part
            images += sum(map(len, part))
            if images > MOST_IMAGES:
                threads.shutdown(cancel_futures=True)
                raise ImageError(
                    f"There are more than {MOST_IMAGES:,} images.", "Give the folder of one series."
                )
    slices: list[Slice] = []
    unread: dict[int, ImageError] = {}
    for entry, facts in enumerate(told):
        if facts and isinstance(facts[0], str):
            unread[entry] = ImageError(*facts)
        elif not all(fact["rows"] and fact["columns"] for fact in facts):
            unread[entry] = ImageError(*_NO_SIZE)
        else:
            slices += [_slice(entry, fact) for fact in facts]
    return Described(tuple(slices), unread)


def _told(part: Sequence[Entry]) -> list[Any]:
    """The facts of some files; where a process ends over them, each is looked at alone."""
    try:
        times = 1 + len(part) // 8  # of an image: headers are short
        reply, _ = POOL.run("describe", part, frames=[(0, 0)] * times)
    except ImageError as error:
        if len(part) == 1:
            return [(error.message, error.hint)]
        return [facts for entry in part for facts in _told([entry])]
    found: list[Any] = reply["slices"]
    return found


def contents_of(entries: Entries, found: Described) -> Contents:
    """The series of some files, and what is said of those that belong to none.

    Raises:
        ImageError: there is no image in them that can be read.
    """
    images = [piece for piece in found.slices if piece.modality not in NO_IMAGE]
    placed = [piece for piece in images if piece.placed]
    if placed:
        return replace(contents(placed), left_out=_left_out(entries, found))
    if images:
        raise ImageError(
            f"Nothing says where the frames of the {images[0].modality} lie.",
            "Let your archive export a file for each slice, or show one frame with `frame`.",
        )
    if found.unread:
        raise next(iter(found.unread.values()))
    raise left_out.no_image(entries)


def _left_out(entries: Entries, found: Described) -> tuple[str, ...]:
    """What is said of files that belong to no series."""
    images = [piece for piece in found.slices if piece.modality not in NO_IMAGE]
    placed = {piece.entry for piece in images if piece.placed}
    placeless = {piece.entry for piece in images} - placed
    told = left_out.left_out(entries, placed, placeless, found.unread)
    return (*told, *filter(None, [entries.links]))


def read(
    entries: Entries,
    found: Described,
    *,
    wanted: str,
    series: str | None,
    order: Order,
    room: slices.SliceBudget,
    **job: Any,
) -> Study:
    """Read a series of some files, or single images.

    Args:
        entries: the files, in any order.
        found: what they are.
        wanted: which slices: see `slices.plan`.
        series: which series; None for the one that is taken if nobody chooses.
        order: in which direction slices go.
        room: what there is for them.
        job: `fit`, `side` and `windows`.

    Raises:
        ImageError: it isn't clear what should be shown, or it can't be read.
        UsageError: there are no such slices, series or windows.
        ContextOverflowError: the slices don't fit.
    """
    there = contents_of(entries, found)
    choice = series_choice.choose(there, series, order)
    image = "slice" if choice.volume else "image"
    plan = slices.plan(len(choice.slices), wanted, room, image)
    if wanted == "auto" and not choice.volume and len(plan.chosen) < plan.total:
        raise ImageError(
            f"There are {plan.total} single images, and no CT or MR that is a volume.",
            "Choose some with `series` or `slices`, or give them by their own paths.",
        )
    chosen = [choice.slices[index] for index in plan.chosen]
    fit, side = job["fit"], job["side"]
    small = max(max(piece.rows, piece.columns) for piece in chosen) <= side  # others are huge
    unread: dict[int, ImageError] = {}
    images = slice_decoding.uprights(entries, choice, plan.chosen, unread, upright=small, **job)
    if not images:
        raise next(iter(unread.values()))
    found = replace(found, unread={**found.unread, **unread})
    plan = slices.without(plan, {*plan.chosen} - {*images})
    notices = (*choice.notices, *(_left_out(entries, found) if unread else there.left_out))
    pieces = [choice.slices[index] for index in images]
    origins = tuple((entries[piece.entry], piece.frame + 1) for piece in pieces)
    going = (way(choice.slices) if choice.volume else "", choice.volume, _order(choice, order))
    study = Study((), plan, notices, origins, choice.series, *going)
    uprights = [*_with(_more(study), images.values())]
    if small:
        return replace(study, pictures=Fitted(uprights, fit, side))
    return replace(
        study, pictures=tuple(Picture.told(told, pixels, fit, side) for told, pixels in uprights)
    )


def _order(choice: SeriesChoice, wanted: Order) -> str:
    """What slices are in the order of: numbers that don't rise through the body decide nothing."""
    if not choice.volume:
        return ""
    numbers = [piece.number for piece in choice.slices]
    rise = all(a is not None and b is not None and a < b for a, b in pairwise(numbers))
    placed = all(piece.position for piece in choice.slices)
    return "numbers" if rise and (wanted == "numbers" or not placed) else "position"


def _more(study: Study) -> list[dict[str, Any]]:
    """What is told of each picture besides what its file does; of the series by the first."""
    plan = study.plan
    came = Came(secrets.token_hex(8), study.series, study.way, study.order)
    found: list[dict[str, Any]] = [
        {"steps": [sliced(n, plan.total)] if study.volume else [], "came": came}
        for n in study.numbers
    ]
    told = (f"{plan}.", plan.which, plan.more, *study.notices, study.told)
    found[0]["of_series"] = [*filter(None, told)]
    return found


def _slice(entry: int, fact: dict[str, Any]) -> Slice:
    vectors = {
        name: tuple(fact[name]) if fact[name] else None
        for name in ("position", "orientation", "spacing")
    }
    texts = {"kinds": tuple(fact["kinds"]), "whose": tuple(fact["whose"])}
    return Slice(entry=entry, **{**fact, **vectors, **texts})


def _with(several: Iterable[dict[str, Any]], images: Iterable[Upright]) -> Iterator[Upright]:
    """Images of each of which more is told; its steps stand before that of the fit."""
    for more, (told, pixels) in zip(several, images, strict=True):
        yield {**told, **more, "steps": [*told["steps"], *more["steps"]]}, pixels
