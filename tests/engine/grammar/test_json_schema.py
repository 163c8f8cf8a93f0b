"""A schema becomes a grammar, an instruction and a check."""

from __future__ import annotations

import json
import pickle  # noqa: TID251 - errors cross processes whole
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from edge_med.config import Options
from edge_med.engine.decode.sampling import Sampler
from edge_med.engine.grammar.json_schema import BOUNDS, compile_schema
from edge_med.engine.grammar.token_mask import Grammar
from edge_med.engine.llama.model import Model
from edge_med.engine.llama.vocabulary import Vocabulary
from edge_med.errors import SchemaError
from tests.conftest import Models
from tests.schemas import BOXES, LABORATORY, SCHEMAS

ANSWERS = {
    "report": '{"modality":"CT","findings":[{"region":"left lung","finding":"clear","severity":'
    '"none"}],"impression":"normal","follow_up":false}',
    "laboratory": '{"values":[{"test":"Hb","value":11.2,"unit":"g/dl","flag":"low","reference":'
    '"12.0-15.5"}],"taken":"2026-01-31"}',
    "boxes": '[{"box_2d":[140,110,340,470],"label":"right clavicle"}]',
}
"""As people would write them; only fields that may be missing come after the others."""


@pytest.fixture(scope="module")
def vocabulary(model: Models) -> Iterator[Vocabulary]:
    with Model(model("text", "F32") / "text-F32.gguf") as opened:
        yield opened.vocabulary


def takes(vocabulary: Vocabulary, schema: Any, text: str) -> bool:
    """Whether the grammar of a schema takes a whole text."""
    grammar = Grammar(vocabulary, compile_schema(schema).gbnf, bounds=BOUNDS)
    for byte in text.encode():
        token = vocabulary.required(f"<0x{byte:02X}>")
        if not grammar.fits(token):
            return False
        grammar.accept(token)
    return grammar.finished


@pytest.mark.parametrize("name", SCHEMAS)
def test_an_answer_fits_and_is_parsed(name: str, vocabulary: Vocabulary) -> None:
    assert takes(vocabulary, SCHEMAS[name], ANSWERS[name])
    assert compile_schema(SCHEMAS[name]).parse(ANSWERS[name]) == json.loads(ANSWERS[name])


@pytest.mark.parametrize("name", SCHEMAS)
@pytest.mark.parametrize("seed", range(5))
def test_whatever_fits_the_grammar_is_json_by_the_schema(
    name: str, seed: int, vocabulary: Vocabulary
) -> None:
    schema = compile_schema(SCHEMAS[name])
    grammar = Grammar(vocabulary, schema.gbnf, bounds=BOUNDS)
    sampler = Sampler(Options(temperature=1.0, seed=seed), vocabulary.size)
    data = b""
    while not grammar.closed:
        token = sampler.choose(np.zeros(vocabulary.size, dtype=np.float32), grammar)
        grammar.accept(token)
        if vocabulary.ends(token):
            break
        data += vocabulary.piece(token)
    schema.parse(data.decode())


