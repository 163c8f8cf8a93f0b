"""A conversation as a file: JSON with its texts, and its images or their hashes."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from edge_med import _platform, imaging
from edge_med.answers import DISCLAIMER
from edge_med.config import Fit
from edge_med.errors import ImageError, InputError, UsageError
from edge_med.imaging import Picture
from edge_med.imaging.picture import SeriesOrigin
from edge_med.message_forms.keys import ROLES
from edge_med.messages import ImagePart, Message, Part, TextPart
from edge_med.provenance import Record, Records

FORMAT = 1
_HINT = "Give a file that /save in the chat, or Conversation.save, wrote."
_DAMAGE = (
    *(OSError, ValueError, KeyError, TypeError, AttributeError),
    *(RecursionError, OverflowError),
    *(UsageError, ImageError),
)
"""What reading a file meets that somebody has changed."""


class _DamageError(ValueError):
    """What is wrong with a file, in words."""


def save(path: Path, messages: Sequence[Message], records: Records = (), *, images: bool) -> None:
    """Write messages, and what wrote the answers among them, to a file.

    Only its owner can read it; it appears whole or not at all.

    Raises:
        InputError: it can't be written.
    """
    turns = [
        {"role": m.role, "parts": [_part_data(part, images=images) for part in m.parts]}
        for m in messages
    ]
    answers = [None if record is None else record.to_dict() for record in records]
    data = {"format": FORMAT, "notice": DISCLAIMER, "messages": turns, "answers": answers}
    text = json.dumps(data, ensure_ascii=False, indent=1)
    try:
        _platform.write_private(path, text.encode())
    except OSError as error:
        raise InputError(
            f"The conversation can't be saved: {error.strerror}.",
            "Give a path in an existing folder that you may write to.",
        ) from None


def load(
    path: Path, pictures: Sequence[Picture], side: int
) -> tuple[tuple[Message, ...], tuple[Record | None, ...]]:
    """Read what `save` wrote.

    Args:
        path: path of the file.
        pictures: pictures for images that the file has only as hashes.
        side: side of the model's square, in pixels; images in the file must have it.

    Raises:
        InputError: it isn't a saved conversation, or an image is missing.
    """
    known = {(picture.sha256, picture.fit): picture for picture in pictures}
    try:
        data = json.loads(path.read_text("utf-8"))
        if data["format"] != FORMAT:
            raise _DamageError("it is of another version")
        messages = tuple(
            Message(ROLES[m["role"]], tuple(_part(part, known, side) for part in m["parts"]))
            for m in data["messages"]
        )
        _check_turns(messages)
        records = _records(data.get("answers", []), messages)
    except FileNotFoundError:
        raise InputError(f"There is no file {path.name}.", _HINT) from None
    except _DAMAGE as error:
        raise InputError(f"{path.name} isn't a saved chat{_why(error)}.", _HINT) from None
    return messages, records


def _why(error: Exception) -> str:
    """What is wrong with a file, where that can be said in words."""
    match error:
        case UnicodeDecodeError() | json.JSONDecodeError():
            return ", it isn't JSON"
        case OSError():
            return f", or can't be read: {error.strerror}"
        case InputError():
            return f": {error.message.rstrip('.')}"
        case _DamageError():
            return f": {error}"
    return ", it has another form"


def _records(data: Sequence[Any], messages: Sequence[Message]) -> tuple[Record | None, ...]:
    """What wrote each answer; nothing is known in files of earlier versions."""
    answers = sum(message.role == "assistant" for message in messages)
    if len(data) not in (0, answers):
        raise _DamageError("its records don't match its answers")
    return tuple(None if one is None else Record.read(one) for one in data) or (None,) * answers


def _check_turns(messages: Sequence[Message]) -> None:
    """A system text, if any, and then questions, each with its answer."""
    turns = messages[1:] if messages and messages[0].role == "system" else messages
    if [turn.role for turn in turns] != ["user", "assistant"] * (len(turns) // 2):
        raise _DamageError("its turns don't alternate")
    if any(message.pictures for message in messages if message.role != "user"):
        raise _DamageError("an image is outside of a question")


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
        data |= {"series": _series_data(picture.series_origin)} if picture.series_origin else {}
    return data


def _part(data: Mapping[str, Any], known: Mapping[tuple[str, Fit], Picture], side: int) -> Part:
    if data["type"] == "text":
        data["text"].encode()  # half a pair of surrogates is no text, though JSON knows it
        return TextPart(data["text"])
    if data["type"] != "image":
        raise _DamageError("it has a part of an unknown type")
    picture = known.get((data["sha256"], data["fit"])) or _picture(data, side)
    if picture is None:
        raise InputError(
            f"The saved chat doesn't contain its image (SHA-256 {data['sha256']:.12}…).",
            "Give the image too: /load FILE IMAGE in the chat, load(…, images=[…]) in Python.",
        )
    return ImagePart(picture)


_SERIES_KEYS = {"opened": "opened", "series": "series", "way": "direction", "order": "order"}
"""Keys of a series in the file, with the attributes of `SeriesOrigin` in their order."""


def _series_data(origin: SeriesOrigin) -> dict[str, str]:
    return {key: getattr(origin, name) for key, name in _SERIES_KEYS.items()}


def _series_origin(data: Mapping[str, Any]) -> SeriesOrigin:
    """The series that an image was opened with."""
    values = [data[key] for key in _SERIES_KEYS]
    if not all(_WORDS.fullmatch(value) for value in values):
        raise _DamageError("its series have another form")
    return SeriesOrigin(*values)


_WORDS = re.compile(r"[\w. ]{0,40}", re.ASCII)
"""Facts of a series: numbers, and words of ours."""


def _picture(data: Mapping[str, Any], side: int) -> Picture | None:
    """The image in the file, which is as it was prepared, so that fitting it changes nothing."""
    if "png" not in data:
        return None
    if data["side"] != side:
        raise _DamageError("its images are for another model")
    width, height = (int(pixels) for pixels in data["original_size"])
    if min(width, height) < 1:
        raise _DamageError("an image has no pixels")
    picture = replace(
        imaging.open(base64.b64decode(data["png"]), fit=data["fit"], side=side),
        original_size=(width, height),
        provenance=tuple(str(step) for step in data["provenance"]),
        series_origin=_series_origin(data["series"]) if data.get("series") else None,
    )
    if picture.sha256 != data["sha256"]:
        raise _DamageError("an image was changed in it")
    return picture
