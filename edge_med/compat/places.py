"""Parts `{"type": "image"}` that name no image: places for images that come separately."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from edge_med.errors import PromptError
from edge_med.message_forms import reader
from edge_med.message_forms.keys import IMAGE_TYPES, SOURCES
from edge_med.message_forms.metadata_values import is_absent


def count(conversation: Sequence[Any]) -> int:
    """How many places there are that nothing in the conversation fills.

    Raises:
        PromptError: a part has another form.
    """
    return sum(reader.read(message)[1].count(reader.ImagePlace()) for message in conversation)


def filled(conversation: Sequence[Any], images: Sequence[Any]) -> list[Any]:
    """A conversation with an image in each place, in their order; the one that was given stays.

    Raises:
        PromptError: there are more or fewer places than images, or it has another form.
    """
    places = count(conversation)
    if places != len(images):
        raise PromptError(
            f"The images given are {len(images)}, and the conversation has {places} places.",
            "Write {'type': 'image'} where each of them stands, and nothing in it but that.",
        )
    waiting = iter(images)
    return [_filled(message, waiting) for message in conversation]


def _filled(message: Mapping[str, Any], images: Iterator[Any]) -> Mapping[str, Any]:
    if not count([message]):  # images next to its content may go to its places
        return message
    key = reader.content_key(message)
    parts = [message[key]] if isinstance(message[key], Mapping) else message[key]
    shown = [{"type": "image", "image": next(images)} if _is_place(p) else p for p in parts]
    return {**message, key: shown}


def _is_place(part: Any) -> bool:
    return (
        isinstance(part, Mapping)
        and part.get("type") in IMAGE_TYPES
        and all(is_absent(part.get(key)) for key in SOURCES)
    )
