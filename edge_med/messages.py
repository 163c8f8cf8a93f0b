"""A conversation as values: messages of text and image parts, from Hugging Face's form or ours."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from edge_med import imaging
from edge_med.errors import ImageError, PromptError
from edge_med.imaging import Fit, Picture, Room, Study

Role = Literal["system", "user", "assistant"]
ROLES: dict[str, Role] = {
    "system": "system",
    "user": "user",
    "assistant": "assistant",
    "model": "assistant",
}
"""`model` is what Gemma's template calls the assistant."""

FORM = "Give messages as {'role': 'user', 'content': 'text' or [{'type': 'text', 'text': …}]}."


@dataclass(frozen=True, slots=True)
class TextPart:
    """A text, as the user gave it."""

    text: str

    def __post_init__(self) -> None:
        if not isinstance(self.text, str):
            raise PromptError(f"{_short(self.text)} isn't a text.", FORM)


@dataclass(frozen=True, slots=True)
class ImagePart:
    """A prepared picture."""

    picture: Picture


Part = TextPart | ImagePart


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation, or its system text."""

    role: Role
    parts: tuple[Part, ...]

    def __post_init__(self) -> None:
        if self.role not in ROLES.values():
            raise PromptError("A message's role is none of system, user and assistant.", FORM)

    @property
    def text(self) -> str:
        """All of its text parts, joined."""
        return "".join(part.text for part in self.parts if isinstance(part, TextPart))

    @property
    def question(self) -> str:
        """Its last text part: what was asked, without the labels of a series before it."""
        texts = [part.text for part in self.parts if isinstance(part, TextPart)]
        return texts[-1] if texts else ""

    @property
    def pictures(self) -> tuple[Picture, ...]:
        """Its pictures, in order."""
        return tuple(part.picture for part in self.parts if isinstance(part, ImagePart))


Prompt = str | Sequence[Message | Mapping[str, Any]]
"""A question, or a conversation in Hugging Face's form or ours."""


def as_messages(
    prompt: Prompt,
    *,
    images: Sequence[Any] = (),
    system: str | None = None,
    fit: Fit = "pad",
    side: int = 896,
    room: Room = Room(),  # noqa: B008 - frozen
) -> tuple[Message, ...]:
    """Messages from whatever a caller has.

    Args:
        prompt: a question, or a whole conversation.
        images: for a question, shown before its text; for a conversation, taken one after another
            by its parts {'type': 'image'} that name no image of their own. A series of slices is
            shown with a label behind each.
        system: put before everything.
        fit: for images that aren't pictures yet.
        side: of the model's square, in pixels.
        room: what there is for the slices of a series.

    Raises:
        PromptError: it has another form, or images are left over or missing.
        ImageError: an image can't be read.
    """
    opener = _Opener(fit, side, room)
    opened = imaging.open_all([*images], fit=fit, side=side, room=room)
    pending = iter([shown_parts(image) for image in opened])
    if isinstance(prompt, str):
        shown = tuple(part for parts in pending for part in parts)
        messages = [Message("user", (*shown, TextPart(prompt)))]
    elif isinstance(prompt, Iterable):
        messages = [_message(message, pending, opener) for message in prompt]
    else:
        raise PromptError(f"{_short(prompt)} isn't a prompt.", f"Give a text. {FORM}")
    if next(pending, None) is not None:
        raise PromptError(
            "More images were given than the conversation has places for.",
            "Add a part {'type': 'image'} for each.",
        )
    if system is not None:
        messages.insert(0, Message("system", (TextPart(system),)))
    return tuple(messages)


def check_sizes(messages: Sequence[Message], side: int) -> None:
    """Refuse pictures of another size than the model's: llama.cpp would fit them by its own rule.

    Raises:
        ImageError: there is one.
    """
    for picture in (picture for message in messages for picture in message.pictures):
        if picture.pixels.shape != (side, side, 3):
            raise ImageError(
                f"A picture has the shape {picture.pixels.shape}, and the model sees {side} x "
                f"{side} pixels.",
                f"Give the image itself, or open it with side={side}.",
            )


def shown_parts(image: Picture | Study) -> tuple[Part, ...]:
    """What is sent of a picture, or of a series: each slice and its label."""
    content = (image,) if isinstance(image, Picture) else image.content()
    return tuple(TextPart(part) if isinstance(part, str) else ImagePart(part) for part in content)


@dataclass(frozen=True, slots=True)
class _Opener:
    """How images that aren't pictures yet are opened."""

    fit: Fit
    side: int
    room: Room

    def parts(self, image: Any) -> tuple[Part, ...]:
        """What is sent of an image, or of a series of slices."""
        return shown_parts(
            imaging.open(image, fit=self.fit, side=self.side, slices="auto", room=self.room)
        )


_Pending = Iterator[tuple[Part, ...]]


def _message(message: object, pending: _Pending, opener: _Opener) -> Message:
    if isinstance(message, Message):
        return message
    if not isinstance(message, Mapping):
        raise PromptError(f"{_short(message)} isn't a message.", FORM)
    if message.get("role") not in ROLES:
        raise PromptError(
            f"A message has {_named('role', message)}, and there are {', '.join(ROLES)}.", FORM
        )
    content = message.get("content")
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
    if not isinstance(parts, Sequence):
        raise PromptError(f"{_short(content)} isn't a message's content.", FORM)
    role = ROLES[message["role"]]
    found = [_parts(part, pending, opener) for part in parts]
    return Message(role, tuple(part for several in found for part in several))


def _parts(part: Any, pending: _Pending, opener: _Opener) -> tuple[Part, ...]:
    match part:
        case {"type": "text", "text": str(text)}:
            return (TextPart(text),)
        case {"type": "image", "image": image, **rest} | {
            "type": "image",
            "path": image,
            **rest,
        } if not rest:
            return opener.parts(image)
        case {"type": "image", "url": url}:
            raise PromptError(
                f"{_short(url)} would have to be fetched, and nothing here opens a connection.",
                "Save the image, and give its path as 'image'.",
            )
        case {"type": "image", **rest} if not rest:
            shown = next(pending, None)
            if shown is None:
                raise PromptError(
                    "The conversation has a place for an image that wasn't given.",
                    "Give it as images=[…], or in the part itself as 'image'.",
                )
            return shown
        case {"type": "image"}:
            raise PromptError(
                "A part of type image has a key that isn't known.",
                "Give it as 'image': a path, bytes, an open file, an image of Pillow's, an array.",
            )
    if isinstance(part, Mapping):
        raise PromptError(
            f"A part of a message has {_named('type', part)}, and there are text and image.",
            "Give {'type': 'text', 'text': …} or {'type': 'image', 'image': …}: a path, bytes, an "
            "open file, an image of Pillow's or an array.",
        )
    raise PromptError(f"{_short(part)} isn't a part of a message.", FORM)


_NAME = re.compile(r"[A-Za-z_-]{1,30}")


def _named(key: str, given: Mapping[str, Any]) -> str:
    """What stands under a key, if it is a name of some other program's; no text of a patient's."""
    value = given.get(key)
    if value is None:
        return f"no {key}"
    return f"the {key} {value}" if _NAME.fullmatch(str(value)) else f"another {key}"


def _short(value: object) -> str:
    """What kind of thing was given; never its content, which may be a patient's."""
    return f"A value of type {type(value).__name__}"
