"""What a grammar can hold of a JSON schema, in the few words that its converter understands.

What is left out, such as `minimum` or `if`, is checked when the answer is whole. What no answer
could fit is refused before one is written.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from edge_med.engine.grammar import schema_regex
from edge_med.errors import SchemaError

MAX_COUNT = 1000
"""Items and characters that a grammar counts; larger upper limits are left to the check."""

LOWER, UPPER = ("minItems", "minLength"), ("maxItems", "maxLength")

_ANY = {"type": "value"}
"""The converter's own name for whatever JSON has."""

_OF_TYPE = {
    "object": (
        *("properties", "required", "additionalProperties", "minProperties", "maxProperties"),
        *("propertyNames", "dependentRequired", "dependentSchemas", "unevaluatedProperties"),
    ),
    "array": (
        *("items", "prefixItems", "minItems", "maxItems", "uniqueItems"),
        *("contains", "minContains", "maxContains", "unevaluatedItems"),
    ),
    "string": ("pattern", "format", "minLength", "maxLength"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
}
"""Keywords that concern one type; a schema that names none has that of its first such keyword."""

_FORMATS = re.compile(r"date|time|date-time|uuid[1-5]?")
"""That the converter knows; others say nothing of an answer's form."""

_FORMLESS = ("not", "if", "$dynamicRef")
"""Keywords that restrict an answer, and give a grammar no form to begin with."""

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


def for_grammar(schema: Any) -> dict[str, Any]:
    """A schema as the converter shall read it.

    Raises:
        SchemaError: no answer could fit it, or it gives a grammar no form; it names the keyword.
    """
    if isinstance(schema, bool):
        if not schema:
            raise unmet("false")
        return _ANY
    _check(schema)
    for key in ("$ref", "const", "enum"):
        if key in schema:
            return {key: schema[key]}
    if branches := _branches(schema):
        return {"anyOf": [for_grammar(branch) for branch in branches]}
    if "allOf" in schema and "properties" not in schema:
        return _all(schema)
    return _typed(schema, schema.get("type") or _guessed(schema))


def unmet(keyword: str) -> SchemaError:
    """The error of a schema that no answer can fit."""
    return refused(f"can't be met by any answer: see '{keyword}'")


def refused(what: str) -> SchemaError:
    """The error of a schema."""
    return SchemaError(
        f"The schema {what}.",
        "Leave out what can't be used; it must be a JSON schema of draft 2020-12.",
    )


def is_beyond(limit: Any) -> bool:
    """Whether a limit is more than a grammar counts to."""
    return isinstance(limit, int | float) and limit > MAX_COUNT


def _check(schema: Mapping[str, Any]) -> None:
    if schema.get("enum") == []:
        raise unmet("enum")
    if False in [one for one in schema.get("allOf", []) if isinstance(one, bool)]:
        raise unmet("allOf")
    for low, high in (*_PAIRS, *_OPEN_PAIRS):
        if low in schema and high in schema:
            apart = schema[high] - schema[low]
            if apart < 0 or (apart == 0 and (low, high) in _OPEN_PAIRS):
                raise unmet(low)


def _branches(schema: Mapping[str, Any]) -> list[Any]:
    """What an answer chooses from: several types, or schemas with the type that all have.

    Nothing where properties say more than branches such as {"required": ["a"]}: those are checked.
    """
    given = schema.get("oneOf") or schema.get("anyOf") or []
    bare = all(isinstance(one, dict) and one.keys() <= {"required", *_FORMLESS} for one in given)
    if bare and "properties" in schema:
        given = []
    shared = {key: schema[key] for key in ("type",) if key in schema}
    if not given and isinstance(kinds := schema.get("type"), list):
        return [_only(schema, kind) for kind in kinds]
    possible = [one for one in given if one is not False]
    if given and not possible:
        raise unmet("anyOf")
    return [{**shared, **one} if isinstance(one, dict) else {**shared} for one in possible]


def _only(schema: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """What a schema of several types says of one."""
    return {"type": kind} | {key: schema[key] for key in _OF_TYPE.get(kind, ()) if key in schema}


def _all(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Parts that must all fit; of several objects the converter joins the properties."""
    parts = [part for part in schema["allOf"] if isinstance(part, dict)]
    shapes = [part for part in parts if part.keys() & {"$ref", "properties", "anyOf", "allOf"}]
    if len(shapes) > 1:
        return {"allOf": [_component(part) for part in shapes]}
    joined = {key: value for key, value in schema.items() if key != "allOf"}
    for part in parts:
        joined |= part
    required = [name for one in (schema, *parts) for name in one.get("required", [])]
    return for_grammar(joined | ({"required": required} if required else {}))


def _component(part: Mapping[str, Any]) -> dict[str, Any]:
    """What the converter takes of an object among several."""
    if "properties" in part:
        return {"properties": _properties(part)}
    if "anyOf" in part:
        return {"anyOf": [_component(one) for one in part["anyOf"] if isinstance(one, dict)]}
    return {"$ref": part["$ref"]} if "$ref" in part else {}


def _guessed(schema: Mapping[str, Any]) -> str | None:
    """The type that a schema means without saying it; None for any.

    Raises:
        SchemaError: it restricts answers without a form.
    """
    for key in schema:
        if key == "format" and not _FORMATS.fullmatch(str(schema[key])):
            continue
        for kind, keywords in _OF_TYPE.items():
            if key in keywords:
                return kind
    for key in _FORMLESS:
        if key in schema:
            raise refused(f"has '{key}' without a type of its own, which no grammar can hold")
    return None


def _typed(schema: Mapping[str, Any], kind: str | None) -> dict[str, Any]:
    match kind:
        case "object":
            return _object(schema)
        case "array":
            return _array(schema)
        case "string":
            return {"type": "string", **_string(schema)}
    return _ANY if kind is None else {"type": kind}


def _object(schema: Mapping[str, Any]) -> dict[str, Any]:
    more, required = schema.get("additionalProperties", True), schema.get("required", [])
    given = schema.get("properties", {})
    if more is False and not set(required) <= given.keys():
        raise unmet("required")
    if any(given.get(name) is False for name in required):
        raise unmet("required")
    names = _properties(schema) | {n: for_grammar(more) for n in required if n not in given}
    opened = "additionalProperties" in schema and more is not False
    if not names and "properties" not in schema and more is True:
        return {"type": "object"}
    if not opened and schema.get("minProperties", 0) > len(names):
        raise refused("has 'minProperties' beyond its properties, which no grammar can hold")
    form = {"type": "object", "properties": names, "required": required}
    return form | ({"additionalProperties": for_grammar(more)} if opened else {})


def _properties(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Those that an answer may have."""
    given = schema.get("properties", {}).items()
    return {name: for_grammar(one) for name, one in given if one is not False}


def _array(schema: Mapping[str, Any]) -> dict[str, Any]:
    counts = _counts(schema, "minItems", "maxItems")
    low, high = counts.get("minItems", 0), counts.get("maxItems")
    items = schema.get("items", True)
    if "prefixItems" in schema:
        first: Sequence[Any] = schema["prefixItems"][:high]
        if low > len(first):
            raise refused("has 'minItems' beyond its prefixItems, which no grammar can hold")
        return {"type": "array", "prefixItems": [for_grammar(one) for one in first]}
    if items is False:
        if low:
            raise unmet("minItems")
        items, counts = True, {"maxItems": 0}
    return {"type": "array", "items": for_grammar(items), **counts}


def _string(schema: Mapping[str, Any]) -> dict[str, Any]:
    form: dict[str, Any] = _counts(schema, "minLength", "maxLength")
    if "pattern" in schema:
        form["pattern"] = schema_regex.for_grammar(schema["pattern"])
    if _FORMATS.fullmatch(str(schema.get("format"))):
        form["format"] = schema["format"]
    return form


def _counts(schema: Mapping[str, Any], low: str, high: str) -> dict[str, int]:
    """Limits as whole numbers, which JSON may write as 2.0; without an upper one too high."""
    return {
        key: int(schema[key])
        for key in (low, high)
        if key in schema and not (key == high and is_beyond(schema[key]))
    }
