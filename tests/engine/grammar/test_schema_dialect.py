"""Schemas of other drafts and services mean what they mean there, or are refused by the keyword."""

from __future__ import annotations

import json
from typing import Any

import pytest

from edge_med.engine.grammar.json_schema import compile_schema
from edge_med.errors import SchemaError

NULL = {"type": "null"}


def obj(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ({"type": "INTEGER"}, {"type": "integer"}),
        ({"type": "OBJECT", "properties": {"a": {"type": "STRING"}}}, obj(a={"type": "string"})),
        (
            {"type": "ARRAY", "items": {"type": "NUMBER"}, "maxItems": "3"},
            {"type": "array", "items": {"type": "number"}, "maxItems": 3},
        ),
        ({"type": "STRING", "nullable": True}, {"type": ["string", "null"]}),
        ({"type": "string", "nullable": False}, {"type": "string"}),
        (
            {"type": "string", "enum": ["a"], "nullable": True},
            {"type": ["string", "null"], "enum": ["a", None]},
        ),
        ({"enum": ["a"], "nullable": True}, {"enum": ["a", None]}),
        ({"type": ["string", "null"], "nullable": True}, {"type": ["string", "null"]}),
        (
            obj(a={"$ref": "#/$defs/b", "nullable": True}) | {"$defs": {"b": {"type": "integer"}}},
            obj(a={"anyOf": [{"$ref": "#/$defs/b"}, NULL]}) | {"$defs": {"b": {"type": "integer"}}},
        ),
        (
            {"anyOf": [{"type": "string"}, {"type": "integer"}], "nullable": True},
            {"anyOf": [{"anyOf": [{"type": "string"}, {"type": "integer"}]}, NULL]},
        ),
        (
            {"type": "integer", "minimum": 0, "exclusiveMinimum": True},
            {"type": "integer", "exclusiveMinimum": 0},
        ),
        (
            {"type": "integer", "maximum": 9, "exclusiveMaximum": False},
            {"type": "integer", "maximum": 9},
        ),
        (
            {"type": "array", "items": [{"type": "integer"}], "additionalItems": False},
            {"type": "array", "prefixItems": [{"type": "integer"}], "items": False},
        ),
        (
            {"type": "object", "dependencies": {"a": ["b"], "c": {"required": ["d"]}}},
            {
                "type": "object",
                "dependentRequired": {"a": ["b"]},
                "dependentSchemas": {"c": {"required": ["d"]}},
            },
        ),
        (
            {"type": "ARRAY", "items": {"any_of": [{"type": "STRING"}]}, "min_items": 1},
            {"type": "array", "items": {"anyOf": [{"type": "string"}]}, "minItems": 1},
        ),
        (
            {
                "$ref": "#/components/schemas/A",
                "components": {"schemas": {"A": {"type": "string", "nullable": True}}},
            },
            {
                "$ref": "#/components/schemas/A",
                "components": {"schemas": {"A": {"type": ["string", "null"]}}},
            },
        ),
    ],
    ids=str,
)
def test_another_dialect_is_read_as_it_is_meant_and_told(given: Any, meant: Any) -> None:
    found = compile_schema(given)
    assert json.loads(found.text) == meant
    assert "schema_translated" in [notice.code for notice in found.notices]
    assert found.grammar == compile_schema(meant).grammar


def test_data_and_names_are_not_translated() -> None:
    schema = obj(nullable={"enum": ["STRING", "any_of"]}, any_of={"const": {"type": "STRING"}})
    found = compile_schema(schema)
    assert (json.loads(found.text), found.notices) == (schema, ())


def test_a_keyword_that_is_none_is_not_there() -> None:
    given = {"type": "string", "pattern": None, "maxLength": None, "anyOf": None, "enum": None}
    assert json.loads(compile_schema(given).text) == {"type": "string"}


@pytest.mark.parametrize(
    ("given", "keyword", "meant"),
    [
        ({"type": "object", "propertys": {}}, "propertys", "properties"),
        (obj(a={"type": "integer", "min": 0}), "min", "minimum"),
        (obj(a={"type": "string", "anyof": []}), "anyof", "anyOf"),
        ({"type": "array", "item": {"type": "string"}}, "item", "items"),
        ({"type": "string", "regex": "a"}, "regex", "pattern"),
        ({"type": "string", "choices": ["a"]}, "choices", "enum"),
        (obj(a={"type": "string", "optional": True}), "optional", "required"),
    ],
)
def test_a_keyword_that_was_meant_for_another_is_refused(
    given: Any, keyword: str, meant: str
) -> None:
    with pytest.raises(SchemaError, match=f"'{keyword}'") as caught:
        compile_schema(given)
    assert f"'{meant}'" in caught.value.hint


def test_a_key_that_means_nothing_is_told() -> None:
    (notice,) = compile_schema(obj(a={"type": "string", "tooltip": "Side"})).notices
    assert (notice.code, "tooltip" in notice.text) == ("schema_ignored", True)


@pytest.mark.parametrize("key", ["title", "description", "x-order", "example", "discriminator"])
def test_notes_that_others_write_are_passed_over(key: str) -> None:
    assert (
        compile_schema({"type": "string", key: {"a": "b"} if key == "x-order" else "y"}).notices
        == ()
    )


def test_the_mark_of_gemini_for_choices_is_passed_over() -> None:
    assert compile_schema({"type": "string", "format": "enum", "enum": ["a"]}).notices == ()


@pytest.mark.parametrize(
    "given",
    [
        {"$schema": "http://json-schema.org/draft/2020-12/schema", "type": "integer"},
        {"$schema": "https://example.org/ours", "$id": "https://example.org/a", "type": "integer"},
        {"id": "#a", "type": "integer"},
    ],
)
def test_what_a_schema_is_called_is_left_out(given: Any) -> None:
    found = compile_schema(given)
    assert (json.loads(found.text), found.notices) == ({"type": "integer"}, ())


def test_references_by_the_own_name_of_a_schema_lead_to_its_parts() -> None:
    own = "https://example.org/finding"
    named = {"$id": own, "$ref": f"{own}#/$defs/a", "$defs": {"a": {"$id": "a", "enum": [1]}}}
    assert (
        compile_schema(named).grammar
        == compile_schema({"$ref": "#/$defs/a", "$defs": {"a": {"enum": [1]}}}).grammar
    )


def test_a_field_that_is_called_id_is_a_field() -> None:
    schema = obj(id={"type": "string"}, **{"$id": {"type": "integer"}})
    assert json.loads(compile_schema(schema).text) == schema
