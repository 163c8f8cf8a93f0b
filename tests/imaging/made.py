"""A study as a clinic hands it over, made by code: its files, and what is right to show of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from devtools.images.dicom import ct_slice

Files = dict[str, bytes]
"""Files by their names, which tell what is in them."""

PLANES = {
    "axial": (1.0, 0.0, 0.0, 0.0, 1.0, 0.0),
    "coronal": (1.0, 0.0, 0.0, 0.0, 0.0, -1.0),
    "sagittal": (0.0, 1.0, 0.0, 0.0, 0.0, -1.0),
}
_THROUGH = {"axial": (0, 0, 1), "coronal": (0, 1, 0), "sagittal": (-1, 0, 0)}
SCOUT = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
DERIVED = ["DERIVED", "SECONDARY", "AXIAL"]
MR = {"Modality": "MR"}


@dataclass(frozen=True)
class Made:
    """A study, and what is right.

    Attributes:
        name: what it is.
        files: in it.
        shown: names of the files that are shown, in order; of one file of frames, those from 1 on.
        notices: parts of the expected notices.
        refused: the beginning of the error, if nothing may be shown.
        direction: expected direction of the slices.
        how: options of `imaging.open`.
    """

    name: str
    files: Files = field(repr=False)
    shown: Sequence[str | int] = ()
    notices: Sequence[str] = ()
    refused: str = ""
    direction: str = ""
    how: dict[str, Any] = field(default_factory=dict)


def stack(name: str, depths: Sequence[float], plane: str = "axial", **tags: Any) -> Files:
    """Slices of a series; a tag that is a function is asked with each slice's number from 0 on."""
    found = {}
    for number, depth in enumerate(depths):
        given = {key: of(number) if callable(of) else of for key, of in tags.items()}
        where = [depth * part for part in _THROUGH[plane]]
        place = {"ImagePositionPatient": where, "ImageOrientationPatient": list(PLANES[plane])}
        number_tag = {"InstanceNumber": number + 1}
        found[f"{name}{number}"] = ct_slice(depth, **place | number_tag | given)
    return found


def names(name: str, numbers: Sequence[int]) -> list[str]:
    return [f"{name}{number}" for number in numbers]


def series(number: int) -> dict[str, Any]:
    """Tags of a series of its own."""
    return {"SeriesInstanceUID": f"1.2.{number}", "SeriesNumber": number}


TEN = [float(depth) for depth in range(10)]
ALL = names("a", range(10))
UP, DOWN = "feet to head", "head to feet"
