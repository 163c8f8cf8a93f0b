"""Where schemas stand in a JSON schema: not in data, nor in a mapping whose keys are names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from edge_med.engine.grammar.schema_text import refused
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


def _error(what: str) -> SchemaError:
    return refused(f"has a reference that {what}", "Refer to '#/$defs/NAME'.")
