"""Conversations in the forms of other programs, read by their keys.

A key is understood, has the value None or NaN and so isn't there, is known to carry nothing that
the model should see, or is refused by its name: what was handed in is never left out without a
word. The keys stand in `edge_med.message_forms.keys`, and the forms in docs/guide/python.md.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edge_med.documents import question_of
from edge_med.errors import PromptError
from edge_med.imaging.files.addresses import from_base64
from edge_med.message_forms.keys import (
    CONTENT,
    ENCODED,
    FORM,
    IMAGE,
    IMAGE_KEYS,
    IMAGE_TYPES,
    LEAVE,
    NEXT,
    ROLES,
    SOURCES,
    TEXT_TYPES,
    WITHIN,
    WITHOUT_CONTENT,
    Role,
)
from edge_med.message_forms.metadata_values import is_absent, is_empty, is_plain


@dataclass(frozen=True, slots=True)
class GivenImage:
    """An image, as it was given: whatever `edge_med.imaging.open` takes."""

    image: Any


@dataclass(frozen=True, slots=True)
class ImagePlace:
    """A place for the next of the images that are given with the conversation."""


Piece = str | GivenImage | ImagePlace


def row(prompt: Mapping[str, Any]) -> tuple[Sequence[Any], tuple[Any, ...]]:
    """The messages of one message alone, or of a dataset's row, and the row's images.

    Raises:
        PromptError: it is neither.
    """
    fields = _fields(prompt) or {}
    if "role" in fields:
        return [prompt], ()
    messages = _items(fields.pop("messages", None))
    if messages is None:
        raise PromptError(
            "A value of type dict isn't a prompt: it has neither role nor messages.", FORM
        )
    images = tuple(given.image for given in _own_images(fields))
    _refuse_others("A conversation", fields, IMAGE_KEYS, shown=bool(images))
    return messages, images


def read(message: object) -> tuple[Role, tuple[Piece, ...]]:
    """The role of a message, and what it says and shows, in order.

    Raises:
        PromptError: it has another form, or a key that isn't understood.
        ImageError: an image isn't base64.
    """
    fields = _fields(message)
    if not fields:
        raise PromptError(f"{short(message)} isn't a message.", FORM)
    kind, role = fields.pop("type", "message"), fields.pop("role", None)
    if not isinstance(kind, str) or kind != "message":
        raise _refused("A message", "type", kind)
    if not isinstance(role, str) or role not in ROLES:
        raise _refused("A message", "role", role, f"there are {', '.join(ROLES)}")
    contents = [fields[key] for key in CONTENT if key in fields]
    images = _own_images(fields)
    pieces = [piece for content in contents for piece in _pieces(content)]
    shown = any(isinstance(piece, GivenImage) for piece in (*images, *pieces))
    _refuse_others("A message", fields, (*CONTENT, *IMAGE_KEYS), shown=shown)
    if len(contents) > 1 or not (contents or images):
        raise PromptError(f"A message has {'two contents' if contents else 'no content'}.", FORM)
    if images and role == "user":
        pieces = marked(pieces)
    return ROLES[role], _placed(pieces, images)


_MARK = re.compile("<image>|<start_of_image>")
"""A place for an image in the texts of LLaVA, TRL and LLaMA-Factory, and in Gemma's own."""


def marked(pieces: Sequence[Piece]) -> list[Piece]:
    """Pieces with places where the marks of images stand in a text, if there are no other places.

    A document above a question has none, nor has XML with an element of that name.
    """
    if ImagePlace() in pieces:
        return [*pieces]
    return [part for one in pieces for part in (_split(one) if isinstance(one, str) else [one])]


def _split(text: str) -> list[Piece]:
    question = question_of(text)
    if not _MARK.search(question) or "</image>" in question:
        return [text]
    first, *others = _MARK.split(question)
    before = text.removesuffix(question) + first
    return [piece for piece in (before, *(p for o in others for p in (ImagePlace(), o))) if piece]


def content_key(message: Mapping[str, Any]) -> str:
    """The key under which a message that was read has its content."""
    return next(key for key in CONTENT if not is_absent(message.get(key)))


def _own_images(fields: Mapping[str, Any]) -> list[GivenImage]:
    """The images of a message outside of its content."""
    found = [fields[key] for key in IMAGE_KEYS if key in fields]
    lists = [[value] if (items := _items(value)) is None else items for value in found]
    return [GivenImage(_source(one)) for items in lists for one in items if not is_absent(one)]


def _placed(pieces: Sequence[Piece], images: Sequence[GivenImage]) -> tuple[Piece, ...]:
    """Images in the places that a message has for them; before its text, if it has none."""
    places = pieces.count(ImagePlace())
    if not places:
        return (*images, *pieces)
    if images and places != len(images):
        raise PromptError(
            f"A message has {len(images)} images, and its content has places for {places}.",
            "Add a part {'type': 'image'} for each, or leave these parts out.",
        )
    waiting = iter(images)
    return tuple(next(waiting, piece) if piece == ImagePlace() else piece for piece in pieces)


