"""What is given as a schema, as plain values of JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from edge_med.errors import SchemaError

MAX_TEXT = 64 << 10
"""Bytes of a schema."""

SHOWN = 40
"""Characters of a value that an error shows."""

NO_SCHEMA = "Leave out what can't be used; it must be a JSON schema of draft 2020-12."
_BROKEN = "Names and texts stand in double quotes, nothing follows a last comma; correct it there."


def refused(what: str, hint: str = NO_SCHEMA) -> SchemaError:
    """The error of a schema."""
    return SchemaError(f"The schema {what}.", hint)


def shown(value: object) -> str:
    """A value as JSON has it, and not much of it."""
    text = json.dumps(value, ensure_ascii=False, default=repr)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


def read(schema: Mapping[str, Any] | str) -> dict[str, Any]:
    """A copy of a schema that is made of dictionaries, lists and simple values alone.

    Raises:
        SchemaError: it isn't JSON, too large, or no object.
    """
    if isinstance(schema, str) and schema.strip() == "json":
        return {"type": "json_object"}  # Ollama's word for it
    given = from_json(schema if isinstance(schema, str) else as_text(schema))
    if not isinstance(given, dict):
        raise refused(f"is {shown(given)}, and must be a JSON object")
    return given


def as_text(schema: object) -> str:
    """A schema as compact JSON.

    Raises:
        SchemaError: it holds what JSON doesn't know, or is too large.
    """
    try:
        text = json.dumps(
            schema, ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=_plain
        )
        size = len(text.encode())
    except (TypeError, ValueError, RecursionError) as error:
        raise refused(f"isn't JSON: {error}") from None
    if size > MAX_TEXT:
        raise refused(f"has {size:,} bytes, and may have {MAX_TEXT:,}")
    return text


def from_json(text: str) -> Any:
    """The value of a text.

    Raises:
        SchemaError: it isn't JSON, and where; or it is too large.
    """
    if (size := len(text.encode(errors="replace"))) > MAX_TEXT:
        raise refused(f"has {size:,} bytes, and may have {MAX_TEXT:,}")
    try:
        return json.loads(text, object_pairs_hook=_once, parse_constant=_no_number)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise refused(f"isn't JSON: {error.msg}, {where}", _BROKEN) from None
    except (ValueError, RecursionError) as error:
        raise refused(f"isn't JSON: {error}") from None


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, type):
        raise refused(
            f"has the class {value.__name__} inside it",
            "Give the class as the schema, or in its place its own schema as a mapping.",
        )
    raise TypeError(f"there is no value of type {type(value).__name__} in it")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise refused(f"has '{twice[:SHOWN]}' twice in one object", "Leave one of them out.")
    return found


def _no_number(name: str) -> float:
    raise ValueError(f"there is no number {name} in it")
