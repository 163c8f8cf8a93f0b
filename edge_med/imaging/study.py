"""A series of slices as the model sees it: CT or MR from a folder, a zip or one file of frames."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from edge_med.config import Fit
from edge_med.errors import ImageError
from edge_med.imaging import files, series, slices
from edge_med.imaging.about import About
from edge_med.imaging.bundle import Entry
from edge_med.imaging.fitting import Fitted, Upright
from edge_med.imaging.photo import FORMATS
from edge_med.imaging.picture import Picture, sliced
from edge_med.imaging.pool import POOL, Part
from edge_med.imaging.series import VOLUMES, Slice

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
    """

    pictures: Sequence[Picture] = field(repr=False)
    plan: slices.Plan
    notices: tuple[str, ...] = ()
    origins: tuple[Origin, ...] = field(default=(), repr=False, compare=False)

    @property
    def about(self) -> About:
        """What is known of its first slice."""
        return (self.pictures if isinstance(self.pictures, Fitted) else self.pictures[0]).about

    @property
    def numbers(self) -> tuple[int, ...]:
        """Which slice of the volume each picture is, from 1 on."""
        return tuple(index + 1 for index in self.plan.chosen)

    def content(self) -> tuple[Picture | str, ...]:
        """What is sent: each picture and its label after it, as in Google's notebook."""
        if len(self.pictures) == 1:
            return tuple(self.pictures)
        labelled = ((picture, f"SLICE {n}") for n, picture in enumerate(self.pictures, 1))
        return tuple(part for pair in labelled for part in pair)


def described(entries: Sequence[Entry]) -> list[Slice]:
    """The slices in some files; none for what isn't DICOM."""
    parts = [entries[start : start + _DESCRIBED] for start in range(0, len(entries), _DESCRIBED)]
    replies = POOL.map("describe", [(part, [(n, 0) for n in range(len(part))]) for part in parts])
    facts = [fact for reply, _ in replies for fact in reply["slices"]]
    return [_slice(entry, fact) for entry, found in enumerate(facts) for fact in found]


def is_volume(found: Sequence[Slice]) -> bool:
    """Whether a file's slices are several, or it has frames that can't be told apart."""
    return len(found) > 1 or not all(piece.placed for piece in found)


def read(
    entries: Sequence[Entry],
    found: Sequence[Slice],
    *,
    wanted: str,
    room: slices.Room,
    **job: Any,
) -> Study:
    """Read the largest series of some files.

    Args:
        entries: the files, in any order.
        found: the slices in them, of `described`.
        wanted: which slices: see `slices.plan`.
        room: what there is for them.
        job: `fit`, `side` and `windows`.

    Raises:
        ImageError: they are no volume, or can't be read.
        UsageError: there are no such slices or windows.
        ContextOverflowError: the slices don't fit.
    """
    pieces = _placed(found)
    volume = series.volume(pieces)
    plan = slices.plan(len(volume.slices), wanted, room)
    chosen = [volume.slices[index] for index in plan.chosen]
    steps = [sliced(index + 1, plan.total) for index in plan.chosen]
    pictures = _pictures(entries, chosen, steps, ends=_ends(entries, volume.slices), **job)
    left = _left_out(entries, {piece.entry for piece in pieces})
    origins = tuple((entries[piece.entry], piece.frame + 1) for piece in chosen)
    return Study(pictures, plan, (*volume.notices, *left), origins)


def _left_out(entries: Sequence[Entry], taken: set[int]) -> Iterator[str]:
    """What is said of files that belong to no volume: pictures may be what somebody meant."""
    others = [entry for number, entry in enumerate(entries) if number not in taken]
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


def _placed(found: Sequence[Slice]) -> list[Slice]:
    """Those that belong to volumes."""
    volumes = [piece for piece in found if piece.modality in VOLUMES]
    placed = [piece for piece in volumes if piece.placed]
    if not volumes:
        raise ImageError(
            "There is no CT or MR among the files.", "Give single images by their own paths."
        )
    if not placed:
        raise ImageError(
            f"Nothing says where the frames of the {volumes[0].modality} lie.",
            "Let your archive export a file for each slice, or show one frame with `frame`.",
        )
    return placed


def _slice(entry: int, fact: dict[str, Any]) -> Slice:
    if not fact["rows"] or not fact["columns"]:
        raise ImageError("A file of the series has no size.", "Export the series anew.")
    vectors = {
        name: tuple(fact[name]) if fact[name] else None for name in ("position", "orientation")
    }
    return Slice(entry=entry, **{**fact, **vectors, "kinds": tuple(fact["kinds"])})


def _ends(entries: Sequence[Entry], pieces: Sequence[Slice]) -> tuple[float, float] | None:
    """The least and the greatest value of an MR's whole series; others have no use for it."""
    if pieces[0].modality != "MR":
        return None
    replies = POOL.map("extent", _parts(entries, pieces, _DESCRIBED))
    ends = [reply["ends"] for reply, _ in replies if reply["ends"]]
    if not ends:
        raise ImageError("All of the series is padding.", "Export the series anew.")
    return min(low for low, _ in ends), max(high for _, high in ends)


def _pictures(
    entries: Sequence[Entry],
    pieces: Sequence[Slice],
    steps: Sequence[str],
    *,
    fit: Fit,
    side: int,
    **job: Any,
) -> Sequence[Picture]:
    """Those that are longer or wider than the square are fitted where they are decoded.

    Each of the steps is told of its picture, before that of the fit.
    """
    parts = _parts(entries, pieces, _SHARE)
    if max(pieces[0].rows, pieces[0].columns) <= side:  # others are huge, or take seconds each
        return Fitted(list(_with(steps, _mapped("upright", parts, most=side, **job))), fit, side)
    prepared = _with(steps, _mapped("prepare", parts, fit=fit, side=side, **job))
    return tuple(Picture.told(told, pixels, fit, side) for told, pixels in prepared)


def _mapped(name: str, parts: Sequence[Part], **job: Any) -> Iterator[Upright]:
    for reply, pixels in POOL.map(name, parts, **job):
        yield from zip(reply["pictures"], pixels, strict=True)


def _with(steps: Sequence[str], images: Iterator[Upright]) -> Iterator[Upright]:
    """Images with one more step told of each."""
    for step, (told, pixels) in zip(steps, images, strict=True):
        yield {**told, "steps": [*told["steps"], step]}, pixels


def _parts(entries: Sequence[Entry], pieces: Sequence[Slice], share: int) -> list[Part]:
    """Slices in parts of so many; those of one file in a part for each process, which reads it."""
    if len({piece.entry for piece in pieces}) == 1:
        share = max(share, math.ceil(len(pieces) / POOL.most))
    return [_part(entries, pieces[at : at + share]) for at in range(0, len(pieces), share)]


def _part(entries: Sequence[Entry], pieces: Sequence[Slice]) -> Part:
    numbers = list(dict.fromkeys(piece.entry for piece in pieces))
    sources = [entries[number] for number in numbers]
    return sources, [(numbers.index(piece.entry), piece.frame) for piece in pieces]