def _pieces(content: object) -> list[Piece]:
    if isinstance(content, str):
        return [content]
    if isinstance(content, Mapping):
        return [_piece(content)]
    parts = _items(content)
    if parts is None:
        raise PromptError(f"{short(content)} isn't a message's content.", FORM)
    return [_piece(part) for part in parts]


def _piece(part: object) -> Piece:
    if isinstance(part, str):
        return part
    fields = _fields(part)
    if not fields:
        raise PromptError(f"{short(part)} isn't a part of a message.", FORM)
    kind, shown = _kind(fields), SOURCES & fields.keys()
    what = f"A part of type {kind}"
    if kind in TEXT_TYPES:
        _refuse_others(what, fields, ["text"])
        return _text(what, fields.get("text"))
    if shown:
        return GivenImage(_only_source(what, fields))
    _refuse_others(what, fields, ())
    return ImagePlace()


def _kind(fields: Mapping[str, Any]) -> str:
    """A part's type, which some forms leave to its one key."""
    what, there = "A part of a message", "there are text and image"
    kind = fields.get("type")
    if kind is None and "text" in fields:
        return "text"
    if kind is None and SOURCES & fields.keys():
        return "image"
    if kind is None:
        _refuse_others(what, fields, ())
    if not isinstance(kind, str) or kind not in TEXT_TYPES | IMAGE_TYPES:
        raise _refused(what, "type", kind, there)
    return kind


def _text(what: str, text: object) -> str:
    if not isinstance(text, str):
        raise PromptError(f"{what} has no text: {short(text)} stands there.", FORM)
    return text


def _source(value: Any) -> Any:
    """An image out of the mappings that some forms wrap it in."""
    fields = _fields(value)
    return value if fields is None else _only_source("An image", fields)


def _only_source(what: str, fields: Mapping[str, Any]) -> Any:
    """What stands under the one key that has an image."""
    _refuse_others(what, fields, SOURCES)
    found = {key: value for key, value in fields.items() if key in SOURCES}
    if "bytes" in found:
        found.pop("path", None)  # the name of the file that they are of, in Hugging Face's datasets
    if len(found) != 1:
        keys = " and ".join(sorted(found)) or f"none of {', '.join(sorted(SOURCES))}"
        raise PromptError(f"{what} has {keys}, and one key says which image it is.", IMAGE)
    ((key, value),) = found.items()
    if key in ENCODED and isinstance(value, str) and not value.lower().startswith("data:"):
        return from_base64(value)
    return _source(value)


def _refuse_others(
    what: str, fields: Mapping[str, Any], known: Collection[str], *, shown: bool = False
) -> None:
    """Refuse keys that may carry something, and aren't among the known ones.

    Args:
        what: name of the thing that has the keys.
        fields: all of them.
        known: keys that are understood.
        shown: whether it has images, of which metadata may say the names.

    Raises:
        PromptError: there is one.
    """
    for key, value in fields.items():
        if key in known or is_empty(value):
            continue
        if key in WITHOUT_CONTENT and is_plain(value, key, shown=shown):
            continue
        other = WITHIN if key in WITHOUT_CONTENT else LEAVE
        raise PromptError(
            f"{what} has {_named('key', key)}, which isn't understood there.",
            NEXT.get(key, IMAGE if key in SOURCES | set(IMAGE_KEYS) else other),
        )


def _refused(what: str, kind: str, value: object, there: str = "") -> PromptError:
    hint = NEXT.get(value, FORM) if isinstance(value, str) else FORM
    return PromptError(f"{what} has {_named(kind, value)}{there and f', and {there}'}.", hint)


def _fields(value: object) -> dict[str, Any] | None:
    """The keys that have a value, of a mapping or of a client's message; None of anything else."""
    if hasattr(type(value), "model_dump"):
        value = value.model_dump()  # type: ignore[attr-defined]
    if not isinstance(value, Mapping):
        return None
    return {str(key): each for key, each in value.items() if not is_absent(each)}


_TEXTS = (str, bytes, bytearray, memoryview)


def _items(value: Any) -> Sequence[Any] | None:
    """The values of a list, or of an array of objects, which is a list of pandas'."""
    if str(getattr(value, "dtype", "")) == "object":
        value = value.tolist()
    return value if isinstance(value, Sequence) and not isinstance(value, _TEXTS) else None


_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,29}")


def _named(kind: str, value: object) -> str:
    """What stands there, if it is a name of some other program's; no text of a patient's."""
    if value is None:
        return f"no {kind}"
    return f"the {kind} {value}" if _NAME.fullmatch(str(value)) else f"another {kind}"


def short(value: object) -> str:
    """What kind of thing was given; never its content, which may be a patient's."""
    return f"A value of type {type(value).__name__}"
