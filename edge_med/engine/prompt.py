"""Messages to the tokens and images that the model reads, as Hugging Face's processor would.

The template inside a GGUF file is never run: turns are put together here, and control tokens come
from nowhere else. Source of the form: the chat template of Gemma 3, which MedGemma shares, and
`full_image_sequence` in transformers' processing_gemma3.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from edge_med.artifacts.vision_facts import IMAGE_TOKENS
from edge_med.engine.cache.ledger import ImageBlock, Item
from edge_med.engine.llama.text_model import TextModel
from edge_med.errors import REPORT, PromptError
from edge_med.imaging import Picture
from edge_med.messages import ImagePart, Message, Part, TextPart

ROLES = {"user": "user", "assistant": "model"}
BLANK_LINE = "\n\n"


@dataclass(frozen=True, slots=True)
class _Control:
    """A control token, by name."""

    name: str


Segment = str | _Control | Picture
"""Texts that stand side by side are tokenized as one, since tokens may cross the seam."""


def compose(
    model: TextModel, messages: Sequence[Message], image_tokens: int = IMAGE_TOKENS
) -> list[Item]:
    """The items of a conversation, up to where the model goes on.

    A model without turns, that is a base model, gets the plain text of one message to continue.

    Args:
        model: the model with the vocabulary.
        messages: a system text, if any, and turns. One of the assistant's may come first, as a
            greeting does; then the system text stands in the first question, where llama.cpp's own
            template for Gemma has it (`LLM_CHAT_TEMPLATE_GEMMA` in llama-chat.cpp), since Hugging
            Face's takes no such conversation. An assistant's last message is continued.
        image_tokens: number of tokens that an image takes.

    Raises:
        PromptError: the messages make no conversation.
    """
    segments = _conversation(messages) if model.has_turns else _plain(messages)
    items = list(_items(model, _joined(segments), image_tokens))
    pictures_of(messages, items)
    return items


def pictures_of(messages: Sequence[Message], items: Sequence[Item]) -> dict[str, Picture]:
    """The pictures of messages, by the keys that a prompt's blocks have; it shows every one.

    This is the second of two such checks: `edge_med.messages` has the first.

    Raises:
        PromptError: the prompt shows others, or in another order.
    """
    given = [picture for message in messages for picture in message.pictures]
    shown = [item.key for item in items if isinstance(item, ImageBlock)]
    if shown != [picture.sha256 for picture in given]:
        raise PromptError(
            f"{len(given)} images were given, and the prompt shows {len(shown)} or others.", REPORT
        )
    return {picture.sha256: picture for picture in given}


def written(messages: Sequence[Message]) -> str:
    """The conversation as Gemma's template writes it; an image is `<start_of_image>`.

    Raises:
        PromptError: the messages make no conversation.
    """
    named = [replace(message, parts=tuple(map(_named, message.parts))) for message in messages]
    segments = _conversation(named)
    return "".join(s.name if isinstance(s, _Control) else str(s) for s in segments)


def _named(part: Part) -> TextPart:
    return TextPart("<start_of_image>") if isinstance(part, ImagePart) else part


def merged(messages: Iterable[Message]) -> list[Message]:
    """Messages of one role after another as one; the template takes turns only.

    Texts that come together so are set apart by a blank line.
    """
    turns: list[Message] = []
    for message in messages:
        if turns and turns[-1].role == message.role:
            turns[-1] = replace(turns[-1], parts=_join(turns[-1].parts, message.parts))
        else:
            turns.append(message)
    return turns


def _join(first: tuple[Part, ...], second: tuple[Part, ...]) -> tuple[Part, ...]:
    match first[-1:], second[:1]:
        case (TextPart(before),), (TextPart(after),):
            both = TextPart(f"{before.strip()}{BLANK_LINE}{after.strip()}".strip())
            return (*first[:-1], both, *second[1:])
    return (*first, *second)


def _plain(messages: Sequence[Message]) -> Iterator[Segment]:
    """For a base model: no turns, and nothing is stripped."""
    if len(messages) != 1 or messages[0].role != "user":
        raise PromptError(
            "This is a base model: it continues one text and knows no conversation.",
            "Give one text alone, and no thinking; in a chat, /clear, /system none and /think off "
            "take away the rest.",
        )
    yield _Control("<bos>")
    for part in messages[0].parts:
        yield from _image(part.picture) if isinstance(part, ImagePart) else [part.text]


def _conversation(messages: Sequence[Message]) -> Iterator[Segment]:
    turns = merged(messages)
    system = turns.pop(0) if turns and turns[0].role == "system" else None
    _check(turns, system)
    asked = next(index for index, turn in enumerate(turns) if turn.role == "user")
    yield _Control("<bos>")
    for index, turn in enumerate(turns):
        last = index == len(turns) - 1
        yield _Control("<start_of_turn>")
        yield f"{ROLES[turn.role]}\n"
        if system is not None and index == asked:
            yield f"{system.text}{BLANK_LINE}"
        for part in turn.parts:
            yield from _image(part.picture) if isinstance(part, ImagePart) else [part.text.strip()]
        if not (last and turn.role == "assistant"):
            yield _Control("<end_of_turn>")
            yield "\n"
    if turns[-1].role == "user":
        yield _Control("<start_of_turn>")
        yield f"{ROLES['assistant']}\n"


def _check(turns: Sequence[Message], system: Message | None) -> None:
    if not any(turn.role == "user" for turn in turns):
        raise PromptError("The conversation has no question.", "Add a message of the role user.")
    if any(turn.role == "system" for turn in turns):
        raise PromptError("A system text stands before all turns.", "Put it first.")
    if system is not None and system.pictures:
        raise PromptError("A system text can't hold images.", "Put them into a question.")


def _image(picture: Picture) -> Iterator[Segment]:
    yield BLANK_LINE
    yield _Control("<start_of_image>")
    yield picture
    yield _Control("<end_of_image>")
    yield BLANK_LINE


def _joined(segments: Iterable[Segment]) -> Iterator[Segment]:
    texts: list[str] = []
    for segment in segments:
        if isinstance(segment, str):
            texts.append(segment)
            continue
        yield "".join(texts)
        texts.clear()
        yield segment
    yield "".join(texts)


def _items(model: TextModel, segments: Iterable[Segment], image_tokens: int) -> Iterator[Item]:
    for segment in segments:
        if isinstance(segment, str):
            yield from model.vocabulary.tokenize(segment)
        elif isinstance(segment, _Control):
            yield model.vocabulary.required(segment.name)
        else:
            yield ImageBlock(segment.sha256, image_tokens)
