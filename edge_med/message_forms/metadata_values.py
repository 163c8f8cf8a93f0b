"""Values of keys without content: ignored, unless there may be an image in them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from datetime import date
from numbers import Number
from typing import Any

from edge_med.imaging.files.embedded_images import holds_image
from edge_med.imaging.files.image_names import names_image
from edge_med.message_forms.keys import CITED, IMAGE_TYPES, PAGES, SHOWING

_ADDRESS = re.compile(r"\s*[a-z][a-z0-9+.-]*://\S+\s*", re.IGNORECASE)
_PAGE = re.compile(r"\s*https?://", re.IGNORECASE)

_FILE_NAME = re.compile(r"[\w .()-]{1,200}\.\w{2,5}")
"""The name of a file without a folder."""

_FEWEST = 64
"""Bytes of an image: the smallest PNG has 67."""

_SIDE = 8
"""Rows and columns from which on numbers are pixels, and no matrix or outline."""


def is_absent(value: object) -> bool:
    """Whether a key isn't there: its value is None, or NaN, which pandas has for None."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def is_empty(value: object) -> bool:
    """Whether there is nothing in it."""
    return value is False or (
        isinstance(value, str | bytes | Sequence | Mapping) and not len(value)
    )


def is_plain(value: object, key: str, *, shown: bool = False) -> bool:
    """Whether it is of JSON's kinds, and no image: neither as letters nor by a name or a key.

    Args:
        value: value of the key.
        key: name of the key.
        shown: whether images are given as well: the bare name of a file says which they are.
    """
    match value:
        case str() if shown and _FILE_NAME.fullmatch(value):
            return True
        case str():
            return not (holds_image(value) or names_image(value) or _lies_elsewhere(value, key))
        case Number() | date() | None:
            return True
        case Mapping():
            numbers = tuple(value.values())
            return not (_may_show(value) or _are_pixels(numbers)) and all(
                is_plain(each, str(name), shown=shown) for name, each in value.items()
            )
        case list() | tuple():
            return not _are_pixels(value) and all(
                is_plain(each, key, shown=shown) for each in value
            )
    return False


def _lies_elsewhere(text: str, key: str) -> bool:
    """Whether a text is an address of what may be an image: no page that is cited."""
    return bool(_ADDRESS.fullmatch(text)) and not (key in PAGES and _PAGE.match(text))


def _are_pixels(values: Sequence[Any]) -> bool:
    """Whether numbers may be an image: the bytes of one, or rows of pixels."""
    if len(values) >= _FEWEST and all(type(one) is int and 0 <= one < 256 for one in values):
        return True
    rows = [row for row in values if isinstance(row, list | tuple) and len(row) >= _SIDE]
    return len(rows) == len(values) >= _SIDE and all(
        len(row) == len(rows[0]) and isinstance(row[0], Number | list | tuple) for row in rows
    )


def _may_show(fields: Mapping[Any, Any]) -> bool:
    """Whether a mapping has the form of an image; what is cited in metadata has not."""
    kind = fields.get("type")
    return (isinstance(kind, str) and kind in IMAGE_TYPES) or any(
        key in SHOWING
        and not (value is None or is_empty(value))
        and not (key in CITED and isinstance(value, str))
        and not _is_token(value)
        for key, value in fields.items()
    )


def _is_token(value: object) -> bool:
    """Whether it is a number, or the bytes of a token as OpenAI's logprobs have them.

    They are too few for an image.
    """
    return isinstance(value, Number) or (
        isinstance(value, list | tuple)
        and len(value) < _FEWEST
        and all(type(one) is int for one in value)
    )
