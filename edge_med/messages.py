"""A conversation as values: messages of text and image parts, whatever form they came in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edge_med import imaging
from edge_med.artifacts.vision_facts import MEDGEMMA_SIDE
from edge_med.errors import AS_IMAGE, REPORT, ImageError, PromptError, blind
from edge_med.imaging import Fit, Picture, SliceBudget, Study
from edge_med.imaging.files.embedded_images import holds_image
from edge_med.imaging.files.image_names import is_name_alone
from edge_med.imaging.files.mentions import mentioned
from edge_med.imaging.volume.slice_selection import labelled
from edge_med.message_forms import reader, written_out
from edge_med.message_forms.keys import FORM, ROLES, Role
from edge_med.message_forms.reader import GivenImage, ImagePlace, Piece, short


@dataclass(frozen=True, slots=True)
class TextPart:
    """A text, as the user gave it."""

    text: str

    def __post_init__(self) -> None:
        if not isinstance(self.text, str):
            raise PromptError(f"{short(self.text)} isn't a text.", FORM)


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
        """The question without the labels of slices, with `<image>` for an image within it."""
        parts = [part for n, part in enumerate(self.parts) if not is_label(self.parts, n)]
        texts = [place for place, part in enumerate(parts) if isinstance(part, TextPart)]
        within = parts[texts[0] : texts[-1] + 1] if texts else ()
        return "".join(part.text if isinstance(part, TextPart) else "<image>" for part in within)

    @property
    def pictures(self) -> tuple[Picture, ...]:
        """Its pictures, in order."""
        return _pictures(self.parts)

    @property
    def labels(self) -> tuple[int | None, ...]:
        """Of each picture the number in the slice's label after it; None of one without."""
        behind = [part.text if isinstance(part, TextPart) else "" for part in self.parts[1:-1]]
        return tuple(
            labelled(text)
            for part, text in zip(self.parts, [*behind, "", ""], strict=False)
            if isinstance(part, ImagePart)
        )


def is_label(parts: Sequence[Part], place: int) -> bool:
    """Whether a part is a slice's label; the last one may be a question that reads like one."""
    part = parts[place]
    return (
        isinstance(part, TextPart)
        and 0 < place < len(parts) - 1
        and isinstance(parts[place - 1], ImagePart)
        and labelled(part.text) is not None
    )


def _pictures(parts: Iterable[Part]) -> tuple[Picture, ...]:
    return tuple(part.picture for part in parts if isinstance(part, ImagePart))


Prompt = str | Message | Mapping[str, Any] | Sequence[Message | Mapping[str, Any]]
"""A question; a message or a conversation, as ours or in another's form; or a dataset's row."""


def as_messages(
    prompt: Prompt,
    *,
    images: Sequence[Any] = (),
    system: str | None = None,
    fit: Fit = "pad",
    side: int = MEDGEMMA_SIDE,
    budget: SliceBudget = SliceBudget(),  # noqa: B008 - frozen
    sees: bool = True,
) -> tuple[Message, ...]:
    """Messages from a prompt of any form.

    Args:
        prompt: question, or whole conversation.
        images: images, which are shown before a question's text, or in the order of a
            conversation's parts {'type': 'image'} without an image of their own. Each slice of a
            series is followed by a label.
        system: system text, which comes first.
        fit: fit of images that aren't pictures yet.
        side: side of the model's square, in pixels.
        budget: budget for the slices of a series.
        sees: whether the model has a projector; if not, no image is opened.

    Raises:
        PromptError: the prompt has another form, there are too many or too few images, or a
            question without an image names a file.
        ImageError: an image can't be read, or the model can't see.
    """
    given, row_images = _read(prompt, len(images))
    sources = [*images, *row_images]
    own = [
        piece.image for read in given for piece in _pieces(read) if isinstance(piece, GivenImage)
    ]
    ours = [read.parts for read in given if isinstance(read, Message)]
    if not sees and (sources or own or any(map(_pictures, ours))):
        raise blind()
    found = imaging.open_all([*sources, *own], fit=fit, side=side, room=budget)
    opened = [shown_parts(image) for image in found]
    pending = _Opened(iter(opened[: len(sources)]), iter(opened[len(sources) :]))
    messages = [_message(read, pending) for read in given]
    if not any(message.pictures for message in messages):
        theirs = zip(given, messages, strict=True)
        check_named(message for read, message in theirs if not isinstance(read, Message))
    if next(pending.given, None) is not None:
        raise PromptError(
            "There are more images than places for images in the conversation.",
            "Add a part {'type': 'image'} for each, or <image> in a text.",
        )
    if system is not None:
        messages.insert(0, Message("system", (checked_text(system),)))
    _check_shown(messages, [*opened, *ours])
    return tuple(messages)


_Read = Message | tuple[Role, tuple[Piece, ...]]
"""A message of ours, or what another's form says."""


