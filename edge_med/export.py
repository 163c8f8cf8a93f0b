"""A conversation for other readers: Markdown for people, messages in Hugging Face's form."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from edge_med import _platform
from edge_med.errors import InputError, UsageError
from edge_med.imaging import Picture
from edge_med.messages import ImagePart, Message, Part, TextPart

NOTICE = "For research and education; never for diagnosis or treatment."

TITLES = {"system": "System", "user": "Question", "assistant": "Answer"}


def write(path: Path, messages: Sequence[Message]) -> None:
    """Write messages to a new file that only its owner can read; its ending says in which form.

    Raises:
        UsageError: the ending is another than .md and .json, or there is such a file.
        InputError: it can't be written.
    """
    form = FORMS.get(path.suffix.lower())
    if form is None:
        raise UsageError("That is no form to export.", "Give a name ending in .md or .json.")
    if os.path.lexists(path):
        raise UsageError("There is already a file of that name.", "Give another name.")
    try:
        _platform.write_private(path, form(messages).encode())
    except OSError as error:
        raise InputError(
            f"The conversation can't be exported: {error.strerror}.",
            "Give a path in a folder that is there, and that you may write in.",
        ) from None


def markdown(messages: Sequence[Message]) -> str:
    """For people; images are told by size and hash."""
    blocks = [f"> {NOTICE}"]
    for message in messages:
        blocks.append(f"## {TITLES[message.role]}")
        blocks += [f"*{_told(picture)}*" for picture in message.pictures]
        blocks.append(message.text)
    return "\n\n".join(blocks) + "\n"


def chat_messages(messages: Sequence[Message]) -> str:
    """For programs: what Hugging Face's chat templates take; images are told by their hashes."""
    data = [{"role": m.role, "content": [_part(part) for part in m.parts]} for m in messages]
    return json.dumps(data, ensure_ascii=False, indent=1) + "\n"


FORMS: dict[str, Callable[[Sequence[Message]], str]] = {".md": markdown, ".json": chat_messages}


def _part(part: Part) -> dict[str, Any]:
    if isinstance(part, TextPart):
        return {"type": "text", "text": part.text}
    assert isinstance(part, ImagePart)
    return {"type": "image", "sha256": part.picture.sha256}


def _told(picture: Picture) -> str:
    width, height = picture.original_size
    return f"Image of {width} x {height} pixels, fit {picture.fit}, SHA-256 {picture.sha256}"
