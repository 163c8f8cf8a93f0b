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
from edge_med.imaging.picture import Picture, SeriesOrigin, sliced
from edge_med.imaging.picture_facts import NO_IMAGE, About
from edge_med.imaging.sandbox.pool import POOL
from edge_med.imaging.slice_geometry import Slice, direction
from edge_med.imaging.volume import left_out, series_choice, slice_decoding
from edge_med.imaging.volume import slice_selection as slices
from edge_med.imaging.volume.contents import Contents, contents
from edge_med.imaging.volume.lazy_fit import FittedPictures, Upright
from edge_med.imaging.volume.series_choice import SeriesChoice
from edge_med.imaging.volume.slice_budget import SliceBudget
from edge_med.imaging.volume.slice_order import Order

_NO_SIZE = (
    "The image has no size: its rows or columns are 0 or no number.",
    "Export it from your archive again.",
)
"""The text about a file without a size, and the hint."""

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
        plan: choice of slices, and their cost.
        notices: sentences for the user: what is missing, or was left out.
        origins: path or bytes of each picture's file, and its frame there, from 1 on; boxes
            are drawn there.
        series: number by which it is chosen among several.
        direction: direction of its slices through the body; empty if not known.
        volume: whether they are slices, and not single images such as two X-rays.
        order: order of its slices, `numbers` or `position`; empty for single images.
    """

    pictures: Sequence[Picture] = field(repr=False)
    plan: slices.SlicePlan
    notices: tuple[str, ...] = ()
    origins: tuple[Origin, ...] = field(default=(), repr=False, compare=False)
    series: str = ""
    direction: str = ""
    volume: bool = True
    order: str = ""

    @property
    def summary(self) -> str:
        """Which series it is, and in which direction; empty if it is none."""
        text = str(SeriesOrigin("", self.series, self.direction, self.order))
        return f"{text[0].upper()}{text[1:]}." if text else ""

    @property
    def told(self) -> str:
        """The name of `summary` before 0.1."""
        return self.summary

    @property
    def way(self) -> str:
        """The name of `direction` before 0.1."""
        return self.direction

    @property
    def about(self) -> About:
        """What is known of its first slice."""
        return (
            self.pictures if isinstance(self.pictures, FittedPictures) else self.pictures[0]
        ).about

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
        pictures: pictures in order; each knows which slice it is.
        each: number of tokens of one with its label.
    """
    places = [picture.slice for picture in pictures if picture.slice]
    chosen, tokens = tuple(number - 1 for number, _ in places), each * len(places)
    plan = slices.SlicePlan(chosen, places[0][1], tokens, None, "as before")
    origin = pictures[0].series_origin or SeriesOrigin("")
    return Study(
        tuple(pictures), plan, series=origin.series, direction=origin.direction, order=origin.order
    )


@dataclass(frozen=True, slots=True)
class FileDescriptions:
    """What some files are.

    Attributes:
        slices: slices in them; none of what isn't DICOM.
        unread: errors of those that can't be read, by index.
    """

    slices: tuple[Slice, ...]
    unread: Mapping[int, ImageError]

    @property
    def is_volume(self) -> bool:
        """Whether a file's slices are several, or it has frames without positions."""
        return len(self.slices) > 1 or not all(piece.has_positions for piece in self.slices)


def describe_files(entries: Sequence[Entry]) -> FileDescriptions:
    """What some files are, by their beginnings.

    Raises:
        ImageError: they hold more images than `MOST_IMAGES`.
    """
    parts = [entries[start : start + _DESCRIBED] for start in range(0, len(entries), _DESCRIBED)]
    replies: list[Any] = []
    images = 0
    with ThreadPoolExecutor(POOL.most) as threads:
        for part in threads.map(_describe_part, parts):
            replies += part
            images += sum(map(len, part))
            if images > MOST_IMAGES:
                threads.shutdown(cancel_futures=True)
                raise ImageError(
                    f"There are more than {MOST_IMAGES:,} images.", "Give the folder of one series."
                )
    slices: list[Slice] = []
    unread: dict[int, ImageError] = {}
    for entry, facts in enumerate(replies):
        if facts and isinstance(facts[0], str):
            unread[entry] = ImageError(*facts)
        elif not all(fact["rows"] and fact["columns"] for fact in facts):
            unread[entry] = ImageError(*_NO_SIZE)
        else:
            slices += [_slice(entry, fact) for fact in facts]
    return FileDescriptions(tuple(slices), unread)