@pytest.mark.parametrize(
    ("schema", "right", "wrong"),
    [
        ({"type": "string", "pattern": r"^\d{2}\.[^x]$"}, '"12.a"', ['"12xa"', '"12.x"', '"12.""']),
        ({"const": 'a"\\\n😀'}, json.dumps('a"\\\n😀', ensure_ascii=False), ['"a"']),
        ({"type": "string"}, '"é\\n\\u00e9"', ['"\n"', '"\\ud800"', '"\\q"']),
        ({"type": "string", "minLength": 2, "maxLength": 3}, '"abc"', ['"a"', '"abcd"']),
        ({"enum": [1, None, "x"]}, "null", ["2", "xx"]),
        (
            {
                "$ref": "#/$defs/string",
                "$defs": {
                    "string": {"properties": {"a": {"$ref": "#/$defs/b/items"}}, "required": ["a"]},
                    "b": {"items": {"type": "integer"}},
                },
            },
            '{"a":3}',
            ['{"a":"3"}', "{}"],
        ),
        (
            {"properties": {"$ref": {"type": "integer"}}, "required": ["$ref"]},
            '{"$ref":3}',
            ['{"$ref":"#"}', "{}"],
        ),
        (
            {"properties": {"const": {"maxLength": 2000, "type": "string"}}, "required": ["const"]},
            '{"const":"a"}',
            ['{"const":2}'],
        ),
        (
            {"const": {"maxItems": 5000, "$ref": "x", "pattern": "("}},
            '{"maxItems": 5000, "$ref": "x", "pattern": "("}',
            ['{"$ref": "x", "pattern": "("}'],
        ),
        ({"enum": [{"pattern": "(a+)+$", "minItems": 5000}, 1]}, "1", ["2"]),
        (
            {"type": "integer", "default": {"pattern": 1}, "examples": [{"$ref": "x"}]},
            "3",
            ['"3"'],
        ),
    ],
    ids=[
        *("pattern", "escapes", "characters", "length", "choice", "references"),
        *("a name like a keyword", "a name like data", "a constant", "choices", "no part of it"),
    ],
)
def test_the_grammar_holds(
    schema: Any, right: str, wrong: list[str], vocabulary: Vocabulary
) -> None:
    assert takes(vocabulary, schema, right)
    assert not any(takes(vocabulary, schema, text) for text in wrong)
    compile_schema(schema).parse(right)


@pytest.mark.parametrize(
    "text",
    ["", "[", '[{"box_2d":[1,2,3,4],"label":"a"}', "[]", '[{"box_2d":[1,2,3],"label":"a"}]', "NaN"],
)
def test_what_does_not_fit_is_an_error_that_keeps_the_text(text: str) -> None:
    with pytest.raises(SchemaError, match="doesn't fit") as caught:
        compile_schema(BOXES).parse(text)
    assert caught.value.text == text
    assert pickle.loads(pickle.dumps(caught.value)).text == text


@pytest.mark.parametrize(
    ("schema", "right", "wrong"),
    [
        ({"type": "array", "items": {}}, '[1,"a",{"b":[null]}]', ["[1", "1"]),
        ({"properties": {"a": {"title": "A"}}, "required": ["a"]}, '{"a":[2]}', ["{}"]),
        ({"properties": {"a": {"description": "x"}}}, '{"a":"b"}', ['{"b":1}']),
        ({"type": "array", "items": True}, "[true,1]", ["{}"]),
        ({"properties": {"a": True, "b": False}}, '{"a":null}', ['{"b":null}']),
        (True, "2", ["a"]),
        ("true", '"a"', ["a"]),
        ({"required": ["a"]}, '{"a":1}', ["{}", "1"]),
        ({"type": "object", "required": ["a"]}, '{"a":1}', ["{}"]),
        (
            {"additionalProperties": {"type": "null"}, "required": ["a"]},
            '{"a":null,"b":null}',
            ["{}", '{"a":1}'],
        ),
        ({"additionalProperties": True}, '{"a":1}', ["1"]),
        ({"minLength": 2}, '"ab"', ['"a"', "1"]),
        ({"minimum": 2}, "2.5", ['"a"']),
        ({"format": "email"}, '"a"', ["a"]),
        ({"type": ["string", "null"], "maxLength": 2}, '"ab"', ['"abc"', "1"]),
        ({"type": ["string", "null"], "enum": ["a", None]}, "null", ['"b"']),
        ({"type": "array", "maxItems": 0}, "[]", ["[1]"]),
        ({"type": "array", "items": False}, "[]", ["[1]"]),
        ({"type": "array", "minItems": 2.0}, "[1,2]", ["[1]"]),
        ({"prefixItems": [{"type": "null"}], "items": {}}, "[null]", ["[1]", "[]"]),
        ({"allOf": [{"enum": ["a"]}], "default": "a"}, '"a"', ["1"]),
        ({"allOf": [{"type": "string"}, {"minLength": 2}]}, '"ab"', ['"a"']),
        ({"type": "string", "anyOf": [{"format": "email"}, {"maxLength": 2}]}, '"abc"', ["1"]),
        (
            {"properties": {"a": {"type": "null"}}, "anyOf": [{"required": ["a"]}]},
            '{"a":null}',
            ['{"a":1}'],
        ),
    ],
    ids=str,
)
def test_ordinary_schemas_become_grammars(
    schema: Any, right: str, wrong: list[str], vocabulary: Vocabulary
) -> None:
    assert takes(vocabulary, schema, right)
    assert not any(takes(vocabulary, schema, text) for text in wrong)
    compile_schema(schema).parse(right)


