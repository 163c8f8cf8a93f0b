"""Schemas of other drafts and services, as draft 2020-12 has them.

Capitals, `nullable` and names with underscores are Gemini's and OpenAPI's, a list of `items` and
`dependencies` those of draft 7, `exclusiveMinimum: true` draft 4's.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from typing import Any

from edge_med.engine.grammar.schema_envelope import WAYS
from edge_med.engine.grammar.schema_keywords import (
    COMBINING,
    CONSTRAINING,
    KNOWN,
    MEANT,
    NOTES,
    SPELLED,
    TYPES,
)
from edge_med.engine.grammar.schema_text import refused, shown
from edge_med.engine.grammar.schema_walk import DATA, NAMED

COUNTS = frozenset(
    (
        *("minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties"),
        *("minContains", "maxContains"),
    )
)
_NULL = {"type": "null"}
_NEAR = 0.82
"""How alike, by difflib, a word is to a keyword that was meant; `propertys` has 0.84."""

_NAMES_OF_SCHEMAS = frozenset(("$id", "$schema", "id"))
"""They are left out: nothing is fetched, references lead to places from the root on, and a draft's
name that isn't known would be refused."""

_ELSEWHERE = frozenset(("additionalItems", "dependencies", "nullable"))
"""Keywords of others that are translated."""


