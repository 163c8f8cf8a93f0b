"""The turns of a conversation that the model is shown once they exceed the context."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from edge_med.errors import ContextOverflowError, too_long
from edge_med.messages import Message

SLACK_SHARE = 4
"""A quarter of what may be shown is freed at once: the turns to come then find what was read.

Each time that something is left out, everything after it has to be read again.
"""

BETWEEN = 1
"""Tokens that a turn and its answer have more inside of a conversation than alone: the end of the
answer and its line break come on top, and <bos> doesn't."""

Count = Callable[[Sequence[Message]], int]


class Trimming:
    """Leaves out the oldest turns without images, and remembers which, as long as necessary."""

    def __init__(self, context: int) -> None:
        """For a context of so many tokens; nothing is left out yet."""
        self._context = context
        self._left_out: set[int] = set()
        self._sizes: dict[tuple[Message, ...], int] = {}

    def shown(
        self,
        system: Sequence[Message],
        turns: Sequence[Message],
        reserved: int,
        count: Count,
        size: Count,
    ) -> tuple[list[Message], int]:
        """What is shown of a conversation, and how many of its turns are left out.

        Args:
            system: system text, which stays.
            turns: questions and answers, and a last question, which stays.
            reserved: number of tokens that stay free for the answer.
            count: function that counts the tokens of a prompt of messages, with instructions.
            size: function that counts the tokens of messages alone; called once for a turn.

        Raises:
            ContextOverflowError: it doesn't fit the context however much is left out.
        """
        places = [place for place in range(0, len(turns) - 2, 2) if not _pictures(turns, place)]
        self._left_out.intersection_update(places)
        limit = self._context - reserved
        remaining = [*system, *self._without(turns)]
        tokens = count(remaining)
        if tokens + sum(self._size(turns, place, size) for place in self._left_out) <= limit:
            self._left_out.clear()
        elif tokens > limit:
            self._trim(turns, places, tokens - limit + limit // SLACK_SHARE, size)
            tokens = count([*system, *self._without(turns)])
        if tokens > self._context:
            raise _overflow(tokens, self._context, any(turn.pictures for turn in turns))
        return [*system, *self._without(turns)], len(self._left_out)

    def _trim(
        self, turns: Sequence[Message], places: Sequence[int], surplus: int, size: Count
    ) -> None:
        """Leave the oldest turns out until so many tokens are free, or none is left."""
        for place in places:
            if surplus > 0 and place not in self._left_out:
                surplus -= self._size(turns, place, size)
                self._left_out.add(place)

    def _size(self, turns: Sequence[Message], place: int, size: Count) -> int:
        pair = tuple(turns[place : place + 2])
        if pair not in self._sizes:
            self._sizes[pair] = size(pair) + BETWEEN
        return self._sizes[pair]

    def _without(self, turns: Sequence[Message]) -> list[Message]:
        return [turn for place, turn in enumerate(turns) if place & ~1 not in self._left_out]


def _pictures(turns: Sequence[Message], place: int) -> bool:
    return any(turn.pictures for turn in turns[place : place + 2])


def _overflow(tokens: int, context: int, pictures: bool) -> ContextOverflowError:  # noqa: FBT001
    never = ", whose images are never left out," if pictures else ""
    what = f"The conversation{never} has {tokens} tokens"
    return too_long(what, tokens, context, "Begin a new one.")
