"""A schema becomes a grammar, an instruction and a check."""

from __future__ import annotations

import json
import pickle  # noqa: TID251 - errors cross processes whole
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from jsonschema import Draft202012Validator

from devtools.schemas import BOXES, LABORATORY, SCHEMAS
from edge_med.config import Options
from edge_med.engine.decode.sampling import Sampler
from edge_med.engine.grammar.json_schema import compile_schema
from edge_med.engine.grammar.schema_matcher import SchemaMatcher
from edge_med.engine.llama.llama_vocabulary import LlamaVocabulary
from edge_med.engine.llama.text_model import TextModel
from edge_med.errors import SchemaError
from tests.conftest import Models

ANSWERS = {
    "report": '{"modality":"CT","findings":[{"region":"left lung","finding":"clear","severity":'
    '"none"}],"impression":"normal","follow_up":false}',
    "laboratory": '{"taken":"2026-01-31","values":[{"test":"Hb","value":11.2,"unit":"g/dl",'
    '"reference":"12.0-15.5","flag":"low"}]}',
    "boxes": '[{"box_2d":[140,110,340,470],"label":"right clavicle"}]',
}
"""With the fields in the schema's order."""


@pytest.fixture(scope="module")
def vocabulary(model: Models) -> Iterator[LlamaVocabulary]:
    with TextModel(model("text", "F32") / "text-F32.gguf") as opened:
        yield opened.vocabulary


def takes(vocabulary: LlamaVocabulary, schema: Any, text: str) -> bool:
    """Whether a text may be written by a schema."""
    grammar = SchemaMatcher(vocabulary, compile_schema(schema).grammar)
    for byte in text.encode():
        token = vocabulary.required(f"<0x{byte:02X}>")
        if not grammar.fits(token):
            return False
        grammar.accept(token)
    return grammar.finished


@pytest.mark.parametrize("name", SCHEMAS)
def test_an_answer_fits_and_is_parsed(name: str, vocabulary: LlamaVocabulary) -> None:
    assert takes(vocabulary, SCHEMAS[name], ANSWERS[name])
    assert compile_schema(SCHEMAS[name]).parse(ANSWERS[name]) == json.loads(ANSWERS[name])


@pytest.mark.parametrize("name", SCHEMAS)
@pytest.mark.parametrize("seed", range(5))
def test_whatever_may_be_written_is_json_by_the_schema(
    name: str, seed: int, vocabulary: LlamaVocabulary
) -> None:
    grammar = SchemaMatcher(vocabulary, compile_schema(SCHEMAS[name]).grammar)
    sampler = Sampler(Options(temperature=1.0, seed=seed), vocabulary.size)
    data = b""
    while not grammar.closed:
        token = sampler.choose(np.zeros(vocabulary.size, dtype=np.float32), grammar)
        grammar.accept(token)
        if vocabulary.ends(token):
            break
        data += vocabulary.piece(token)
    Draft202012Validator(SCHEMAS[name]).validate(json.loads(data))


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
            '{"maxItems":5000,"$ref":"x","pattern":"("}',
            ['{"$ref":"x","pattern":"("}'],
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
def test_what_is_kept_of_a_schema(
    schema: Any, right: str, wrong: list[str], vocabulary: LlamaVocabulary
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
        ({"required": ["a"]}, '{"a":1}', ["{}", "1"]),
        ({"properties": {"b": {}}, "required": ["a"]}, '{"b":1,"a":2}', ["{}"]),
        ({"type": "object", "required": ["a"]}, '{"a":1}', ["{}"]),
        (
            {"additionalProperties": {"type": "null"}, "required": ["a"]},
            '{"a":null,"b":null}',
            ["{}", '{"a":1}'],
        ),
        ({"additionalProperties": True}, '{"a":1}', ["1"]),
        ({"minLength": 2}, '"ab"', ['"a"', "1"]),
        ({"minimum": 2}, "2.5", ['"a"']),
        ({"type": "string", "format": "email"}, '"a@b.de"', ['"a"']),
        ({"type": ["string", "null"], "maxLength": 2}, '"ab"', ['"abc"', "1"]),
        ({"type": ["string", "null"], "enum": ["a", None]}, "null", ['"b"']),
        ({"type": "array", "maxItems": 0}, "[]", ["[1]"]),
        ({"type": "array", "items": False}, "[]", ["[1]"]),
        ({"type": "array", "minItems": 2.0}, "[1,2]", ["[1]"]),
        ({"prefixItems": [{"type": "null"}], "items": {}}, "[null,2]", ["[1]"]),
        ({"allOf": [{"enum": ["a"]}], "default": "a"}, '"a"', ["1"]),
        ({"allOf": [{"type": "string"}, {"minLength": 2}]}, '"ab"', ['"a"']),
        (
            {"type": "string", "anyOf": [{"format": "date"}, {"maxLength": 2}]},
            '"ab"',
            ['"abc"', "1"],
        ),
        (
            {"properties": {"a": {"type": "null"}}, "anyOf": [{"required": ["a"]}]},
            '{"a":null}',
            ['{"a":1}'],
        ),
    ],
    ids=str,
)
def test_ordinary_schemas_are_kept(
    schema: Any, right: str, wrong: list[str], vocabulary: LlamaVocabulary
) -> None:
    assert takes(vocabulary, schema, right)
    assert not any(takes(vocabulary, schema, text) for text in wrong)
    compile_schema(schema).parse(right)


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        (
            {"required": ["b"], "properties": {"a": {}}, "additionalProperties": False},
            "required property 'b'",
        ),
        ({"required": ["a"], "properties": {"a": False}}, "required property 'a'"),
        ({"type": "array", "minItems": 3, "maxItems": 2}, "'minItems'"),
        ({"type": "string", "minLength": 3, "maxLength": 2}, "'minLength'"),
        ({"type": "number", "minimum": 3, "maximum": 2}, "'minimum'"),
        ({"type": "number", "exclusiveMinimum": 2, "maximum": 2}, "'exclusiveMinimum'"),
        ({"properties": {"a": {}}, "minProperties": 2}, "minProperties"),
        ({"allOf": [{"type": "string"}, {"type": "null"}]}, "incompatible types"),
        ({"items": {"enum": []}}, "'enum'"),
        ({"anyOf": [False]}, "'anyOf'"),
        ({"allOf": [False]}, "'allOf'"),
        ({"items": False, "minItems": 1}, "required item"),
        ({"additionalProperties": {"type": "null", "minimum": 2, "maximum": 1}}, "'minimum'"),
    ],
    ids=str,
)
def test_what_no_answer_could_keep_is_refused_with_the_reason(schema: Any, reason: str) -> None:
    with pytest.raises(SchemaError, match=f"can't be met by any answer: .*{reason}"):
        compile_schema(schema)


