"""A conversation for other readers: Markdown for people, messages in Hugging Face's form."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from edge_med import _platform
from edge_med.answers import DISCLAIMER
from edge_med.errors import InputError, UsageError
from edge_med.imaging import Picture
from edge_med.imaging.volume.slice_selection import ranges, series_among
from edge_med.messages import ImagePart, Message, Part, TextPart
from edge_med.provenance import Record, Records, grouped

TITLES = {"system": "System", "user": "Question", "assistant": "Answer"}


def write(path: Path, messages: Sequence[Message], records: Records = ()) -> None:
    """Write messages to a new file that only its owner can read; its ending says in which form.

    Args:
        path: path of the file.
        messages: messages of a conversation.
        records: records of the answers among them.

    Raises:
        UsageError: the ending is another than .md and .json, or there is such a file.
        InputError: it can't be written.
    """
    form = FORMS.get(path.suffix.lower())
    if form is None:
        raise UsageError(
            "An export ends in .md or .json.", "Give a name with one of these endings."
        )
    if os.path.lexists(path):
        raise UsageError(f"The file {path.name} exists already.", "Give another name.")
    try:
        _platform.write_private(path, form(messages, records).encode())
    except OSError as error:
        raise InputError(
            f"The conversation can't be exported: {error.strerror}.",
            "Give a path in an existing folder that you may write to.",
        ) from None


def markdown(messages: Sequence[Message], records: Records = ()) -> str:
    """For people: what answered, and every turn; images are named by size and hash."""
    blocks = [f"> {DISCLAIMER}", *_head(records)]
    left = iter(records)
    for message in messages:
        blocks.append(f"## {TITLES[message.role]}")
        if message.role == "assistant":
            blocks += [message.text, *_record_lines(next(left, None))]
        else:
            blocks += [*_images(message), message.question]
    return "\n\n".join(blocks) + "\n"


def chat_messages(messages: Sequence[Message], records: Records = ()) -> str:
    """For programs: what Hugging Face's chat templates take; images are named by their hashes.

    Answers say what wrote them under `provenance`, a key that templates ignore.
    """
    data: list[dict[str, Any]] = [
        {"role": m.role, "content": [_part(part) for part in m.parts]} for m in messages
    ]
    answers = [one for one in data if one["role"] == "assistant"]
    for answer, record in zip(answers, records, strict=False):
        if record is not None:
            answer["provenance"] = record.to_dict()
    return json.dumps(data, ensure_ascii=False, indent=1) + "\n"


FORMS: dict[str, Callable[[Sequence[Message], Records], str]] = {
    ".md": markdown,
    ".json": chat_messages,
}


def _head(records: Records) -> Iterator[str]:
    """What wrote the answers, once where it is the same."""
    found = grouped(records)
    for record, numbers in found:
        which = "The answers" if len(found) == 1 else f"Answer {ranges(numbers)}"
        lines = record.lines() if record else ["its model isn't known"]
        yield "\n".join((f"{which}:\n", *(f"- {line}" for line in lines)))


def _record_lines(record: Record | None) -> Iterator[str]:
    """The date and the notices of an answer."""
    if record is None:
        return
    for notice in record.notices:
        if notice.code != "research_only":  # the file begins with it
            yield f"*{notice.text}*"
    yield f"*{record.date}, {record.finish_reason}*"


def _part(part: Part) -> dict[str, Any]:
    if isinstance(part, TextPart):
        return {"type": "text", "text": part.text}
    assert isinstance(part, ImagePart)
    return {"type": "image", "sha256": part.picture.sha256}


def _images(message: Message) -> Iterator[str]:
    """A line for an image, and one for the slices of a series."""
    for group, labels in series_among(message.pictures, message.labels):
        first = group[0]
        width, height = first.original_size
        known = first.about.prompt_line() or "image"
        size = f"{width} x {height} pixels, fit {first.fit}"
        label = f", labelled SLICE {ranges(labels)}" if labels else ""
        of_first = " of the first" if len(group) > 1 else ""
        yield f"*{known}{_which(group)}{label}, {size}, SHA-256{of_first} {first.sha256}*"


def _which(group: Sequence[Picture]) -> str:
    """Which slices of their series."""
    places = [picture.slice for picture in group if picture.slice]
    if not places:
        return ""
    numbers, total = [number for number, _ in places], places[0][1]
    word = "slice" if len(numbers) == 1 else "slices"
    series = str(group[0].series_origin or "")
    return f", {word} {ranges(numbers)} of {total}{series and f' of {series}'}"