class Translation:
    """What was found on the way through a schema.

    Attributes:
        schema: the schema in draft 2020-12.
        rewritten: names of what was read as something else.
        ignored: keywords that mean nothing.
    """

    def __init__(self, given: dict[str, Any]) -> None:
        """Translate a schema.

        Raises:
            SchemaError: a keyword isn't one, and another was meant.
        """
        self._given = given
        self.rewritten: dict[str, None] = {}
        self.ignored: dict[str, None] = {}
        self._own = next(
            (given[key] for key in ("$id", "id") if isinstance(given.get(key), str)), ""
        )
        self.schema: dict[str, Any] = self._schema(given, sure=True)

    def _any(self, value: Any, *, sure: bool) -> Any:
        if isinstance(value, list):
            return [self._any(one, sure=sure) for one in value]
        return self._schema(value, sure=sure) if isinstance(value, dict) else value

    def _schema(self, given: dict[str, Any], *, sure: bool) -> dict[str, Any]:
        here = self._spelled(given)
        found: dict[str, Any] = {}
        for key, value in here.items():
            if sure and key in _NAMES_OF_SCHEMAS and isinstance(value, str):
                continue
            known = key in KNOWN or key in _ELSEWHERE
            if sure and not known and not key.startswith("x-"):
                self._unknown(key, value, here, whole=given is self._given)
            if key in DATA:
                found[key] = value
            elif key in NAMED and isinstance(value, dict):
                found[key] = {name: self._any(one, sure=sure) for name, one in value.items()}
            else:
                found[key] = self._any(value, sure=sure and known and key not in NOTES)
        for rule in _RULES:
            found = rule(found, self._report)
        reference = found.get("$ref")
        if self._own and isinstance(reference, str) and reference.startswith(f"{self._own}#"):
            found["$ref"] = reference.removeprefix(self._own)
        return found

    def _spelled(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """With keywords as they are written, and without those whose value is None."""
        here = {}
        for key, value in given.items():
            name = SPELLED.get(key, key)
            if value is None and key not in ("const", "default", "type"):
                continue
            if name != key and name not in given:
                self._report(key)
                here[name] = value
            else:
                here[key] = value
        if here.get("type", "") is None and len(given) > len(here):
            del here["type"]  # as a library writes all that it hasn't got
        return here

    def _report(self, what: str) -> None:
        self.rewritten[what] = None

    def _unknown(self, key: str, value: Any, here: Mapping[str, Any], *, whole: bool) -> None:
        names = {name.lower(): name for name in CONSTRAINING}
        near = difflib.get_close_matches(key.lower(), names, 1, _NEAR)
        meant = MEANT.get(key) or (names[near[0]] if near else None)
        if meant:
            raise refused(
                f"has the keyword '{key[:40]}', which JSON Schema hasn't", f"Write '{meant}'."
            )
        if key in WAYS and (isinstance(value, dict) or str(value).lstrip().startswith("{")):
            if here.keys() & CONSTRAINING:
                raise refused(
                    f"has another under '{key}' next to keywords of its own",
                    "Give one of them: the whole, or what is in it.",
                )
            if not whole:
                raise refused(
                    f"has an envelope within it: another schema under '{key}'",
                    f"Put what is under '{key}' in the place of what is around it.",
                )
        self.ignored[key[:40]] = None


Report = Callable[[str], None]
Rule = Callable[[dict[str, Any], Report], dict[str, Any]]


def _small_types(schema: dict[str, Any], report: Report) -> dict[str, Any]:
    kinds = schema.get("type")
    if kinds == "TYPE_UNSPECIFIED":
        report("type TYPE_UNSPECIFIED")
        return {key: value for key, value in schema.items() if key != "type"}
    several = kinds if isinstance(kinds, list) else [kinds]
    small = [k.lower() if isinstance(k, str) and k.lower() in TYPES else k for k in several]
    if small == several:
        return schema
    report(f"type {shown(kinds).strip(chr(34))}")
    return {**schema, "type": small if isinstance(kinds, list) else small[0]}


def _whole_counts(schema: dict[str, Any], report: Report) -> dict[str, Any]:
    """Gemini's have the form of protobuf's JSON, whose whole numbers are texts."""
    texts = {
        k for k in schema.keys() & COUNTS if isinstance(schema[k], str) and schema[k].isdecimal()
    }
    for key in sorted(texts):
        report(f"{key} as a text")
    return {key: int(value) if key in texts else value for key, value in schema.items()}


def _open_limits(schema: dict[str, Any], report: Report) -> dict[str, Any]:
    found = dict(schema)
    for key, limit in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if isinstance(is_open := schema.get(key), bool):
            report(f"{key} as true or false")
            del found[key]
            if is_open and limit in found:
                found[key] = found.pop(limit)
    return found


def _lists_of_items(schema: dict[str, Any], report: Report) -> dict[str, Any]:
    found = dict(schema)
    rest = found.pop("additionalItems", None)
    if isinstance(schema.get("items"), list) and "prefixItems" not in schema:
        report("items as a list")
        found["prefixItems"] = found.pop("items")
        if rest is not None:
            found["items"] = rest
    return found


def _dependencies(schema: dict[str, Any], report: Report) -> dict[str, Any]:
    found = dict(schema)
    given = found.pop("dependencies", None)
    if not isinstance(given, dict):
        return schema
    report("dependencies")
    for name, needs in given.items():
        key = "dependentRequired" if isinstance(needs, list) else "dependentSchemas"
        found[key] = {**found.get(key, {}), name: needs}
    return found


def _nullable(schema: dict[str, Any], report: Report) -> dict[str, Any]:
    if "nullable" not in schema:
        return schema
    given = schema["nullable"]
    can_be = _YES_NO.get(given.strip().lower()) if isinstance(given, str) else given
    if not isinstance(can_be, bool):
        raise refused(f"has 'nullable': {shown(given)}", "Write true or false.")
    report("nullable")
    found = {key: value for key, value in schema.items() if key != "nullable"}
    kinds = found.get("type")
    together = found.keys() & _TOGETHER
    if not can_be or (kinds is None and not together and "enum" not in found):
        return found
    if isinstance(found.get("enum"), list) and None not in found["enum"]:
        found["enum"] = [*found["enum"], None]
    if together:
        named = {key: found.pop(key) for key in found.keys() & _DEFINITIONS}
        return named | {"anyOf": [found, dict(_NULL)]}
    several = kinds if isinstance(kinds, list) else [kinds]
    return found if kinds is None else {**found, "type": [*{**dict.fromkeys(several), "null": 0}]}


_YES_NO = {"true": True, "false": False}
"""Texts that are written for what JSON has itself."""

_TOGETHER = frozenset((*COMBINING, "$ref", "const", "not", "if"))
"""Keywords that may refuse null, whatever type stands next to them."""

_DEFINITIONS = frozenset(("$defs", "definitions"))
"""Where references lead, so that it stays in its place."""

_RULES: tuple[Rule, ...] = (
    *(_small_types, _whole_counts, _open_limits, _lists_of_items, _dependencies),
    _nullable,
)
