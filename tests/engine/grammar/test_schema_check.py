"""What is no schema, or says nothing, is refused by the name of what is wrong."""

from __future__ import annotations

import json
from types import MappingProxyType
from typing import Any

import pytest

from edge_med.engine.grammar.json_schema import compile_schema
from edge_med.errors import SchemaError


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"description": "Whatever there is."},
        {"$ref": "#/$defs/a", "$defs": {"a": {"title": "A"}}},
        {"anyOf": [{"type": "string"}, {}]},
        {"allOf": [{}, {"title": "A"}]},
        {"side": "left or right", "size": "in mm"},
        {"side": {"type": "string"}},
        {"type": ["object", "array", "string", "number", "boolean", "null"]},
        {"type": ["object", "array", "string", "number", "integer", "boolean", "null"]},
        {"allOf": [{"type": ["object", "array", "string", "number", "boolean", "null"]}]},
        {
            "anyOf": [
                {"type": ["object", "array", "null"]},
                {"type": ["string", "number", "boolean"]},
            ]
        },
    ],
    ids=str,
)
def test_a_schema_that_any_answer_fits_is_refused(given: Any) -> None:
    with pytest.raises(SchemaError, match="constrains nothing"):
        compile_schema(given)


@pytest.mark.parametrize(
    "given",
    [
        {"type": "object"},
        {"anyOf": [{"type": "string"}, {"$ref": "#/$defs/a"}], "$defs": {"a": {"enum": [1]}}},
        {"allOf": [{}, {"minLength": 1}]},
        {"properties": {"side": {}}},
        {"type": ["object", "array", "string", "integer", "boolean", "null"]},
        {"type": ["object", "array", "string", "number", "boolean", "null"], "minLength": 1},
    ],
    ids=str,
)
def test_a_schema_that_says_a_little_is_used(given: Any) -> None:
    assert compile_schema(given).grammar


@pytest.mark.parametrize(
    ("given", "message", "hint"),
    [
        ({"type": "str"}, 'type is "str"', "object and string"),
        (
            {"type": "object", "properties": {"a": {"type": "any"}}},
            'properties/a/type is "any"',
            "null",
        ),
        ({"properties": {"a": "string"}}, 'properties/a is "string"', "a schema for each name"),
        ({"properties": ["a"]}, 'properties is \\["a"\\]', "a schema for each name"),
        (
            {"properties": {"a": {"type": "string", "required": True}}},
            "properties/a/required is true",
            "next to properties",
        ),
        ({"type": "string", "enum": "left"}, 'enum is "left"', "list of values"),
        ({"type": "string", "maxLength": "long"}, 'maxLength is "long"', "draft 2020-12"),
        ({"type": "integer", "minimum": "0"}, 'minimum is "0"', "draft 2020-12"),
    ],
    ids=str,
)
def test_what_breaks_a_rule_of_json_schema_is_named_with_its_value(
    given: Any, message: str, hint: str
) -> None:
    with pytest.raises(SchemaError, match=message) as caught:
        compile_schema(given)
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("{bad", "line 1, column 2"),
        ('{"type": "string",\n "enum": [\'a\']}', "line 2, column 11"),
        ('{"type": "string", "type": "object"}', "'type' twice"),
        ("[1]", r"is \[1\], and must be a JSON object"),
        ("true", "is true, and must be"),
        ({"enum": {1, 2}}, "type set"),
        ({"minimum": float("nan"), "type": "number"}, "isn't JSON"),
        ({"properties": {"a": int}}, "the class int inside it"),
    ],
    ids=str,
)
def test_what_is_no_json_is_refused_with_the_place(given: Any, message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        compile_schema(given)


def test_any_mapping_is_a_schema() -> None:
    given = MappingProxyType({"properties": MappingProxyType({"a": {"type": "string"}})})
    assert compile_schema(given).text == '{"properties":{"a":{"type":"string"}}}'


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"type": "object", "patternProperties": {"^(?!x)": {}}}, "names that looks around"),
        ({"type": "object", "patternProperties": {"^(a+)+$": {}}}, "names that repeats a group"),
        ({"type": "string", "pattern": r"^(a|b)+\1$"}, "reference back that repeats a group"),
    ],
)
def test_a_pattern_that_nobody_can_check_in_time_is_refused(given: Any, message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        compile_schema(given)


LOOP = {"$ref": "#/$defs/A"}


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({"$ref": "#"}, "#"),
        ({"anyOf": [{"type": "string"}, {"$ref": "#"}]}, "#"),
        ({"$defs": {"A": LOOP}, **LOOP}, "#/\\$defs/A"),
        ({"$defs": {"A": LOOP}, "properties": {"a": LOOP}}, "#/\\$defs/A"),
        ({"$defs": {"A": LOOP}, "type": "object"}, "#/\\$defs/A"),
        ({"$defs": {"A": {"$ref": "#/$defs/B"}, "B": LOOP}, "items": LOOP}, "#/\\$defs/A"),
        ({"$defs": {"A": {"anyOf": [LOOP, {"type": "null"}]}}, "items": LOOP}, "#/\\$defs/A"),
        ({"$defs": {"A": {"not": LOOP}}, "items": LOOP}, "#/\\$defs/A"),
    ],
    ids=str,
)
def test_a_reference_that_leads_to_itself_is_named(given: Any, name: str) -> None:
    with pytest.raises(SchemaError, match=f"leads in a circle to itself: '{name}'"):
        compile_schema(given)


@pytest.mark.parametrize(
    "given",
    [
        {"properties": {"next": {"$ref": "#"}}},
        {"$defs": {"A": {"anyOf": [{"items": LOOP}, {"type": "null"}]}}, **LOOP},
        {"$defs": {"A": {"type": "string"}}, "allOf": [LOOP, LOOP]},
    ],
    ids=str,
)
def test_a_schema_may_have_itself_within_its_values(given: Any) -> None:
    assert compile_schema(given).grammar


@pytest.mark.parametrize(
    "inner",
    [
        {"name": "x", "schema": {"type": "boolean"}},
        {"schema": '{"type": "boolean"}'},
        {"json_schema": {"name": "x", "schema": {"type": "boolean"}}},
    ],
    ids=str,
)
def test_an_envelope_within_a_schema_is_refused_by_its_key(inner: Any) -> None:
    for given in (
        {"type": "object", "properties": {"a": inner}},
        {"type": "array", "items": inner},
        {"anyOf": [{"type": "null"}, inner]},
    ):
        with pytest.raises(SchemaError, match="an envelope within it: another schema under"):
            compile_schema(given)


def test_nullable_as_a_text_is_read_and_anything_else_is_refused() -> None:
    for given, kinds in (("true", ["string", "null"]), ("False", "string")):
        text = compile_schema({"type": "string", "nullable": given}).text
        assert json.loads(text)["type"] == kinds
    others: tuple[Any, ...] = ("yes", 1, [])
    for other in others:
        with pytest.raises(SchemaError, match="has 'nullable'"):
            compile_schema({"type": "string", "nullable": other})