@pytest.mark.parametrize(
    ("schema", "keyword"),
    [
        ({"required": ["b"], "properties": {"a": {}}, "additionalProperties": False}, "required"),
        ({"required": ["a"], "properties": {"a": False}}, "required"),
        ({"type": "array", "minItems": 3, "maxItems": 2}, "minItems"),
        ({"type": "string", "minLength": 3, "maxLength": 2}, "minLength"),
        ({"type": "number", "minimum": 3, "maximum": 2}, "minimum"),
        ({"type": "number", "exclusiveMinimum": 2, "maximum": 2}, "exclusiveMinimum"),
        ({"properties": {"a": {}}, "minProperties": 2}, "minProperties"),
        ({"items": {"enum": []}}, "enum"),
        ({"anyOf": [False]}, "anyOf"),
        ({"allOf": [False]}, "allOf"),
        ({"items": False, "minItems": 1}, "minItems"),
        ({"prefixItems": [{}], "minItems": 2}, "minItems"),
        ({"additionalProperties": {"type": "null", "minimum": 2, "maximum": 1}}, "minimum"),
        ({"not": {"type": "string"}}, "not"),
        ({"if": {"type": "string"}, "then": {"minLength": 2}}, "if"),
    ],
    ids=str,
)
def test_what_no_answer_could_keep_is_refused_with_its_keyword(schema: Any, keyword: str) -> None:
    with pytest.raises(SchemaError, match=f"'{keyword}'"):
        compile_schema(schema)


def test_no_number_is_too_large_for_a_double(vocabulary: Vocabulary) -> None:
    for schema in ({"type": "number"}, {"items": {"type": "number"}, "type": "array"}):
        assert not takes(vocabulary, schema, "8611E699")
    assert takes(vocabulary, {"type": "number"}, "8611E69")


def test_a_whole_answer_that_breaks_a_rule_is_not_told_to_be_longer() -> None:
    with pytest.raises(SchemaError) as caught:
        compile_schema({"type": "integer", "maximum": 5}).parse("7")
    assert "max-new-tokens" not in caught.value.hint


def test_what_a_grammar_cannot_hold_is_checked() -> None:
    with pytest.raises(SchemaError, match="'maximum'"):
        compile_schema({"type": "integer", "maximum": 5}).parse("7")


def test_the_model_is_shown_the_schema_as_compact_json() -> None:
    instruction = compile_schema(json.dumps(LABORATORY, indent=4)).instruction
    assert instruction.endswith(json.dumps(LABORATORY, separators=(",", ":")))


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ({"$ref": "https://example.org/s"}, "nothing is fetched"),
        ({"not": {"$ref": "#/default"}, "default": {"pattern": "^(a+)+$"}}, "is no schema"),
        ({"$ref": "#/%64efault", "%64efault": {}, "default": {}}, "percent sign"),
        ({"$ref": "#/$defs/a"}, "leads nowhere"),
        ({"type": "text"}, "breaks a rule of JSON Schema"),
        ({"type": "string", "pattern": "^(a+)+$"}, "repeats a group"),
        *(
            ({"type": "string", "pattern": f"^{p}$"}, "can't be read")
            for p in ("a}", "a]", "a{ 2}")
        ),
        ({"type": "array", "items": {}, "minItems": 10**9}, "wants more than"),
        ("{", "isn't JSON"),
    ],
)
def test_a_schema_that_cannot_be_used_says_why(schema: Any, message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        compile_schema(schema)
