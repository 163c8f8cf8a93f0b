"""A series of slices as the model sees it: CT or MR from a folder, a zip or one file of frames."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from edge_med.config import Fit
from edge_med.errors import ImageError
from edge_med.imaging import choosing, files, slices
from edge_med.imaging.about import NO_IMAGE, About
from edge_med.imaging.bundle import Entry
from edge_med.imaging.choosing import Choice
from edge_med.imaging.contents import Contents, contents
from edge_med.imaging.fitting import Fitted, Upright
from edge_med.imaging.ordering import Order
from edge_med.imaging.photo import FORMATS
from edge_med.imaging.picture import Picture, sliced
from edge_med.imaging.pool import POOL, Part
from edge_med.imaging.series import Slice, way

_SHARE = 4
"""Slices that a process prepares at a time: 10 MB of pixels go through its pipe."""

_MARK = 64
"""Bytes of a file that tell pictures from other files."""

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
    """

    pictures: Sequence[Picture] = field(repr=False)
    plan: slices.Plan
    notices: tuple[str, ...] = ()
    origins: tuple[Origin, ...] = field(default=(), repr=False, compare=False)
    series: str = ""
    way: str = ""
    volume: bool = True

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
        labelled = ((picture, f"SLICE {n}") for n, picture in enumerate(self.pictures, 1))
        return tuple(part for pair in labelled for part in pair)


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
    """What some files are, by their beginnings."""
    parts = [entries[start : start + _DESCRIBED] for start in range(0, len(entries), _DESCRIBED)]
    with ThreadPoolExecutor(POOL.most) as threads:
        told = [facts for part in threads.map(_told, parts) for facts in part]
    slices: list[Slice] = []
    unread: dict[int, ImageError] = {}
    for entry, facts in enumerate(told):
        if facts and isinstance(facts[0], str):
            unread[entry] = ImageError(*facts)
        else:
            slices += [_slice(entry, fact) for fact in facts]
    return Described(tuple(slices), unread)


def _told(part: Sequence[Entry]) -> list[Any]:
    """The facts of some files; where a process ends over them, each is looked at alone."""
    try:
        reply, _ = POOL.run("describe", part, frames=[(n, 0) for n in range(len(part))])
    except ImageError as error:
        if len(part) == 1:
            return [(error.message, error.hint)]
        return [facts for entry in part for facts in _told([entry])]
    found: list[Any] = reply["slices"]
    return found


def contents_of(found: Described) -> Contents:
    """The series of some files.

    Raises:
        ImageError: there is no image in them that can be read.
    """
    images = [piece for piece in found.slices if piece.modality not in NO_IMAGE]
    placed = [piece for piece in images if piece.placed]
    if placed:
        return contents(placed)
    if images:
        raise ImageError(
            f"Nothing says where the frames of the {images[0].modality} lie.",
            "Let your archive export a file for each slice, or show one frame with `frame`.",
        )
    if found.unread:
        raise next(iter(found.unread.values()))
    raise ImageError(
        "There is no DICOM image among the files.", "Give single pictures by their own paths."
    )


