"""Which files are one volume, and in which order they lie in the patient (PS3.3 C.7.6.2)."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from edge_med.errors import ImageError

Vector = tuple[float, ...]

VOLUMES = ("CT", "MR")
"""Modalities whose series are volumes; of others, images of a folder stand for themselves."""

_SAME_PLACE = 0.01
"""mm between slices that lie in the same place."""

_PARALLEL = 0.999
"""Cosine of the angle between slices that still are of one orientation: 2.6 degrees."""

_TILTED = math.cos(math.radians(1))
_GAP = 1.5
"""Times the usual distance, from which on a slice is missing between two."""

_FEW = 0.25
"""Share of a series that may lie otherwise, such as scouts, and is then left out."""


@dataclass(frozen=True, slots=True)
class Slice:
    """A slice of a series: a file, or one frame of a file.

    Attributes:
        entry: which of the given files.
        image: its unique name, with the frame's number if there are many.
        series: of its series.
        modality: DICOM's code.
        kinds: DICOM's ImageType.
        rows: of pixels.
        columns: of pixels.
        number: that the machine gave it.
        acquisition: that it is of.
        echo: of an MR.
        moment: of a series over time.
        position: of its first pixel in the patient, in mm.
        orientation: directions of its rows and columns.
        frame: which of its file, from 0.
        placed: whether that file says where its frames lie, if it has many.
    """

    entry: int
    image: str
    series: str
    modality: str
    kinds: tuple[str, ...]
    rows: int
    columns: int
    number: int | None = None
    acquisition: int | None = None
    echo: int | None = None
    moment: int | None = None
    position: Vector | None = None
    orientation: Vector | None = None
    frame: int = 0
    placed: bool = True

    @property
    def normal(self) -> Vector:
        """The direction in which slices follow each other."""
        a, b, c, d, e, f = self.orientation or (1, 0, 0, 0, 1, 0)
        return (b * f - c * e, c * d - a * f, a * e - b * d)


@dataclass(frozen=True, slots=True)
class Volume:
    """Slices in the order in which they lie, and what the user should know of them."""

    slices: tuple[Slice, ...]
    notices: tuple[str, ...] = ()


def volume(found: Sequence[Slice]) -> Volume:
    """The largest series of some files, in order.

    Raises:
        ImageError: it isn't clear which slices belong together, or in which order.
    """
    notices: list[str] = []
    series = _largest_series(found, notices)
    for narrowed in (_without_scouts, _of_one_orientation, _without_copies, _of_one_pass):
        series = narrowed(series, notices)
    return Volume(tuple(_sorted(series, notices)), tuple(notices))


def _largest_series(found: Sequence[Slice], notices: list[str]) -> list[Slice]:
    """As in Google's code: of originals rather than of what was computed from them, the most."""
    groups = _grouped(found, lambda s: (s.series, s.modality, s.rows, s.columns))
    originals = [group for group in groups if "DERIVED" not in group[0].kinds] or groups
    chosen = originals[0]
    if left := len(found) - len(chosen):
        notices.append(
            f"{len(groups)} series: the one with {len(chosen)} slices is taken, and {left} images"
            " of the others are left out."
        )
    return chosen


def _without_scouts(series: list[Slice], notices: list[str]) -> list[Slice]:
    kept = [piece for piece in series if "LOCALIZER" not in piece.kinds] or series
    if len(kept) < len(series):
        left = len(series) - len(kept)
        notices.append(f"{left} scout {'image is' if left == 1 else 'images are'} left out.")
    return kept


def _of_one_orientation(series: list[Slice], notices: list[str]) -> list[Slice]:
    groups: list[list[Slice]] = []
    for piece in series:
        for group in groups:
            if _cosine(group[0].normal, piece.normal) > _PARALLEL:
                group.append(piece)
                break
        else:
            groups.append([piece])
    groups.sort(key=len, reverse=True)
    others = len(series) - len(groups[0])
    if others > _FEW * len(series):
        raise ImageError(
            "The series has slices of several orientations.",
            "Give a folder with those of one orientation.",
        )
    if others:
        notices.append(f"{others} images of another orientation are left out.")
    return groups[0]


