"""What is kept of a JSON schema while an answer is written, as llguidance reads it.

What is left out, such as `multipleOf` or `if`, is checked when the answer is whole. What no answer
could fit is refused before one is written.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

from edge_med.engine.grammar.schema_keywords import FORMATS, OF_TYPE
from edge_med.engine.grammar.schema_regex import is_readable, never_escaped
from edge_med.engine.grammar.schema_text import refused
from edge_med.engine.grammar.schema_walk import DATA, NAMED, subschemas, target
from edge_med.errors import SchemaError

_TYPE_OF = {key: kind for kind, keys in OF_TYPE.items() for key in keys}

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

_LAST = 2**63 - 1
"""The last whole number that llguidance counts to (an i64)."""

_SETTINGS = "x-guidance"

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


def for_llguidance(schema: Mapping[str, Any], *, as_meant: bool = True) -> dict[str, Any]:
    """A schema in the form that llguidance reads rightly.

    Args:
        schema: a schema of draft 2020-12.
        as_meant: whether objects have no properties but those they name, and a type is what its
            keywords concern; else only what llguidance can't read is left out.

    Raises:
        SchemaError: no answer could fit it; it names the keyword.
    """
    kept: dict[str, Any] = _kept(schema, _joined(schema) if as_meant else None)
    return kept


def _unmet(keyword: str) -> SchemaError:
    """The error of a schema that no answer can fit."""
    return refused(f"can't be met by any answer: see '{keyword}'")


def _kept(given: Any, joined: frozenset[int] | None, *, names: bool = False) -> Any:
    if isinstance(given, list):
        return [_kept(one, joined) for one in given]
    if not isinstance(given, dict):
        return given
    if names:
        return {name: _kept(one, joined) for name, one in given.items()}
    _check(given)
    kept: dict[str, Any] = {
        key: int(value) if key in COUNTS and _is_count(value) else _value(key, value, joined)
        for key, value in given.items()
        if not _is_left_out(given, key)
    }
    if "pattern" in kept and (more := never_escaped(kept["pattern"])):
        kept["allOf"] = [*kept.get("allOf", ()), *({"pattern": one} for one in more)]
    if joined is None:
        return kept
    if kind := _meant_type(given):
        kept["type"] = kind
    if id(given) not in joined and _is_closed(given):
        if given.get("minProperties", 0) > len(given["properties"]):
            raise _unmet("minProperties")
        kept.pop("unevaluatedProperties", None)
        kept["additionalProperties"] = False
    return kept


def _is_closed(schema: Mapping[str, Any]) -> bool:
    """Whether an object may be kept to the properties that it names, if it names any."""
    named = schema.get("properties", {})
    enough = set(schema.get("required", ())) <= named.keys()
    others = schema.keys() & _NAMING - {"properties"}
    shut = others <= {"unevaluatedProperties"} and not schema.get("unevaluatedProperties")
    return shut and bool(named) and enough


def _meant_type(schema: Mapping[str, Any]) -> str | None:
    """The type that a schema means without saying it; None for any."""
    if any(key in schema for key in ("type", "const", "enum", "$ref")):
        return None
    if schema.get("format") in FORMATS:
        return "string"
    return next((_TYPE_OF[key] for key in schema if key in _TYPE_OF), None)


def _is_count(value: Any) -> bool:
    """Whether a value is a number, as it is where a schema stands, if not in data."""
    return isinstance(value, int | float)


def _value(key: str, value: Any, joined: frozenset[int] | None) -> Any:
    return value if key in DATA else _kept(value, joined, names=key in NAMED)


def left_out(schema: Mapping[str, Any]) -> Iterator[str]:
    """Keywords of a schema that llguidance isn't shown, its own settings aside."""
    for one, _ in subschemas(schema):
        yield from (key for key in one if key != _SETTINGS and _is_left_out(one, key))


def _is_left_out(schema: Mapping[str, Any], key: str) -> bool:
    """Whether llguidance isn't shown a keyword.

    `multipleOf` can keep it busy for ever (1.9.1: an `allOf` of four primes), and `x-guidance` is
    a door to its settings.
    """
    value = schema[key]
    if key in _LIMITS:
        return not _is_exact(schema, key)
    if key == "pattern":
        return not is_readable(value)
    if key in ("minProperties", "maxProperties") and not _counts_properties(schema, key):
        return True
    if key in UPPER:
        return _is_count(value) and bool(value > MAX_COUNT)
    return key in ("multipleOf", _SETTINGS)


def _counts_properties(schema: Mapping[str, Any], key: str) -> bool:
    """Whether llguidance counts the properties of an object: not if some may be left out.

    One of those that an object may have at most, or must have, is no counting.
    """
    optional = schema.get("properties", {}).keys() - set(schema.get("required", ()))
    one = schema[key] == 1 and _is_closed(schema) and not schema.get("required")
    return not optional or one


def _is_exact(schema: Mapping[str, Any], key: str) -> bool:
    """Whether llguidance, whose numbers are doubles, keeps a limit as it is."""
    limit = schema[key]
    kinds = schema.get("type")
    whole = "integer" in kinds and "number" not in kinds if isinstance(kinds, list | str) else False
    if whole and isinstance(limit, int) and key in ("minimum", "maximum"):
        last = limit == _LAST and key == "maximum"
        return last or (abs(limit) < _LAST and int(float(limit)) == limit)
    return bool(limit == 0 or _SMALLEST <= abs(limit) <= _LARGEST)


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
