"""What a grammar can't hold of a schema is told before an answer is written."""

from __future__ import annotations

from typing import Any

import pytest

from edge_med.engine.grammar.json_schema import compile_schema

TEXT = {"type": "string"}
WHOLE = {"type": "integer"}
KIND = {"type": "object", "properties": {"kind": {"const": "a"}}, "required": ["kind"]}
OTHER = {"type": "object", "properties": {"kind": {"const": "b"}}, "required": ["kind"]}
TWO = {"type": "object", "properties": {"a": TEXT, "b": TEXT}}


def told(schema: Any) -> dict[str, str]:
    return {notice.code: notice.text for notice in compile_schema(schema).notices}


@pytest.mark.parametrize(
    ("schema", "keyword"),
    [
        ({"type": "integer", "multipleOf": 5}, "multipleOf"),
        ({"type": "array", "items": WHOLE, "uniqueItems": True}, "uniqueItems"),
        ({"type": "array", "contains": {"const": 1}}, "contains"),
        ({"type": "object", "propertyNames": {"maxLength": 3}}, "propertyNames"),
        ({"type": "object", "dependentRequired": {"a": ["b"]}}, "dependentRequired"),
        ({"not": {"type": "string"}}, "not"),
        ({"if": {"type": "string"}, "then": {"minLength": 2}}, "if, then"),
        ({"type": "string", "pattern": "^(?!x)[a-z]$"}, "pattern"),
        ({"type": "string", "maxLength": 2000}, "maxLength"),
        ({"type": "integer", "minimum": -(2**63)}, "minimum"),
        ({"type": "number", "maximum": 1e300}, "maximum"),
        ({**TWO, "maxProperties": 1, "required": ["a"]}, "maxProperties"),
        ({"oneOf": [WHOLE, {"type": "number"}]}, "oneOf"),
        ({"oneOf": [TWO, {"type": "object", "properties": {"c": TEXT}}]}, "oneOf"),
        ({"properties": {"a": {"items": {"type": "integer", "multipleOf": 5}}}}, "multipleOf"),
    ],
    ids=str,
)
def test_a_rule_that_is_only_checked_at_last_is_told_by_its_name(schema: Any, keyword: str) -> None:
    assert f" {keyword}." in told(schema)["schema_checked_at_last"]


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "number", "minimum": 0, "maximum": 1},
        {"type": "integer", "exclusiveMinimum": 0, "maximum": 2**63 - 1},
        {"type": "string", "pattern": "^(?:mild|severe)(, (mild|severe))*$"},
        {"type": "string", "maxLength": 1000, "format": "uri"},
        {"oneOf": [KIND, OTHER]},
        {"oneOf": [TEXT, {"type": "null"}]},
        {**TWO, "minProperties": 1},
        {**TWO, "maxProperties": 2, "required": ["a", "b"]},
        {"$ref": "#/$defs/a", "$defs": {"a": {"type": "string", "default": "x", "title": "A"}}},
    ],
    ids=str,
)
def test_of_a_schema_that_is_kept_nothing_is_told(schema: Any) -> None:
    assert told(schema) == {}


def test_a_format_that_nobody_checks_is_told() -> None:
    assert "decimal" in told({"type": "string", "format": "decimal"})["schema_format"]
    assert told({"type": "integer", "format": "int64"}) == {}


def test_a_notice_stays_short() -> None:
    many = {f"key{n}": "x" for n in range(20)}
    assert "and 12 more" in told({"type": "string", **many})["schema_ignored"]