def _without_copies(series: list[Slice], notices: list[str]) -> list[Slice]:
    once = {piece.image or str(piece.entry): piece for piece in reversed(series)}
    kept = [piece for piece in series if once[piece.image or str(piece.entry)] is piece]
    if len(kept) < len(series):
        left = len(series) - len(kept)
        what = "copy of an image is" if left == 1 else "copies of images are"
        notices.append(f"{left} {what} left out.")
    return kept


def _of_one_pass(series: list[Slice], notices: list[str]) -> list[Slice]:
    """Where several slices lie in one place, those of the largest pass: acquisition, echo, time."""
    if not _crowded(series):
        return series
    for told, key in _PASSES.items():
        groups = _grouped(series, key)
        if len(groups) > 1 and not _crowded(groups[0]):
            notices.append(
                f"Of {len(groups)} {told}, the one with {len(groups[0])} slices is taken."
            )
            return groups[0]
    raise ImageError(
        "Several slices of the series lie in the same place.",
        "Give a folder with one acquisition of it.",
    )


_PASSES: dict[str, Callable[[Slice], Hashable]] = {
    "acquisitions": lambda piece: piece.acquisition,
    "echoes": lambda piece: piece.echo,
    "moments": lambda piece: piece.moment,
    "kinds of image": lambda piece: piece.kinds,
}


def _crowded(series: Sequence[Slice]) -> bool:
    if any(piece.position is None for piece in series):
        return False
    depths = sorted(map(_depth, series))
    return any(b - a < _SAME_PLACE for a, b in pairwise(depths))


def _sorted(series: list[Slice], notices: list[str]) -> list[Slice]:
    """Along the normal; by the machine's numbers where positions are missing."""
    if all(piece.position for piece in series):
        ordered = sorted(series, key=_depth)
        _note_distances(ordered, notices)
        return ordered
    numbers = {piece.number for piece in series}
    if None in numbers or len(numbers) < len(series):
        raise ImageError(
            "Nothing says in which order the slices of the series lie.",
            "Export the series anew, with its positions.",
        )
    notices.append("Positions are missing, so slices are in the order of their numbers.")
    return sorted(series, key=lambda piece: piece.number or 0)


def _note_distances(series: list[Slice], notices: list[str]) -> None:
    """What is odd in how the slices follow each other."""
    depths = [_depth(piece) for piece in series]
    steps = [b - a for a, b in pairwise(depths)]
    if not steps:
        return
    usual = median(steps)
    if missing := sum(round(step / usual) - 1 for step in steps if step > _GAP * usual):
        notices.append(f"About {missing} slices are missing between the others.")
    first, last = series[0].position or (), series[-1].position or ()
    way = tuple(b - a for a, b in zip(first, last, strict=True))
    cosine = _cosine(way, series[0].normal)
    if cosine < _TILTED:
        angle = math.degrees(math.acos(max(-1.0, min(1.0, cosine))))
        notices.append(f"The gantry was tilted by {angle:.0f} degrees; slices are as they are.")


def _depth(piece: Slice) -> float:
    return sum(a * b for a, b in zip(piece.position or (), piece.normal, strict=True))


def _cosine(a: Vector, b: Vector) -> float:
    length = math.hypot(*a) * math.hypot(*b)
    return sum(x * y for x, y in zip(a, b, strict=True)) / length if length else 1.0


def _grouped(found: Sequence[Slice], key: Callable[[Slice], Hashable]) -> list[list[Slice]]:
    """Groups, the largest first."""
    groups: dict[Hashable, list[Slice]] = defaultdict(list)
    for piece in found:
        groups[key(piece)].append(piece)
    return sorted(groups.values(), key=len, reverse=True)
