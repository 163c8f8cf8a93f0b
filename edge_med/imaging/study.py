"""A series of slices as the model sees it: CT or MR from a folder or a zip."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from edge_med.config import Fit
from edge_med.errors import ImageError
from edge_med.imaging import series, slices
from edge_med.imaging.about import About
from edge_med.imaging.bundle import Entry
from edge_med.imaging.picture import Picture
from edge_med.imaging.pool import POOL, Part
from edge_med.imaging.series import Slice
from edge_med.imaging.windows import DEFAULT

_SHARE = 4
"""Slices that a process prepares at a time: 10 MB of pixels go through its pipe."""

_DESCRIBED = 32
"""Files whose beginnings a process reads at a time."""

VOLUMES = ("CT", "MR")
"""Modalities whose series are volumes; of others, images of a folder stand for themselves."""


@dataclass(frozen=True, slots=True)
class Study:
    """Slices of a volume, prepared.

    Attributes:
        pictures: the chosen slices, in the order in which they lie.
        plan: which they are of all, and what they cost.
        notices: what the user should know: what is missing, or was left out.
    """

    pictures: tuple[Picture, ...] = field(repr=False)
    plan: slices.Plan
    notices: tuple[str, ...] = ()

    @property
    def about(self) -> About:
        """What is known of its first slice."""
        return self.pictures[0].about

    @property
    def numbers(self) -> tuple[int, ...]:
        """Which slice of the volume each picture is, from 1 on."""
        return tuple(index + 1 for index in self.plan.chosen)

    def content(self) -> tuple[Picture | str, ...]:
        """What is sent: each picture and its label after it, as in Google's notebook."""
        if len(self.pictures) == 1:
            return self.pictures
        labelled = ((picture, f"SLICE {n}") for n, picture in enumerate(self.pictures, 1))
        return tuple(part for pair in labelled for part in pair)


def read(
    entries: Sequence[Entry],
    *,
    fit: Fit,
    side: int,
    wanted: str = "auto",
    windows: str = DEFAULT,
    room: slices.Room = slices.Room(),  # noqa: B008 - frozen
) -> Study:
    """Read the largest series of some files.

    Args:
        entries: the files, in any order.
        fit: how slices come into the model's square.
        side: of that square, in pixels.
        wanted: which slices: see `slices.plan`.
        windows: of CT: see `windows.windows`.
        room: what there is for them.

    Raises:
        ImageError: they are no volume, or can't be read.
        UsageError: there are no such slices or windows.
        ContextOverflowError: the slices don't fit.
    """
    found, others = _described(entries)
    volume = series.volume(found)
    plan = slices.plan(len(volume.slices), wanted, room)
    pictures = _prepared(
        [entries[volume.slices[index].entry] for index in plan.chosen],
        fit=fit,
        side=side,
        windows=windows,
        ends=_ends(entries, volume.slices),
    )
    left = (f"{others} files aren't images of a volume, and are left out.",) if others else ()
    return Study(pictures, plan, (*volume.notices, *left))


def _described(entries: Sequence[Entry]) -> tuple[list[Slice], int]:
    """The slices among some files, and how many of the files are none."""
    replies = POOL.map("describe", _parts(entries, _DESCRIBED))
    facts = [fact for reply, _ in replies for fact in reply["slices"]]
    found = [_slice(entry, fact) for entry, fact in enumerate(facts) if fact]
    volumes = [piece for piece in found if piece.modality in VOLUMES]
    if not volumes:
        raise ImageError(
            "There is no CT or MR among the files.", "Give single images by their own paths."
        )
    if any((piece.frames or 1) > 1 for piece in volumes):
        raise ImageError(
            "The series is one file of many frames, which isn't read as a volume.",
            "Let your archive export a file for each slice.",
        )
    return volumes, len(entries) - len(volumes)


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
    sources = [entries[piece.entry] for piece in pieces]
    replies = POOL.map("extent", _parts(sources, _DESCRIBED))
    ends = [reply["ends"] for reply, _ in replies if reply["ends"]]
    if not ends:
        raise ImageError("All of the series is padding.", "Export the series anew.")
    return min(low for low, _ in ends), max(high for _, high in ends)


def _prepared(sources: Sequence[Entry], **job: Any) -> tuple[Picture, ...]:
    found = []
    for reply, pixels in POOL.map("prepare", _parts(sources, _SHARE), **job):
        for told, data in zip(reply["pictures"], pixels, strict=True):
            found.append(Picture.told(told, data, job["fit"], job["side"]))
    return tuple(found)


def _parts(sources: Sequence[Entry], share: int) -> list[Part]:
    """Files in parts of so many, and the first frame of each."""
    parts = [sources[start : start + share] for start in range(0, len(sources), share)]
    return [(part, [(number, 0) for number in range(len(part))]) for part in parts]
