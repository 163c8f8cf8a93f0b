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
from edge_med.errors import InputError
from edge_med.imaging import Picture
from edge_med.messages import ROLES, ImagePart, Message, Part, TextPart

FORMAT = 1
_HINT = "Give a file that Conversation.save wrote."


def save(path: Path, messages: Sequence[Message], *, images: bool) -> None:
    """Write messages to a file that only its owner can read; it appears whole or not at all."""
    turns = [
        {"role": m.role, "parts": [_part_data(part, images=images) for part in m.parts]}
        for m in messages
    ]
    text = json.dumps({"format": FORMAT, "messages": turns}, ensure_ascii=False, indent=1)
    _platform.write_private(path, text.encode())


def load(path: Path, pictures: Sequence[Picture]) -> tuple[Message, ...]:
    """Read what `save` wrote.

    Args:
        path: of the file.
        pictures: for images that it knows by their hashes only.

    Raises:
        InputError: it isn't a saved conversation, or an image is missing.
    """
    known = {(picture.sha256, picture.fit): picture for picture in pictures}
    try:
        data = json.loads(path.read_text("utf-8"))
        if data["format"] != FORMAT:
            raise ValueError("another format")
        return tuple(
            Message(ROLES[m["role"]], tuple(_part(part, known) for part in m["parts"]))
            for m in data["messages"]
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path.name} isn't a saved conversation: {type(error).__name__}.", _HINT
        ) from None


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


def _part(data: Mapping[str, Any], known: Mapping[tuple[str, Fit], Picture]) -> Part:
    if data["type"] == "text":
        return TextPart(str(data["text"]))
    picture = known.get((data["sha256"], data["fit"])) or _picture(data)
    if picture is None:
        raise InputError(
            f"The file knows an image by its hash only (SHA-256 {data['sha256']:.12}…).",
            "Give the same image to load(…, images=[…]).",
        )
    return ImagePart(picture)


def _picture(data: Mapping[str, Any]) -> Picture | None:
    """The image in the file, which is as it was prepared, so that fitting it changes nothing."""
    if "png" not in data:
        return None
    png, side = base64.b64decode(data["png"]), int(data["side"])
    width, height = data["original_size"]
    picture = replace(
        imaging.open(png, fit=data["fit"], side=side),
        original_size=(int(width), int(height)),
        provenance=tuple(str(step) for step in data["provenance"]),
    )
    if picture.sha256 != data["sha256"]:
        raise ValueError("an image was changed")
    return picture