def _describe_part(part: Sequence[Entry]) -> list[Any]:
    """The facts of some files; where a process ends over them, each is looked at alone."""
    try:
        times = 1 + len(part) // 8  # of an image: headers are short
        reply, _ = POOL.run("describe", part, frames=[(0, 0)] * times)
    except ImageError as error:
        if len(part) == 1:
            return [(error.message, error.hint)]
        return [facts for entry in part for facts in _describe_part([entry])]
    found: list[Any] = reply["slices"]
    return found


def contents_of(entries: Entries, found: FileDescriptions) -> Contents:
    """The series of some files, and what is said of those that belong to none.

    Raises:
        ImageError: there is no image in them that can be read.
    """
    images = [piece for piece in found.slices if piece.modality not in NO_IMAGE]
    with_places = [piece for piece in images if piece.has_positions]
    if with_places:
        return replace(contents(with_places), left_out=_left_out(entries, found))
    if images:
        raise ImageError(
            f"The frames of the {images[0].modality} have no positions.",
            "Export a file for each slice from your archive, or show one frame with `frame`.",
        )
    if found.unread:
        raise next(iter(found.unread.values()))
    raise left_out.no_image(entries)


def _left_out(entries: Entries, found: FileDescriptions) -> tuple[str, ...]:
    """The text about files that belong to no series."""
    images = [piece for piece in found.slices if piece.modality not in NO_IMAGE]
    with_places = {piece.entry for piece in images if piece.has_positions}
    placeless = {piece.entry for piece in images} - with_places
    sentences = left_out.left_out(entries, with_places, placeless, found.unread)
    return (*sentences, *filter(None, [entries.links]))


def read(
    entries: Entries,
    found: FileDescriptions,
    *,
    wanted: str,
    series: str | None,
    order: Order,
    room: SliceBudget,
    **job: Any,
) -> Study:
    """Read a series of some files, or single images.

    Args:
        entries: files in any order.
        found: descriptions of the files.
        wanted: choice of slices: see `slices.plan`.
        series: number of the series; None for the default.
        order: order of the slices.
        room: budget for them.
        job: values of `fit`, `side` and `windows`.

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
            f"There are {plan.total} single images, but no volume of a CT or MR.",
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
    going = direction(choice.slices) if choice.volume else ""
    facts = (choice.series, going, choice.volume, _order(choice, order))
    study = Study((), plan, notices, origins, *facts)
    uprights = [*_with(_more(study), images.values())]
    if small:
        return replace(study, pictures=FittedPictures(uprights, fit, side))
    pictures = (Picture.from_reply(facts, pixels, fit, side) for facts, pixels in uprights)
    return replace(study, pictures=tuple(pictures))


def _order(choice: SeriesChoice, wanted: Order) -> str:
    """What slices are in the order of: numbers that don't rise through the body decide nothing."""
    if not choice.volume:
        return ""
    numbers = [piece.number for piece in choice.slices]
    rise = all(a is not None and b is not None and a < b for a, b in pairwise(numbers))
    has_places = all(piece.position for piece in choice.slices)
    return "numbers" if rise and (wanted == "numbers" or not has_places) else "position"


def _more(study: Study) -> list[dict[str, Any]]:
    """Facts of each picture besides those of its file; the first has those of the series."""
    plan = study.plan
    origin = SeriesOrigin(secrets.token_hex(8), study.series, study.direction, study.order)
    found: list[dict[str, Any]] = [
        {"steps": [sliced(n, plan.total)] if study.volume else [], "series_origin": origin}
        for n in study.numbers
    ]
    sentences = (f"{plan}.", plan.which, plan.more, *study.notices, study.summary)
    found[0]["of_series"] = [*filter(None, sentences)]
    return found


def _slice(entry: int, fact: dict[str, Any]) -> Slice:
    vectors = {
        name: tuple(fact[name]) if fact[name] else None
        for name in ("position", "orientation", "spacing")
    }
    texts = {"kinds": tuple(fact["kinds"]), "identity": tuple(fact["identity"])}
    return Slice(entry=entry, **{**fact, **vectors, **texts})


def _with(several: Iterable[dict[str, Any]], images: Iterable[Upright]) -> Iterator[Upright]:
    """Images with more facts each; their steps are before that of the fit."""
    for more, (facts, pixels) in zip(several, images, strict=True):
        yield {**facts, **more, "steps": [*facts["steps"], *more["steps"]]}, pixels
