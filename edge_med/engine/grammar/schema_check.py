"""What is no schema, says nothing, or would take too far, is refused by its name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from edge_med.engine.grammar import schema_regex
from edge_med.engine.grammar.schema_keywords import CONSTRAINING, TYPES
from edge_med.engine.grammar.schema_subset import LOWER, MAX_COUNT
from edge_med.engine.grammar.schema_text import NO_SCHEMA, SHOWN, refused, shown
from edge_med.engine.grammar.schema_walk import check_references, subschemas, target

MAX_DEPTH = 64

MAX_NAMES = 256
"""Properties of an object."""

_FORMS: Mapping[str, str] = {
    "type": f"Types are {', '.join(TYPES[:-1])} and {TYPES[-1]}, one or a list of them.",
    "required": 'It is a list of names next to properties: "required": ["side"].',
    "properties": 'It has a schema for each name: "properties": {"side": {"type": "string"}}.',
    "enum": 'It is a list of values: "enum": ["left", "right"].',
}
"""How a keyword is written that isn't written so."""


def check_depth(given: Any) -> None:
    """Refuse what is too deep to be walked through.

    Raises:
        SchemaError: it is.
    """
    for _, depth in subschemas(given):
        if depth > MAX_DEPTH:
            raise refused(f"is deeper than {MAX_DEPTH}")


def check(given: dict[str, Any]) -> None:
    """Refuse what isn't a schema, and what would take llguidance or the check too far.

    Raises:
        SchemaError: it names the keyword.
    """
    check_depth(given)
    for schema, _ in subschemas(given):
        if any(_is_beyond(schema.get(key)) for key in LOWER):
            raise refused(f"wants more than {MAX_COUNT:,} of something")
        if any(_size(schema.get(key)) > MAX_NAMES for key in ("properties", "required")):
            raise refused(f"has an object of more than {MAX_NAMES} properties")
        if isinstance(pattern := schema.get("pattern"), str):
            schema_regex.check(pattern)
        for pattern in _names(schema.get("patternProperties")):
            schema_regex.check(pattern, of_names=True)
    _check_form(given)
    check_references(given)
    if not _constrains(given, given, set()):
        raise refused(_nothing(given), _SAYS)


def _is_beyond(count: Any) -> bool:
    return isinstance(count, int | float) and count > MAX_COUNT


def _names(mapping: Any) -> list[Any]:
    return list(mapping) if isinstance(mapping, dict) else []


def _size(names: Any) -> int:
    return len(names) if isinstance(names, dict | list) else 0


def _check_form(given: dict[str, Any]) -> None:
    """Refuse what breaks a rule of JSON Schema itself."""
    from jsonschema import Draft202012Validator

    meta = Draft202012Validator(Draft202012Validator.META_SCHEMA)
    error = next(iter(meta.iter_errors(given)), None)
    if error is None:
        return
    path = [str(part) for part in error.absolute_path]
    keyword = next((part for part in reversed(path) if part in CONSTRAINING), "")
    hint = _FORMS.get(keyword, NO_SCHEMA)
    if not isinstance(error.instance, dict | bool) and path[-2:-1] == ["properties"]:
        hint = _FORMS["properties"]
    where = "/".join(path)[:SHOWN] or "the whole of it"
    raise refused(f"breaks a rule of JSON Schema: {where} is {shown(error.instance)}", hint)


def _constrains(schema: Any, whole: dict[str, Any], seen: set[int]) -> bool:
    """Whether a schema says anything of an answer."""
    if not isinstance(schema, dict) or id(schema) in seen:
        return schema is False
    seen.add(id(schema))
    says = schema.keys() & (CONSTRAINING - _LEADING)
    if says and not (says == {"type"} and _are_all([schema])):
        return True
    parts = [schema.get(key, ()) for key in ("anyOf", "oneOf")]
    if any(
        part and not _are_all(part) and all(_constrains(one, whole, seen) for one in part)
        for part in parts
    ):
        return True
    joined = list(schema.get("allOf", ()))
    joined += [target(whole, schema["$ref"])] if "$ref" in schema else []
    return any(_constrains(one, whole, seen) for one in joined)


def _are_all(several: Iterable[Any]) -> bool:
    """Whether one or another of several schemas takes any value of each type there is."""
    found: set[str] = set()
    for one in several:
        if isinstance(one, dict) and one.keys() & CONSTRAINING == {"type"}:
            found |= {one["type"]} if isinstance(one["type"], str) else {*one["type"]}
    return found >= {*TYPES} - {"integer"}


_LEADING = frozenset(("allOf", "anyOf", "oneOf", "$ref", "format", "then", "else"))
"""Keywords that say something only if what they lead to does."""

_SAYS = 'Say which type an answer has, and name an object\'s fields in "properties".'


def _nothing(given: Mapping[str, Any]) -> str:
    names = ", ".join(f"'{name[:SHOWN]}'" for name in list(given)[:3])
    return f"constrains nothing{f': it has {names}' if names else ''}, and any JSON would fit it"
