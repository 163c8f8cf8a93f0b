"""What is kept of a JSON schema while an answer is written, as llguidance reads it.

What is left out, such as `multipleOf` or `if`, is checked when the answer is whole. What no answer
could fit is refused before one is written.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator, Mapping
from typing import Any

from edge_med.engine.grammar.schema_walk import DATA, NAMED, subschemas, target
from edge_med.errors import SchemaError

_OF_TYPE = {
    "object": (
        *("properties", "required", "additionalProperties", "minProperties", "maxProperties"),
        *("propertyNames", "patternProperties", "dependentRequired", "dependentSchemas"),
        "unevaluatedProperties",
    ),
    "array": (
        *("items", "prefixItems", "minItems", "maxItems", "uniqueItems"),
        *("contains", "minContains", "maxContains", "unevaluatedItems"),
    ),
    "string": ("pattern", "minLength", "maxLength"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
}
"""Keywords that concern one type; a schema that names none has that of its first such keyword."""

_TYPE_OF = {key: kind for kind, keys in _OF_TYPE.items() for key in keys}

_LIMITS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")

_PAIRS = (
    ("minItems", "maxItems"),
    ("minLength", "maxLength"),
    ("minProperties", "maxProperties"),
    ("minimum", "maximum"),
)
_OPEN_PAIRS = (
    ("exclusiveMinimum", "maximum"),
    ("minimum", "exclusiveMaximum"),
    ("exclusiveMinimum", "exclusiveMaximum"),
)
"""Limits that may not even be equal."""

_LARGEST, _SMALLEST = 2.0**53, 1e-9
"""Limits of numbers beyond these make large automata, and no model counts that far."""

_NAMING = frozenset(
    ("properties", "additionalProperties", "patternProperties", "unevaluatedProperties")
)
"""Keywords that say which properties an object may have."""

MAX_COUNT = 1000
"""Items and characters that are counted while an answer is written."""

LOWER = ("minItems", "minLength", "minProperties")
UPPER = ("maxItems", "maxLength", "maxProperties")
COUNTS = (*LOWER, *UPPER)
"""Whole numbers, which JSON may write as 2.0."""


def for_llguidance(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A schema as llguidance shall read it: objects have no properties but those they name.

    Raises:
        SchemaError: no answer could fit it; it names the keyword.
    """
    kept: dict[str, Any] = _kept(schema, _joined(schema))
    return kept


def refused(what: str) -> SchemaError:
    """The error of a schema."""
    return SchemaError(
        f"The schema {what}.",
        "Leave out what can't be used; it must be a JSON schema of draft 2020-12.",
    )


def _unmet(keyword: str) -> SchemaError:
    """The error of a schema that no answer can fit."""
    return refused(f"can't be met by any answer: see '{keyword}'")


def _kept(given: Any, joined: frozenset[int], *, names: bool = False) -> Any:
    if isinstance(given, list):
        return [_kept(one, joined) for one in given]
    if not isinstance(given, dict):
        return given
    if names:
        return {name: _kept(one, joined) for name, one in given.items()}
    _check(given)
    kept = {
        key: int(value) if key in COUNTS and _is_count(value) else _value(key, value, joined)
        for key, value in given.items()
        if not _is_left_out(key, value)
    }
    if kind := _meant_type(given):
        kept["type"] = kind
    if id(given) not in joined and _is_closed(given):
        kept["additionalProperties"] = False
    return kept


def _is_closed(schema: Mapping[str, Any]) -> bool:
    """Whether an object may be kept to the properties that it names."""
    named = schema.get("properties", {})
    enough = set(schema.get("required", ())) <= named.keys()
    return schema.keys() & _NAMING == {"properties"} and enough


def _meant_type(schema: Mapping[str, Any]) -> str | None:
    """The type that a schema means without saying it; None for any."""
    if any(key in schema for key in ("type", "const", "enum", "$ref")):
        return None
    return next((_TYPE_OF[key] for key in schema if key in _TYPE_OF), None)


def _is_count(value: Any) -> bool:
    """Whether a value is a number, as it is where a schema stands, if not in data."""
    return isinstance(value, int | float)


def _value(key: str, value: Any, joined: frozenset[int]) -> Any:
    return value if key in DATA else _kept(value, joined, names=key in NAMED)


def _is_left_out(key: str, value: Any) -> bool:
    """Whether llguidance isn't shown a keyword.

    `multipleOf` can keep it busy for ever (1.9.1: an `allOf` of four primes), and `x-guidance` is
    a door to its settings.
    """
    if key in _LIMITS:
        return bool(value != 0 and not _SMALLEST <= abs(value) <= _LARGEST)
    if key == "pattern":
        return not _is_readable(value)
    if key in UPPER:
        return _is_count(value) and bool(value > MAX_COUNT)
    return key in ("multipleOf", "x-guidance")


@functools.lru_cache(maxsize=64)
def _is_readable(pattern: str) -> bool:
    """Whether llguidance can keep a pattern; it can't look ahead, nor refer back."""
    from llguidance import LLMatcher

    grammar = LLMatcher.grammar_from_json_schema({"type": "string", "pattern": pattern})
    return not LLMatcher.validate_grammar(grammar)


def _check(schema: Mapping[str, Any]) -> None:
    for key in ("enum", "anyOf", "oneOf", "allOf"):
        choices = schema.get(key)
        if isinstance(choices, list) and _is_hopeless(key, choices):
            raise _unmet(key)
    for low, high in (*_PAIRS, *_OPEN_PAIRS):
        if low in schema and high in schema:
            apart = schema[high] - schema[low]
            if apart < 0 or (apart == 0 and (low, high) in _OPEN_PAIRS):
                raise _unmet(low)


def _is_hopeless(key: str, choices: list[Any]) -> bool:
    refusals = [choice is False and key != "enum" for choice in choices]
    return any(refusals) if key == "allOf" else all(refusals)


def _joined(schema: Mapping[str, Any]) -> frozenset[int]:
    """The ids of schemas that describe one object together with others.

    To close one of them would forbid the properties of the others.
    """
    joined: set[int] = set()
    todo: list[dict[str, Any]] = []
    for one, _ in subschemas(schema):
        groups = list(_groups(one, schema))
        if len(groups) + ("properties" in one) > 1:
            todo += [one, *itertools.chain(*groups)]
    while todo:
        one = todo.pop()
        if id(one) not in joined:
            joined.add(id(one))
            todo += itertools.chain(*_groups(one, schema))
    return frozenset(joined)


def _groups(schema: Mapping[str, Any], whole: Mapping[str, Any]) -> Iterator[list[dict[str, Any]]]:
    """Schemas that say more of the same object, by what holds: one of a group, all the groups."""
    groups = [[part] for part in schema.get("allOf", ())]
    groups += [schema.get(key, []) for key in ("anyOf", "oneOf")]
    groups += [[schema[key] for key in ("then", "else") if key in schema]]
    groups += [[target(whole, schema["$ref"])]] if "$ref" in schema else []
    for group in groups:
        if shapes := [one for one in group if isinstance(one, dict) and one.keys() & _SHAPES]:
            yield shapes


_SHAPES = frozenset(("properties", "allOf", "anyOf", "oneOf", "$ref", "then", "else"))
"""Keywords that may name properties."""