@pytest.mark.parametrize(
    ("schema", "right", "wrong"),
    [
        ({"type": "integer", "multipleOf": 5}, "10", "7"),
        ({"allOf": [{"type": "integer", "multipleOf": n} for n in (97, 101, 103, 107)]}, "0", "7"),
        ({"type": "integer", "maximum": 2**64 - 1}, "18446744073709551615", "18446744073709551616"),
        ({"not": {"type": "string"}}, "1", '"a"'),
        ({"if": {"type": "string"}, "then": {"minLength": 2}}, '"ab"', '"a"'),
        ({"type": "string", "pattern": "^(?!x)[a-z]$"}, '"a"', '"x"'),
        ({"type": "array", "items": {"type": "integer"}, "uniqueItems": True}, "[1,2]", "[1,1]"),
        ({"type": "string", "maxLength": 2000}, '"a"', json.dumps("a" * 2001)),
        ({"type": "number"}, "8611E69", "8611E699"),
    ],
    ids=str,
)
def test_what_cannot_be_kept_while_writing_is_checked_at_last(
    schema: Any, right: str, wrong: str, vocabulary: LlamaVocabulary
) -> None:
    for text in (right, wrong):
        assert takes(vocabulary, schema, text)
    compile_schema(schema).parse(right)
    with pytest.raises(SchemaError, match="doesn't fit its schema"):
        compile_schema(schema).parse(wrong)


def test_a_whole_answer_that_breaks_a_rule_is_not_told_to_be_longer() -> None:
    with pytest.raises(SchemaError, match="breaks the rule 'multipleOf': 5") as caught:
        compile_schema({"type": "integer", "multipleOf": 5}).parse("7")
    assert "max_new_tokens" not in caught.value.hint


def test_the_model_is_shown_the_schema_as_compact_json() -> None:
    instruction = compile_schema(json.dumps(LABORATORY, indent=4)).instruction
    assert instruction.endswith(json.dumps(LABORATORY, separators=(",", ":")))


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ({"$ref": "https://example.org/s"}, "nothing is fetched"),
        ({"not": {"$ref": "#/default"}, "default": {"pattern": "^(a+)+$"}}, "is no schema"),
        ({"$ref": "#/%64efault", "%64efault": {}, "default": {}}, "is no schema"),
        ({"$ref": "#/$defs/a"}, "leads nowhere"),
        ({"type": "str"}, "breaks a rule of JSON Schema"),
        ({"type": "string", "pattern": "^(a?){34}a{34}(?=b)"}, "repeats a group"),
        ({"type": "string", "pattern": "^(a$"}, "can't be read"),
        ({"type": "array", "items": {}, "minItems": 10**9}, "wants more than"),
        ("{", "isn't JSON"),
    ],
)
def test_a_schema_that_cannot_be_used_says_why(schema: Any, message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        compile_schema(schema)


@pytest.mark.parametrize(
    ("pattern", "answer", "fits"),
    [
        (r"^\W$", "\u0631", True),
        (r"^\D$", "\u0663", True),
        (r"^\w$", "\u0631", True),
        (r"^\S$", "\u00a0", True),
        (r"^\s$", "\u00a0", True),
        (r"^\W$", "a", False),
        (r"^\D$", "3", False),
        (r"^\S$", " ", False),
    ],
)
def test_classes_of_characters_are_those_of_either_reading(
    pattern: str, answer: str, fits: bool
) -> None:
    schema = compile_schema({"type": "string", "pattern": pattern})
    if fits:
        assert schema.parse(json.dumps(answer)) == answer
    else:
        with pytest.raises(SchemaError, match="'pattern'"):
            schema.parse(json.dumps(answer))