def read(
    entries: Sequence[Entry],
    found: Described,
    *,
    wanted: str,
    series: str | None,
    order: Order,
    room: slices.Room,
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
    choice = choosing.choose(contents_of(found), series, order)
    image = "slice" if choice.volume else "image"
    plan = slices.plan(len(choice.slices), wanted, room, image)
    if wanted == "auto" and not choice.volume and len(plan.chosen) < plan.total:
        raise ImageError(
            f"There are {plan.total} single images, and no CT or MR that is a volume.",
            "Choose some with `series` or `slices`, or give them by their own paths.",
        )
    chosen = [choice.slices[index] for index in plan.chosen]
    notices = (*choice.notices, *_left_out(entries, found))
    more = _more(plan, notices, volume=choice.volume)
    pictures = _pictures(entries, chosen, more, ends=_ends(entries, choice), **job)
    origins = tuple((entries[piece.entry], piece.frame + 1) for piece in chosen)
    going = way(choice.slices) if choice.volume else ""
    return Study(pictures, plan, notices, origins, choice.series, going, choice.volume)


def _more(plan: slices.Plan, notices: Sequence[str], *, volume: bool) -> list[dict[str, Any]]:
    """What is told of each picture besides what its file does; of the series by the first."""
    told = [*filter(None, (f"{plan}.", plan.which, plan.more)), *notices]
    found: list[dict[str, Any]] = [{"steps": []} for _ in plan.chosen]
    for more, index in zip(found, plan.chosen, strict=True):
        more["steps"] = [sliced(index + 1, plan.total)] if volume else []
    found[0]["of_series"] = told
    return found


def _left_out(entries: Sequence[Entry], found: Described) -> Iterator[str]:
    """What is said of files that belong to no series: pictures may be what somebody meant."""
    reasons = Counter(error.message for error in found.unread.values())
    for reason, count in reasons.items():
        files_are = "1 file is" if count == 1 else f"{count} files are"
        yield f"{files_are} left out. {reason}"
    images = {
        piece.entry for piece in found.slices if piece.placed and piece.modality not in NO_IMAGE
    }
    known = images | found.unread.keys()
    others = [entry for number, entry in enumerate(entries) if number not in known]
    heads = [entry[:_MARK] if isinstance(entry, bytes) else _head(entry) for entry in others]
    pictures = sum(any(mark.match(head) for mark, *_ in FORMATS) for head in heads)
    if pictures == 1:
        yield "1 picture isn't part of the series: give it by its own path."
    elif pictures:
        yield f"{pictures} pictures aren't part of the series: give them by their own paths."
    if rest := len(others) - pictures:
        yield f"{rest} {'file is no image' if rest == 1 else 'files are no images'} of a volume."


def _head(path: str) -> bytes:
    """How a file begins; nothing if it can't be read."""
    try:
        return files.read(path, _MARK)
    except ImageError:
        return b""


def _slice(entry: int, fact: dict[str, Any]) -> Slice:
    if not fact["rows"] or not fact["columns"]:
        raise ImageError("A file of the series has no size.", "Export the series anew.")
    vectors = {
        name: tuple(fact[name]) if fact[name] else None for name in ("position", "orientation")
    }
    texts = {"kinds": tuple(fact["kinds"]), "whose": tuple(fact["whose"])}
    return Slice(entry=entry, **{**fact, **vectors, **texts})


def _ends(entries: Sequence[Entry], choice: Choice) -> tuple[float, float] | None:
    """The least and the greatest value of an MR's whole series; others have no use for it."""
    if not choice.volume or choice.slices[0].modality != "MR":
        return None
    replies = POOL.map("extent", _parts(entries, choice.slices, _DESCRIBED))
    ends = [reply["ends"] for reply, _ in replies if reply["ends"]]
    if not ends:
        raise ImageError("All of the series is padding.", "Export the series anew.")
    return min(low for low, _ in ends), max(high for _, high in ends)


def _pictures(
    entries: Sequence[Entry],
    pieces: Sequence[Slice],
    more: Sequence[dict[str, Any]],
    *,
    fit: Fit,
    side: int,
    **job: Any,
) -> Sequence[Picture]:
    """Those that are longer or wider than the square are fitted where they are decoded.

    Of each picture more is told besides; its steps stand before that of the fit.
    """
    parts = _parts(entries, pieces, _SHARE)
    longest = max(max(piece.rows, piece.columns) for piece in pieces)
    if longest <= side:  # others are huge, or take seconds each
        return Fitted(list(_with(more, _mapped("upright", parts, most=side, **job))), fit, side)
    prepared = _with(more, _mapped("prepare", parts, fit=fit, side=side, **job))
    return tuple(Picture.told(told, pixels, fit, side) for told, pixels in prepared)


def _mapped(name: str, parts: Sequence[Part], **job: Any) -> Iterator[Upright]:
    for reply, pixels in POOL.map(name, parts, **job):
        yield from zip(reply["pictures"], pixels, strict=True)


def _with(several: Sequence[dict[str, Any]], images: Iterator[Upright]) -> Iterator[Upright]:
    """Images of each of which more is told."""
    for more, (told, pixels) in zip(several, images, strict=True):
        yield {**told, **more, "steps": [*told["steps"], *more["steps"]]}, pixels


def _parts(entries: Sequence[Entry], pieces: Sequence[Slice], share: int) -> list[Part]:
    """Slices in parts of so many; those of one file in a part for each process, which reads it."""
    if len({piece.entry for piece in pieces}) == 1:
        share = max(share, math.ceil(len(pieces) / POOL.most))
    return [_part(entries, pieces[at : at + share]) for at in range(0, len(pieces), share)]


def _part(entries: Sequence[Entry], pieces: Sequence[Slice]) -> Part:
    numbers = list(dict.fromkeys(piece.entry for piece in pieces))
    sources = [entries[number] for number in numbers]
    return sources, [(numbers.index(piece.entry), piece.frame) for piece in pieces]
