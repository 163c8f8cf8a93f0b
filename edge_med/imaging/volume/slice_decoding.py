"""The slices of a choice, decoded by the processes; a file that can't be read fails alone."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from edge_med.errors import ImageError
from edge_med.imaging.files.bundle import Entry
from edge_med.imaging.sandbox.pool import POOL, Part, Reply
from edge_med.imaging.slice_geometry import Slice, grouped
from edge_med.imaging.volume.lazy_fit import Upright
from edge_med.imaging.volume.series_choice import SeriesChoice

_SHARE = 4
"""Slices that a process prepares at a time: 10 MB of pixels go through its pipe."""

_MEASURED = 32
"""Files whose values a process measures at a time."""

Unread = dict[int, ImageError]
"""Which of some files can't be read, and why."""


def uprights(
    entries: Sequence[Entry],
    choice: SeriesChoice,
    chosen: Sequence[int],
    unread: Unread,
    *,
    upright: bool,
    side: int,
    **job: Any,
) -> dict[int, Upright]:
    """Slices of a choice, by their places in it.

    Args:
        entries: files.
        choice: choice of the series.
        chosen: indices of its slices, from 0 on.
        unread: dictionary that gets the errors of files that fail; their slices aren't returned.
        upright: whether they are needed in their own size, and not in the model's square.
        side: side of that square.
        job: values of `fit` and `windows`.
    """
    ends = _ends(entries, choice, unread)
    pieces = {choice.slices[index]: index for index in chosen}
    name, of_side = ("upright", "most") if upright else ("prepare", "side")
    job |= {of_side: side, "ends": ends}
    found: dict[int, Upright] = {}
    for several, (reply, pixels) in _done(name, entries, [*pieces], _SHARE, unread, **job):
        images = zip(reply["pictures"], pixels, strict=True)
        found |= {pieces[piece]: image for piece, image in zip(several, images, strict=True)}
    return {i: found[i] for i in chosen if i in found and choice.slices[i].entry not in unread}


def _ends(
    entries: Sequence[Entry], choice: SeriesChoice, unread: Unread
) -> tuple[float, float] | None:
    """The least and the greatest value of an MR's whole series; others have no use for it."""
    if not choice.volume or choice.slices[0].modality != "MR":
        return None
    done = _done("extent", entries, choice.slices, _MEASURED, unread)
    ends = [reply["ends"] for _, (reply, _) in done if reply["ends"]]
    if not ends and not unread:
        raise ImageError("The whole series is padding.", "Export the series again.")
    return (min(low for low, _ in ends), max(high for _, high in ends)) if ends else None


def _done(
    name: str,
    entries: Sequence[Entry],
    pieces: Sequence[Slice],
    share: int,
    unread: Unread,
    **job: Any,
) -> Iterator[tuple[Sequence[Slice], Reply]]:
    """What comes of a job on some slices; files that fail are noted in `unread`."""
    readable = [piece for piece in pieces if piece.entry not in unread]
    if len({piece.entry for piece in readable}) == 1:  # each process reads it
        share = max(share, math.ceil(len(readable) / POOL.most))
    groups = [readable[at : at + share] for at in range(0, len(readable), share)]
    with ThreadPoolExecutor(POOL.most) as threads:
        for tried in threads.map(partial(_tried, name, entries, **job), groups):
            for several, reply in tried:
                if isinstance(reply, ImageError):
                    unread.setdefault(several[0].entry, reply)
                else:
                    yield several, reply


def _tried(
    name: str, entries: Sequence[Entry], pieces: Sequence[Slice], **job: Any
) -> list[tuple[Sequence[Slice], Reply | ImageError]]:
    """What comes of a job on some slices; where it fails, on those of each file alone."""
    sources, frames = _part(entries, pieces)
    try:
        return [(pieces, POOL.run(name, sources, frames=frames, **job))]
    except ImageError as error:
        files = [*grouped(pieces, lambda piece: piece.entry).values()]
        if len(files) == 1:
            return [(pieces, error)]
        return [one for file in files for one in _tried(name, entries, file, **job)]


def _part(entries: Sequence[Entry], pieces: Sequence[Slice]) -> Part:
    numbers = list(dict.fromkeys(piece.entry for piece in pieces))
    sources = [entries[number] for number in numbers]
    return sources, [(numbers.index(piece.entry), piece.frame) for piece in pieces]
