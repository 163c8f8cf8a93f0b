"""What a folder, a zip or a file holds: its series, each with the number it is chosen by."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from edge_med.imaging.slice_geometry import UNNAMED, VOLUMES, Slice, grouped, places
from edge_med.imaging.volume.slice_order import steps_of
from edge_med.imaging.volume.stacks import Stack, stacks

ROW = 3
"""Series of one image each that are taken for one: fewer don't show that they lie in a row."""


@dataclass(frozen=True, slots=True)
class Series:
    """Images that belong together.

    Attributes:
        number: number by which it is chosen, from 1 on.
        slices: all of its images, slices of a volume or not.
        stacks: parts that can be one volume each; empty without any.
        joined: number of series of one image each that it was made of; 0 for one series.
    """

    number: int
    slices: tuple[Slice, ...] = field(repr=False)
    stacks: tuple[Stack, ...] = field(repr=False)
    joined: int = 0

    @property
    def modality(self) -> str:
        """DICOM's code of what made it."""
        return self.slices[0].modality

    def name(self, stack: Stack) -> str:
        """By what one of its stacks is chosen: `3`, or `3.2` if there are several."""
        if len(self.stacks) < 2:
            return str(self.number)
        return f"{self.number}.{self.stacks.index(stack) + 1}"

    def names(self) -> str:
        """By what it, or each of its stacks, is chosen."""
        several = len(self.stacks)
        return f"{self.number}.1 to {self.number}.{several}" if several > 1 else str(self.number)


@dataclass(frozen=True, slots=True)
class Contents:
    """All series of some files, in the order of their numbers.

    Attributes:
        series: all series.
        left_out: sentences about files that belong to no series.
    """

    series: tuple[Series, ...]
    left_out: tuple[str, ...] = ()

    def identities(self, which: int) -> set[str]:
        """The patients (0), studies (1) or days (2) that the images are of."""
        return {piece.identity[which] for one in self.series for piece in one.slices}

    @property
    def mixed(self) -> str:
        """That the images are of several patients, studies or days; empty if they aren't."""
        known = [self.identities(which) for which in range(3)]
        patients, studies, days = (len(words - {""}) for words in known)
        several = f"from {days} days." if days > 1 else ""
        if patients > 1:
            return f"The images come from {patients} patients."
        if len(known[0]) > 1:
            return UNNAMED.format("patient")
        if studies > 1:
            return f"The images come from {studies} studies{f', {several}' if several else '.'}"
        if len(known[1]) > 1:
            return UNNAMED.format("study")
        return f"The images come {several}" if several else ""


def contents(found: Sequence[Slice]) -> Contents:
    """The series of some images, numbered as the machine did within each patient's studies."""
    groups = _joined([*grouped(found, _own).values()])
    people = _ranks(piece.identity[0] for piece in found)
    studies = _ranks(piece.identity[1:] for piece in found)

    def place(group: tuple[list[Slice], int]) -> Any:
        first = group[0][0]
        batch = math.inf if first.batch is None else first.batch
        return (people[first.identity[0]], studies[first.identity[1:]], batch, first.entry)

    return Contents(
        tuple(
            Series(number, tuple(group), tuple(_stacks(group)), joined)
            for number, (group, joined) in enumerate(sorted(groups, key=place), 1)
        )
    )


def _ranks(values: Any) -> dict[Any, int]:
    return {value: rank for rank, value in enumerate(dict.fromkeys(values))}


def _stacks(group: Sequence[Slice]) -> list[Stack]:
    return stacks(group) if group[0].modality in VOLUMES else []


def _joined(groups: Sequence[list[Slice]]) -> list[tuple[list[Slice], int]]:
    """Groups, and in place of those of one slice each that lie in a row, one of them all.

    Some machines and programs that take names out give each file a series of its own; its number
    and its frame of reference stay what they were.
    """
    single = [group[0] for group in groups if len(group) == 1]
    rows = [row for row in grouped(single, _row).values() if _lie_in_a_row(row)]
    taken = {id(piece) for row in rows for piece in row}
    left = [(group, 0) for group in groups if id(group[0]) not in taken or len(group) > 1]
    return [*left, *((row, len(row)) for row in rows)]


def _own(piece: Slice) -> Any:
    """What images of a series have in common; those of a volume's are of one number and space."""
    common = (piece.identity, piece.series, piece.modality, piece.rows, piece.columns)
    if piece.modality not in VOLUMES:
        return common
    return (*common, piece.batch, piece.space, *_pixels(piece))


def _pixels(piece: Slice) -> Any:
    """What their pixels are; distances were computed, and may differ in their last figures."""
    return (tuple(round(part, 3) for part in piece.spacing or ()), piece.samples)


def _row(piece: Slice) -> Any:
    """What slices of a series have in common even if they don't say so."""
    orientation = tuple(round(part, 3) for part in piece.orientation or ())
    sizes = (piece.rows, piece.columns, piece.thickness, *_pixels(piece))
    made = (piece.kernel, piece.sequence, piece.echo, piece.b_value)
    return (piece.identity, piece.modality, piece.batch, piece.space, orientation, *sizes, *made)


def _lie_in_a_row(row: Sequence[Slice]) -> bool:
    """Whether slices of series of their own are one: each has its place, evenly after the last."""
    first = row[0]
    if len(row) < ROW or first.modality not in VOLUMES or not (first.space or first.batch):
        return False
    if any(piece.position is None for piece in row) or len(places(row)) < len(row):
        return False
    steps = steps_of(sorted(row, key=lambda piece: piece.depth))
    usual = median(steps)
    return all(abs(step / usual - round(step / usual)) < 0.1 for step in steps)
