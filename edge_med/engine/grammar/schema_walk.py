"""Where schemas stand in a JSON schema: not in data, nor in a mapping whose keys are names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from edge_med.engine.grammar.schema_text import SHOWN, refused
from edge_med.errors import SchemaError

_PERCENT = re.compile("(?:%[0-9A-Fa-f]{2})+")

DATA = frozenset(("const", "default", "enum", "example", "examples"))
"""Keywords with values as answers have them, whatever they look like; `example` is OpenAPI's."""

NAMED = frozenset(
    (
        "properties",
        "patternProperties",
        "$defs",
        "definitions",
        "dependentSchemas",
        "dependentRequired",
        "dependencies",
    )
)
"""Keywords with mappings whose keys are names (draft 2020-12, and `definitions` before it)."""


def subschemas(schema: Any) -> Iterator[tuple[dict[str, Any], int]]:
    """Every schema in a schema, itself first, and how deep it lies.

    What an unknown keyword holds counts too, since references may lead there.
    """
    todo: list[tuple[Any, int, bool]] = [(schema, 1, False)]
    while todo:
        here, depth, names = todo.pop()
        if isinstance(here, dict) and not names:
            yield here, depth
        todo += [
            (value, depth + 1, key in NAMED and not names)
            for key, value in (here.items() if isinstance(here, dict) else enumerate(here))
            if isinstance(value, dict | list) and (names or key not in DATA)
        ]


def target(schema: Any, reference: str) -> Any:
    """What a reference like `#/$defs/name` refers to (RFC 6901, whose section 6 has the `%20`).

    Raises:
        SchemaError: it leads nowhere.
    """
    here = schema
    try:
        for part in _decoded(reference).split("/")[1:]:
            key = part.replace("~1", "/").replace("~0", "~")
            here = here[int(key)] if isinstance(here, list) else here[key]
    except (KeyError, IndexError, TypeError, ValueError):
        raise _error("leads nowhere") from None
    return here


def _decoded(reference: str) -> str:
    """A reference whose percent signs are read (RFC 3986, 2.1), without urllib and its sockets."""
    return _PERCENT.sub(lambda found: bytes.fromhex(found[0].replace("%", "")).decode(), reference)


def check_references(schema: Any) -> None:
    """Refuse references to anything but a schema of the same text.

    Raises:
        SchemaError: there is one.
    """
    found = [one for one, _ in subschemas(schema)]
    known = set(map(id, found))
    for reference in (one[key] for one in found for key in ("$ref", "$dynamicRef") if key in one):
        if not (str(reference).startswith("#/") or reference == "#"):
            raise _error("leads to another place than '#/…', and nothing is fetched")
        if not isinstance(meant := target(schema, reference), bool) and id(meant) not in known:
            raise _error("leads to what is no schema")
    _check_loops(schema, found)


_IN_PLACE = ("$ref", "$dynamicRef", "allOf", "anyOf", "oneOf", "not", "if", "then", "else")
"""Keywords whose schemas are of the same value as the one that they stand in."""


def _check_loops(whole: Any, found: list[dict[str, Any]]) -> None:
    """Refuse a reference that leads to itself before any part of a value was read.

    Without recursion, since a chain of references may be longer than Python's stack.

    Raises:
        SchemaError: it names the reference.
    """
    done: set[int] = set()
    for start in found:
        way = [("", start, _same(whole, start))]
        while way:
            name, here, left = way[-1]
            done.add(id(here))
            name, after = next(left, (name, None))
            if after is None:
                way.pop()
            elif any(after is one for _, one, _ in way):
                raise refused(
                    f"has a reference that leads in a circle to itself: '{name[:SHOWN]}'",
                    "Put the schema that is meant in its place.",
                )
            elif id(after) not in done:
                way.append((name, after, _same(whole, after)))


def _same(whole: Any, schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Schemas that what fits a schema has to fit as well, or instead, and how they are named."""
    for key in _IN_PLACE:
        inner = schema.get(key, ())
        if isinstance(inner, str):
            several = [target(whole, inner)]
        else:
            several = inner if isinstance(inner, list) else [inner]
        for one in several:
            if isinstance(one, dict):
                yield inner if isinstance(inner, str) else key, one


def _error(what: str) -> SchemaError:
    return refused(f"has a reference that {what}", "Refer to '#/$defs/NAME'.")
