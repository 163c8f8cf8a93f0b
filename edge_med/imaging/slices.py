"""Which slices of a volume the model is shown: what fits context, memory and patience."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edge_med.errors import ContextOverflowError, UsageError

if TYPE_CHECKING:
    from edge_med.imaging.picture import Picture

MOST = 85
"""Slices of a volume, in Google's notebook high_dimensional_ct_hugging_face.ipynb."""

AROUND = 12
"""Tokens around a slice's image tokens: its marks and newlines, and `SLICE n`."""

QUESTION = 512
"""Tokens that are left for a question where slices are chosen to fit the context."""

PATIENCE = 600.0
"""Seconds for which `auto` lets a volume be encoded."""

BYTES = 8 << 20
"""Memory of a slice on its way: its picture, and the decoder's copies of it."""

_SHOWN = 40
"""Characters of a choice that isn't understood."""

_LIST = re.compile(r"\d{1,6}(,\d{1,6})+,?|\d{1,6},")
_RANGE = re.compile(r"(\d{0,6}):(\d{0,6})(?::(\d{1,6}))?")


@dataclass(frozen=True, slots=True)
class Room:
    """What there is for a volume; None for what nobody knows.

    Attributes:
        tokens: of the context that are free.
        memory: bytes that are free.
        seconds: that an image takes on this machine.
        image_tokens: of an image.
    """

    tokens: int | None = None
    memory: int | None = None
    seconds: float | None = None
    image_tokens: int = 256


@dataclass(frozen=True, slots=True)
class Plan:
    """Which slices are shown, and what they cost.

    Attributes:
        chosen: slices, from 0 on, in order.
        total: slices of the volume.
        tokens: of all chosen ones with their labels.
        seconds: that they take; None if nobody knows.
        reason: why not all, or why these.
    """

    chosen: tuple[int, ...]
    total: int
    tokens: int
    seconds: float | None
    reason: str

    def __str__(self) -> str:
        minutes, seconds = round((self.seconds or 0) / 60), max(1, round(self.seconds or 0))
        time = f"{minutes} min" if minutes > 1 else f"{seconds} s"
        time = f", about {time}" if self.seconds else ""
        return f"{self._counted()}, {self.tokens:,} tokens{time}"

    def _counted(self) -> str:
        shown = len(self.chosen)
        if shown < self.total:
            return f"{shown} of {self.total} slices ({self.reason})"
        return f"all {shown} slices" if shown > 1 else "one slice"

    @property
    def which(self) -> str:
        """Which slices are shown and which aren't, in a sentence; empty if all are."""
        shown = {index + 1 for index in self.chosen}
        if len(shown) == self.total:
            return ""
        left = [number for number in range(1, self.total + 1) if number not in shown]
        return f"Shown: {ranges(sorted(shown))} of {self.total}. Left out: {ranges(left)}."


def plan(total: int, wanted: str = "auto", room: Room = Room()) -> Plan:
    """Choose slices.

    Args:
        total: slices of the volume.
        wanted: `auto`; `all`; a number of slices, spread evenly; `first:last:step`, or numbers
            with commas between them, from 1 on.
        room: for them.

    Raises:
        UsageError: what is wanted has none of these forms, or is no slice of the volume.
        ContextOverflowError: it doesn't fit the context.
    """
    if wanted == "auto":
        count, reason = _fitting(total, room)
        chosen = spread(total, count)
    elif wanted == "all":
        chosen, reason = tuple(range(total)), "as asked"
    elif wanted.isdecimal() and int(wanted):
        chosen, reason = spread(total, int(wanted)), "as asked"
    else:
        chosen, reason = _range(total, wanted), "as asked"
    each = room.image_tokens + AROUND
    tokens = len(chosen) * each
    if room.tokens is not None and tokens > room.tokens:
        most = max(0, room.tokens) // each
        raise ContextOverflowError(
            f"{_counted(len(chosen))} {tokens:,} tokens, and {max(0, room.tokens):,} are free.",
            (f"Show at most {most} with `slices`, or r" if most else "R") + "aise `context`.",
        )
    seconds = None if room.seconds is None else len(chosen) * room.seconds
    return Plan(chosen, total, tokens, seconds, reason)


def _counted(slices: int) -> str:
    return f"{slices} slices are" if slices > 1 else "One slice is"


def spread(total: int, count: int) -> tuple[int, ...]:
    """So many slices of a volume, by the notebook's formula; all if there are no more."""
    if total <= count:
        return tuple(range(total))
    return tuple(round(i / count * (total - 1)) for i in range(1, count + 1))


def _fitting(total: int, room: Room) -> tuple[int, str]:
    """How many slices there is room for, and what it is that limits them."""
    limits = [(total, "all"), (MOST, "as many as the model was shown")]
    if room.tokens is not None:
        limits.append((room.tokens // (room.image_tokens + AROUND), "what the context holds"))
    if room.memory is not None:
        limits.append((room.memory // BYTES, "what the memory holds"))
    if room.seconds:
        limits.append((int(PATIENCE / room.seconds), f"what takes {PATIENCE / 60:.0f} minutes"))
    count, reason = min(limits, key=lambda limit: limit[0])
    return max(1, count), reason


def _range(total: int, wanted: str) -> tuple[int, ...]:
    if _LIST.fullmatch(wanted):
        listed = sorted({int(number) - 1 for number in wanted.strip(",").split(",")})
        if listed[0] >= 0 and listed[-1] < total:
            return tuple(listed)
    match = _RANGE.fullmatch(wanted)
    given = match.groups() if match else ("0", "0", "0")
    first, last, step = (int(part) if part else None for part in given)
    chosen = tuple(range((first or 1) - 1, min(last or total, total), step or 1))
    if not match or first == 0 or step == 0 or not chosen:
        raise UsageError(
            f"There are no slices {wanted[:_SHOWN]!r}: they are 1 to {total}.",
            "Use auto, all, a number of slices, first:last:step as 12:12, or a list as 3,5,7.",
        )
    return chosen


def ranges(numbers: Sequence[int]) -> str:
    """Numbers in order, those that follow each other as a range: 2-5, 7."""
    parts: list[list[int]] = []
    for number in numbers:
        if parts and number == parts[-1][-1] + 1:
            parts[-1][1:] = [number]
        else:
            parts.append([number])
    return ", ".join("-".join(map(str, part)) for part in parts)


def series_among(pictures: Sequence[Picture]) -> list[list[Picture]]:
    """Pictures one after the other, those of a series together."""
    groups: list[list[Picture]] = []
    for picture in pictures:
        last = groups[-1][-1] if groups else None
        if last is not None and _follows(last, picture):
            groups[-1].append(picture)
        else:
            groups.append([picture])
    return groups


def _follows(last: Picture, picture: Picture) -> bool:
    """Whether it is a later slice of the same series, as far as their files tell."""
    if last.slice is None or picture.slice is None:
        return False
    later = picture.slice[0] > last.slice[0] and picture.slice[1] == last.slice[1]
    return later and picture.about.told() == last.about.told()
