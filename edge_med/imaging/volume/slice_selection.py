"""Which slices of a volume the model is shown: what fits context, memory and patience."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, SupportsIndex

from edge_med.errors import LARGEST, ContextOverflowError, UsageError
from edge_med.imaging.volume.slice_budget import SliceBudget

if TYPE_CHECKING:
    from edge_med.imaging.picture import Picture

MOST: dict[bool, int] = {True: 85, False: 20}
"""Slices that are shown of a volume if nobody says how many: where a GPU sees them as many as in
Google's notebook high_dimensional_ct_hugging_face.ipynb. A CPU takes about a minute for each, so
that twenty are what somebody may wait for; the number doesn't depend on how fast it was before."""

BYTES = 8 << 20
"""Memory of a slice on its way: its picture, and the decoder's copies of it."""

_FEW = 8
"""Number of slices up to which those left out are listed by their numbers."""

_SHOWN = 40
"""Characters of a choice that isn't understood."""

_FORMS = "Use auto, all, a number of slices, first:last:step as 12:12, or a list as 3,5,7."

_LIST = re.compile(r"\d{1,6}(,\d{1,6})+,?|\d{1,6},")
_RANGE = re.compile(r"(\d{0,6}):(\d{0,6})(?::(\d{1,6}))?")


@dataclass(frozen=True, slots=True)
class SlicePlan:
    """Which slices are shown, and what they cost.

    Attributes:
        chosen: slices, from 0 on, in order.
        total: number of slices of the volume.
        tokens: number of tokens of the chosen slices with their labels.
        seconds: seconds that they take; None if not known.
        reason: reason why not all are shown, or why these.
        image: name of one: slice or image.
        more: cost of all slices, and how to get them; empty if all are shown. Options in it
            stand between backticks, as in the hints of errors.
    """

    chosen: tuple[int, ...]
    total: int
    tokens: int
    seconds: float | None
    reason: str
    image: str = "slice"
    more: str = ""

    def __str__(self) -> str:
        return f"{self._counted()}, {self.tokens:,} tokens{_time(self.seconds)}"

    def _counted(self) -> str:
        shown = len(self.chosen)
        if shown < self.total:
            return f"{shown} of {self.total} {self.image}s ({self.reason})"
        return f"all {shown} {self.image}s" if shown > 1 else f"one {self.image}"

    @property
    def which(self) -> str:
        """Which are shown and which aren't, and what an answer calls them; empty if all are."""
        shown = [index + 1 for index in self.chosen]
        if len(shown) == self.total:
            return ""
        left = [number for number in range(1, self.total + 1) if number not in {*shown}]
        others = ranges(left) if len(left) <= _FEW else f"the {len(left)} others"
        text = f"Shown: {ranges(shown)} of {self.total}. Left out: {others}."
        last = len(shown)
        if self.image != "slice" or last < 2 or shown[-1] == last:  # one alone has no label
            return text
        return f"{text} In answers SLICE n is the n-th of these: SLICE {last} is slice {shown[-1]}."


def without(plan: SlicePlan, unread: Collection[int]) -> SlicePlan:
    """A plan of which some slices can't be shown; the others keep their numbers."""
    chosen = tuple(index for index in plan.chosen if index not in unread)
    if chosen == plan.chosen:
        return plan
    share = len(chosen) / len(plan.chosen)
    return replace(
        plan,
        chosen=chosen,
        tokens=round(plan.tokens * share),
        seconds=None if plan.seconds is None else plan.seconds * share,
        reason=f"{len(plan.chosen) - len(chosen)} of {len(plan.chosen)} can't be read",
    )


def _time(seconds: float | None) -> str:
    """A time to wait, after a comma; nothing if not known."""
    if not seconds:
        return ""
    minutes = round(seconds / 60)
    return f", about {minutes} min" if minutes > 1 else f", about {max(1, round(seconds))} s"


def plan(
    total: int,
    wanted: str = "auto",
    room: SliceBudget = SliceBudget(),  # noqa: B008 - frozen
    image: str = "slice",
) -> SlicePlan:
    """Choose slices.

    Args:
        total: number of slices of the volume.
        wanted: choice: `auto`; `all`; a number of slices, spread evenly; `first:last:step`, or
            numbers with commas between them, from 1 on.
        room: budget for them.
        image: name of one: slice or image.

    Raises:
        UsageError: what is wanted has none of these forms, or is no slice of the volume.
        ContextOverflowError: it doesn't fit the context.
    """
    reason = "as asked"
    if wanted == "auto":
        count, reason = _fitting(total, room)
        chosen = spread(total, count)
    elif wanted == "all":
        chosen = tuple(range(total))
    elif wanted.isdecimal() and int(wanted):
        chosen = spread(total, int(wanted))
    else:
        chosen = _range(total, wanted)
    each = room.each
    tokens = len(chosen) * each
    if room.tokens is not None and tokens > room.tokens:
        raise _too_many(len(chosen), room, image)
    seconds = None if room.seconds is None else len(chosen) * room.seconds
    more = _more(total, room, image) if wanted == "auto" and len(chosen) < total else ""
    return SlicePlan(chosen, total, tokens, seconds, reason, image, more)