def _read(prompt: Any, images: int) -> tuple[list[_Read], tuple[Any, ...]]:
    """The messages of a conversation, and the images of a dataset's row; nothing is opened.

    A question is a message with places for so many images before its text.
    """
    if isinstance(prompt, str):
        written_out.check_prompt(prompt)
        pieces = reader.marked([prompt]) if images else [prompt]
        before = [] if ImagePlace() in pieces else [ImagePlace()] * images
        return [("user", (*before, *pieces))], ()
    row_images: tuple[Any, ...] = ()
    try:
        if isinstance(prompt, Mapping):
            prompt, row_images = reader.row(prompt)
        given = [prompt] if isinstance(prompt, Message) else prompt
        if isinstance(given, bytes | bytearray | memoryview) or not isinstance(given, Iterable):
            raise PromptError(f"{short(given)} isn't a prompt.", f"Give a text. {FORM}")
        found = [one if isinstance(one, Message) else reader.read(one) for one in given]
        return (_marked(found) if images or row_images else found), row_images
    except RecursionError:
        raise PromptError("The conversation's values are nested too deeply.", FORM) from None


def _marked(given: list[_Read]) -> list[_Read]:
    """Messages with places at the marks in users' texts, if they have no other places."""
    if any(ImagePlace() in _pieces(read) for read in given):
        return given
    return [
        read
        if isinstance(read, Message) or read[0] != "user"
        else (read[0], tuple(reader.marked(read[1])))
        for read in given
    ]


def _pieces(read: _Read) -> tuple[Piece, ...]:
    return () if isinstance(read, Message) else read[1]


@dataclass(frozen=True, slots=True)
class _Opened:
    """The parts of each image: of those given with a conversation, and of those inside of it."""

    given: Iterator[tuple[Part, ...]]
    inside: Iterator[tuple[Part, ...]]

    def parts(self, piece: Piece) -> tuple[Part, ...]:
        """A text; what is sent of an image, or of a series of slices."""
        if isinstance(piece, str):
            return (TextPart(piece),)
        if isinstance(piece, GivenImage):
            return next(self.inside)
        if (shown := next(self.given, None)) is not None:
            return shown
        raise PromptError(
            "The conversation has a place for an image, and there is no image for it.",
            "Give it as images=[…], or in the part itself as 'image'.",
        )


def _message(read: _Read, opened: _Opened) -> Message:
    """A message of ours as it is, if its texts are texts, and any other with its images."""
    if isinstance(read, Message):
        message = read
    else:
        role, pieces = read
        message = Message(role, tuple(part for one in pieces for part in opened.parts(one)))
    _check_texts(message)
    return message


def _check_texts(message: Message) -> None:
    """Refuse texts in the place of images; as many names as there are pictures are their labels.

    What the assistant wrote may be the name of a file, but a question is more than that.
    """
    texts = [part.text for part in message.parts if isinstance(part, TextPart)]
    names = [text for text in texts if is_name_alone(text)]
    labels = len(names) <= len(message.pictures) and not is_name_alone("".join(texts[-1:]))
    for text in texts:
        checked_text(text, named=message.role == "assistant" or labels)
        if message.role == "user":
            written_out.check_text(text)


_AS_IMAGE = f"{AS_IMAGE}."
_AS_WHAT_IT_IS = f"{AS_IMAGE}; of a text file, give the text."


def checked_text(text: Any, *, named: bool = False) -> TextPart:
    """A part with a text that neither contains an image as letters nor is only a file's name.

    Args:
        text: value from the caller.
        named: whether the text may be only the name of a file.

    Raises:
        PromptError: the value isn't such a text.
    """
    if isinstance(text, str) and holds_image(text):
        raise PromptError(
            "A text contains an image, or a file that may hold one, as base64, hex or numbers: "
            "the model would read it as letters.",
            _AS_IMAGE,
        )
    if isinstance(text, str) and not named and is_name_alone(text):
        raise PromptError(
            "A text is only a file's name or an address, which isn't opened.", _AS_WHAT_IT_IS
        )
    return TextPart(text)


def check_named(messages: Iterable[Message]) -> None:
    """Refuse questions without an image that name one: what they name isn't opened.

    A `Message` of a caller's own isn't judged: a `TextPart` there is a text.

    Raises:
        PromptError: one names a file that is there, or the address of an image.
    """
    for message in messages:
        texts = (part.text for part in message.parts if isinstance(part, TextPart))
        if message.role == "user" and any(any(mentioned(text)) for text in texts):
            raise PromptError(
                "A question names a file that exists, or an image's address, which isn't opened.",
                _AS_WHAT_IT_IS,
            )


def _check_shown(messages: Sequence[Message], opened: Sequence[tuple[Part, ...]]) -> None:
    """Every picture that was handed in is in the messages: the first of two such checks.

    The engine's prompt has the second.
    """
    handed = [picture.sha256 for parts in opened for picture in _pictures(parts)]
    shown = [picture.sha256 for message in messages for picture in message.pictures]
    if sorted(handed) != sorted(shown):
        raise PromptError(
            f"The call has {len(handed)} images, and the conversation shows {len(shown)}.", REPORT
        )


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
