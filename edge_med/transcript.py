"""A conversation as a file: JSON with its texts, and its images or their hashes."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from edge_med import _platform, imaging
from edge_med.config import Fit
from edge_med.errors import ImageError, InputError, UsageError
from edge_med.form_keys import ROLES
from edge_med.imaging import Picture
from edge_med.messages import ImagePart, Message, Part, TextPart

FORMAT = 1
_HINT = "Give a file that /save in the chat, or Conversation.save, wrote."
_DAMAGE = (
    *(OSError, ValueError, KeyError, TypeError, AttributeError),
    *(RecursionError, OverflowError),
    *(UsageError, ImageError),
)
"""What reading a file meets that somebody has changed."""


def save(path: Path, messages: Sequence[Message], *, images: bool) -> None:
    """Write messages to a file that only its owner can read; it appears whole or not at all."""
    turns = [
        {"role": m.role, "parts": [_part_data(part, images=images) for part in m.parts]}
        for m in messages
    ]
    text = json.dumps({"format": FORMAT, "messages": turns}, ensure_ascii=False, indent=1)
    try:
        _platform.write_private(path, text.encode())
    except OSError as error:
        raise InputError(
            f"The conversation can't be saved: {error.strerror}.",
            "Give a path in a folder that is there, and that you may write in.",
        ) from None


def load(path: Path, pictures: Sequence[Picture], side: int) -> tuple[Message, ...]:
    """Read what `save` wrote.

    Args:
        path: of the file.
        pictures: for images that it knows by their hashes only.
        side: of the model's square, in pixels; images in the file must have it.

    Raises:
        InputError: it isn't a saved conversation, or an image is missing.
    """
    known = {(picture.sha256, picture.fit): picture for picture in pictures}
    try:
        data = json.loads(path.read_text("utf-8"))
        if data["format"] != FORMAT:
            raise ValueError("another format")
        messages = tuple(
            Message(ROLES[m["role"]], tuple(_part(part, known, side) for part in m["parts"]))
            for m in data["messages"]
        )
        _check_turns(messages)
    except _DAMAGE as error:
        raise InputError(
            f"{path.name} isn't a saved conversation: {type(error).__name__}.", _HINT
        ) from None
    return messages


def _check_turns(messages: Sequence[Message]) -> None:
    """A system text, if any, and then questions, each with its answer."""
    turns = messages[1:] if messages and messages[0].role == "system" else messages
    if [turn.role for turn in turns] != ["user", "assistant"] * (len(turns) // 2):
        raise ValueError("turns don't alternate")
    if any(message.pictures for message in messages if message.role != "user"):
        raise ValueError("an image outside of a question")


def _part_data(part: Part, *, images: bool) -> dict[str, Any]:
    if isinstance(part, TextPart):
        return {"type": "text", "text": part.text}
    picture = part.picture
    data: dict[str, Any] = {"type": "image", "sha256": picture.sha256, "fit": picture.fit}
    if images:
        data["png"] = base64.b64encode(picture.png()).decode()
        data["side"] = len(picture.pixels)
        data["original_size"] = list(picture.original_size)
        data["provenance"] = list(picture.provenance)
    return data


def _part(data: Mapping[str, Any], known: Mapping[tuple[str, Fit], Picture], side: int) -> Part:
    if data["type"] == "text":
        data["text"].encode()  # half a pair of surrogates is no text, though JSON knows it
        return TextPart(data["text"])
    if data["type"] != "image":
        raise ValueError("an unknown part")
    picture = known.get((data["sha256"], data["fit"])) or _picture(data, side)
    if picture is None:
        raise InputError(
            f"The file knows an image by its hash only (SHA-256 {data['sha256']:.12}…).",
            "Name that image too: /load FILE IMAGE in the chat, load(…, images=[…]) in Python.",
        )
    return ImagePart(picture)


def _picture(data: Mapping[str, Any], side: int) -> Picture | None:
    """The image in the file, which is as it was prepared, so that fitting it changes nothing."""
    if "png" not in data:
        return None
    if data["side"] != side:
        raise ValueError("an image for another model")
    width, height = (int(pixels) for pixels in data["original_size"])
    if min(width, height) < 1:
        raise ValueError("an image without pixels")
    picture = replace(
        imaging.open(base64.b64decode(data["png"]), fit=data["fit"], side=side),
        original_size=(width, height),
        provenance=tuple(str(step) for step in data["provenance"]),
    )
    if picture.sha256 != data["sha256"]:
        raise ValueError("an image was changed")
    return picture
