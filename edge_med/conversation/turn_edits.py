"""Turns of a conversation, changed: one asked differently, or without an image."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from edge_med.errors import UsageError
from edge_med.message_forms import reader, written_out
from edge_med.messages import (
    ImagePart,
    Message,
    Part,
    TextPart,
    check_named,
    checked_text,
    is_label,
)


def questions(turns: Sequence[Message], least: int = 0) -> list[int]:
    """Where the user's turns are.

    Raises:
        UsageError: there are fewer than the least.
    """
    places = [n for n, message in enumerate(turns) if message.role == "user"]
    if len(places) < least:
        raise UsageError("The conversation has no turn yet.", "Send a question first.")
    return places


def edited(turns: Sequence[Message], turn: int, text: str) -> tuple[Message, ...]:
    """Up to one of the user's, which has another text; its images and the labels of slices stay.

    Images stand before the text, or at its marks `<image>`, if it has as many.

    Raises:
        UsageError: there is no such turn.
        PromptError: an image stands in the text, or it is the name of one, or names one where
            none is shown; or the text is a conversation that was written out.
    """
    places = questions(turns)
    try:
        place = places[turn]
    except IndexError:
        raise UsageError(
            f"There is no turn {turn}.", f"The conversation has {len(places)}."
        ) from None
    written_out.check_prompt(text)
    written_out.check_text(text)
    left = (
        *turns[:place],
        Message("user", tuple(_with_text(turns[place].parts, checked_text(text)))),
    )
    if not any(message.pictures for message in left):
        check_named(left[-1:])
    return left


def _with_text(parts: Sequence[Part], text: TextPart) -> Iterator[Part]:
    """Images, and the labels of slices, with another text."""
    labels = {place for place in range(len(parts)) if is_label(parts, place)}
    images = [p for n, p in enumerate(parts) if isinstance(p, ImagePart) or n in labels]
    pieces = reader.marked([text.text])
    if labels or pieces.count(reader.ImagePlace()) != len(images):
        yield from (*images, text)
        return
    waiting = iter(images)
    for piece in pieces:
        yield TextPart(piece) if isinstance(piece, str) else next(waiting)


def without_image(turns: Sequence[Message], number: int) -> tuple[Message, ...]:
    """Without an image, and a slice's label; 0 is the first.

    Raises:
        UsageError: there is no such image.
    """
    places = [
        (turn, part)
        for turn, message in enumerate(turns)
        for part, shown in enumerate(message.parts)
        if isinstance(shown, ImagePart)
    ]
    if not 0 <= number < len(places):
        raise UsageError(f"There is no image {number}.", f"There are {len(places)}.")
    turn, part = places[number]
    parts = turns[turn].parts
    after = part + 1 + (part + 1 < len(parts) and is_label(parts, part + 1))
    left = replace(turns[turn], parts=parts[:part] + parts[after:])
    return (*turns[:turn], left, *turns[turn + 1 :])