def _more(total: int, room: SliceBudget, image: str) -> str:
    """What all take, and the options for it."""
    tokens = total * room.each
    options = '`slices="all"`'
    if room.tokens is not None and tokens > room.tokens:
        context = math.ceil((tokens + room.beside) / _STEP) * _STEP
        if context > LARGEST:
            return f"All {total} {image}s need {tokens:,} tokens, more than any context holds."
        options += f" and `context={context}`"
    time = _time(None if room.seconds is None else total * room.seconds)
    return f"All {total} {image}s need {tokens:,} tokens{time}: use {options}."


_STEP = 1024
"""Steps of contexts in messages, in tokens."""


def _too_many(count: int, room: SliceBudget, image: str) -> ContextOverflowError:
    each = room.each
    free = max(0, room.tokens or 0)
    most, slices = free // each, f"{count} {image}s are" if count > 1 else f"One {image} is"
    return ContextOverflowError(
        f"{slices} {count * each:,} tokens, but only {free:,} are free.",
        f"Show at most {most} with `slices`, or raise `context`." if most else "Raise `context`.",
    )


def spread(total: int, count: int) -> tuple[int, ...]:
    """So many slices of a volume, by the notebook's formula; all if there are no more."""
    if total <= count:
        return tuple(range(total))
    return tuple(round(i / count * (total - 1)) for i in range(1, count + 1))


def _fitting(total: int, room: SliceBudget) -> tuple[int, str]:
    """How many slices there is room for, and what it is that limits them."""
    most = MOST[room.gpu]
    why = "the number of Google's notebook" if room.gpu else f"at most {most} without a GPU"
    limits = [(total, "all"), (most, why)]
    if room.tokens is not None:
        limits.append((room.tokens // room.each, "what the context holds"))
    if room.memory is not None:
        limits.append((room.memory // BYTES, "what the memory holds"))
    count, reason = min(limits, key=lambda limit: limit[0])
    return max(1, count), reason


def _range(total: int, wanted: str) -> tuple[int, ...]:
    if _LIST.fullmatch(wanted):
        listed = sorted({int(number) - 1 for number in wanted.strip(",").split(",")})
        if listed[0] >= 0 and listed[-1] < total:
            return tuple(listed)
    match = _RANGE.fullmatch(wanted)
    parts = match.groups() if match else ("0", "0", "0")
    first, last, step = (int(part) if part else None for part in parts)
    chosen = tuple(range((first or 1) - 1, min(last or total, total), step or 1))
    if not match or first == 0 or step == 0 or not chosen:
        raise UsageError(
            f"There are no slices {wanted[:_SHOWN]!r}: the slices are 1 to {total}.",
            _FORMS,
        )
    return chosen


def label(number: int) -> str:
    """The label of a slice in the prompt and in answers."""
    return f"SLICE {number}"


def labelled(text: str) -> int | None:
    """The number in a slice's label; None of another text."""
    found = _LABEL.fullmatch(text)
    return int(found[1]) if found else None


_LABEL = re.compile(r"SLICE (\d{1,6})")
"""What `label` says."""


def as_text(wanted: object) -> str | None:
    """Which slices are wanted, as `plan` takes it: programs have numbers and lists of them.

    Raises:
        UsageError: it is something else.
    """
    if wanted is None or isinstance(wanted, str):
        return wanted
    several = isinstance(wanted, Iterable)
    numbers = [*wanted] if isinstance(wanted, Iterable) else [wanted]
    whole = all(isinstance(one, SupportsIndex) and not isinstance(one, bool) for one in numbers)
    if not (whole and numbers):
        raise UsageError(f"There are no slices {str(wanted)[:_SHOWN]}.", _FORMS)
    return "".join(f"{number}," for number in numbers) if several else str(wanted)


def ranges(numbers: Sequence[int]) -> str:
    """Numbers in order, those that follow each other as a range: 2-5, 7."""
    parts: list[list[int]] = []
    for number in numbers:
        if parts and number == parts[-1][-1] + 1:
            parts[-1][1:] = [number]
        else:
            parts.append([number])
    return ", ".join("-".join(map(str, part)) for part in parts)


def series_among(
    pictures: Sequence[Picture], labels: Sequence[int | None]
) -> list[tuple[list[Picture], list[int]]]:
    """Pictures one after the other, those of a series together, and the numbers of their labels."""
    groups: list[tuple[list[Picture], list[int]]] = []
    for picture, label in zip(pictures, labels, strict=True):
        if not groups or not _follows(groups[-1][0][-1], picture):
            groups.append(([], []))
        several, numbers = groups[-1]
        several.append(picture)
        numbers += [] if label is None else [label]
    return groups


def _follows(last: Picture, picture: Picture) -> bool:
    """Whether it is a later slice of what was opened with the other at once."""
    if (
        last.slice is None
        or picture.slice is None
        or last.series_origin is None
        or picture.series_origin is None
    ):
        return False
    return (
        picture.series_origin.opened == last.series_origin.opened
        and picture.slice[0] > last.slice[0]
    )
