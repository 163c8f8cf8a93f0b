"""A schema over tokens: what may be written next, and when the answer is whole."""

from __future__ import annotations

import gc
import json
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_med.config import Options
from edge_med.engine.grammar.form import AnswerForm
from edge_med.engine.grammar.json_schema import compile_schema
from edge_med.engine.grammar.response_format import ResponseFormat
from edge_med.engine.grammar.schema_matcher import SchemaMatcher
from edge_med.engine.grammar.token_mask import Grammar
from edge_med.engine.llama.llama_vocabulary import LlamaVocabulary
from edge_med.engine.llama.text_model import TextModel
from edge_med.errors import SchemaError
from tests.conftest import Models

STATES = 300


@pytest.fixture(scope="module")
def vocabulary(model: Models) -> Iterator[LlamaVocabulary]:
    with TextModel(model("text", "F32") / "text-F32.gguf") as opened:
        yield opened.vocabulary


def begun(vocabulary: LlamaVocabulary, schema: Any) -> SchemaMatcher:
    return SchemaMatcher(vocabulary, compile_schema(schema).grammar)


def after(form: AnswerForm, vocabulary: LlamaVocabulary, text: str) -> AnswerForm:
    for byte in text.encode():
        form.accept(vocabulary.required(f"<0x{byte:02X}>"))
    return form


def fits_whole(vocabulary: LlamaVocabulary, schema: Any, text: str) -> bool:
    try:
        return after(begun(vocabulary, schema), vocabulary, text).finished
    except SchemaError:
        return False


def fitting(form: AnswerForm, size: int) -> list[bool]:
    found: list[bool] = np.isfinite(form.mask(np.zeros(size, dtype=np.float32))).tolist()
    return found


FINDING = {
    "type": "object",
    "properties": {
        "side": {"enum": ["left", "right", None]},
        "count": {"type": "integer", "minimum": 0, "maximum": 99},
        "words": {
            "type": "array",
            "items": {"type": "string", "pattern": "^[a-zé]{1,9}$"},
            "minItems": 1,
        },
    },
    "required": ["side", "words"],
}
SAME_IN_GBNF = r"""
root ::= "{\"side\":" " "? side (next "\"count\":" " "? count)? next words "}"
words ::= "\"words\":" " "? "[" word (next word)* "]"
next ::= "," " "?
side ::= "\"left\"" | "\"right\"" | "null"
count ::= [0-9] | [1-9] [0-9]
word ::= "\"" [a-zé]{1,9} "\""
"""
"""The same answers; grammars are compared with llama.cpp's in test_token_mask.py."""


def test_a_mask_is_that_of_the_same_form_as_a_grammar(vocabulary: LlamaVocabulary) -> None:
    random = np.random.default_rng(1)
    ours, theirs = begun(vocabulary, FINDING), Grammar(vocabulary, SAME_IN_GBNF)
    for _ in range(STATES):
        mask = fitting(ours, vocabulary.size)
        assert mask == fitting(theirs, vocabulary.size)
        assert mask == [ours.fits(token) for token in range(vocabulary.size)]
        assert (ours.finished, ours.closed) == (theirs.finished, theirs.closed)
        token = int(random.choice(np.flatnonzero(mask)))
        if vocabulary.ends(token):
            ours, theirs = begun(vocabulary, FINDING), Grammar(vocabulary, SAME_IN_GBNF)
        else:
            ours.accept(token)
            theirs.accept(token)


def test_an_answer_that_is_whole_must_end(vocabulary: LlamaVocabulary) -> None:
    whole = after(begun(vocabulary, {"type": "boolean"}), vocabulary, "true")
    longer = after(begun(vocabulary, {"type": "integer"}), vocabulary, "7")
    assert (whole.finished, whole.closed) == (True, True)
    assert (longer.finished, longer.closed) == (True, False)


def test_a_number_that_could_go_on_and_was_cut_off_is_no_answer(
    vocabulary: LlamaVocabulary,
) -> None:
    form = ResponseFormat(Options(schema={"type": "integer"}))
    written = form.begun(vocabulary)
    assert written is not None
    after(written, vocabulary, "12")
    assert form.parsed("12", "stop", written) == 12
    with pytest.raises(SchemaError, match="cut off"):
        form.parsed("12", "length", written)


def test_control_tokens_never_fit_and_an_end_where_it_may_end(vocabulary: LlamaVocabulary) -> None:
    text = after(begun(vocabulary, {"type": "string"}), vocabulary, '"a')
    end, start = vocabulary.required("<end_of_turn>"), vocabulary.required("<start_of_turn>")
    assert not text.fits(end)
    assert not text.fits(start)
    assert after(text, vocabulary, '"').fits(end)


def test_what_does_not_fit_is_refused_without_harm(vocabulary: LlamaVocabulary) -> None:
    form = begun(vocabulary, {"type": "boolean"})
    with pytest.raises(SchemaError, match="doesn't fit"):
        after(form, vocabulary, "x")
    assert after(form, vocabulary, "true").finished


@pytest.mark.parametrize(
    ("schema", "right", "wrong"),
    [
        ({"type": "number", "minimum": 0, "maximum": 1}, "0.95", ["95", "1.5", "-1"]),
        ({"type": "string", "pattern": "^(?:mild|severe)$"}, '"mild"', ['"mile"']),
        ({"type": "string", "pattern": r"^\S+$"}, '"ab"', ['"a b"']),
        ({"type": "string", "pattern": r"[A-Z]\d{2}"}, '"xA12y"', ['"xx"']),
        ({"type": "string", "pattern": "^[a-z]+$", "maxLength": 3}, '"ab"', ['"abcd"']),
        ({"type": "string", "format": "uri"}, '"https://a.b/c"', ['"x y"']),
        (
            {"properties": {"of": {"items": {"$ref": "#"}}}, "required": ["of"]},
            '{"of":[{"of":[]}]}',
            ['{"of":[2]}'],
        ),
        ({"$ref": "#/$defs/a%20b", "$defs": {"a b": {"type": "integer"}}}, "1", ['"a"']),
        (
            {"patternProperties": {"^[a-z]+$": {"type": "integer"}}, "additionalProperties": False},
            '{"a":1}',
            ['{"A":1}', '{"a":"x"}'],
        ),
        (
            {"properties": {"a": {"type": "integer"}}, "unevaluatedProperties": False},
            '{"a":1}',
            ['{"b":1}'],
        ),
        ({"properties": {}, "type": "object"}, '{"a":1}', ["1"]),
        ({"additionalProperties": {"type": "null"}, "minProperties": 2}, '{"a":null,"b":null}', []),
        (
            {"anyOf": [{"type": "number"}, {"type": "string", "pattern": r"^(?!^[+-]?0*$)\d+$"}]},
            '"15"',
            ["null"],
        ),
    ],
    ids=[
        *("ranges", "choices", "no spaces", "unanchored", "pattern and length", "uri", "itself"),
        *(
            "percent sign",
            "names by pattern",
            "no others",
            "no names",
            "fewest names",
            "Decimal of pydantic",
        ),
    ],
)
def test_schemas_as_generators_write_them_are_kept(
    schema: Any, right: str, wrong: list[str], vocabulary: LlamaVocabulary
) -> None:
    assert after(begun(vocabulary, schema), vocabulary, right).finished
    for text in wrong:
        assert not fits_whole(vocabulary, schema, text)


A, B = ({"type": "object", "properties": {n: {"type": "integer"}}} for n in "ab")


@pytest.mark.parametrize(
    ("schema", "right", "wrong"),
    [
        (A, '{"a":1}', '{"a":1,"c"'),
        ({"anyOf": [A, B]}, '{"b":1}', '{"b":1,"c"'),
        ({"allOf": [A]}, '{"a":1}', '{"a":1,"c"'),
        ({"allOf": [A, {**B, "required": ["b"]}]}, '{"a":1,"b":2}', '{"a":1}x'),
        ({"allOf": [{"$ref": "#/$defs/a"}, B], "$defs": {"a": A}}, '{"a":1,"b":2}', '{"a":""'),
        ({**A, "anyOf": [{"required": ["a"]}]}, '{"a":1}', '{"a":1,"c"'),
        ({**A, "additionalProperties": True}, '{"a":1,"c":2}', '{"a":""'),
    ],
    ids=["one", "one of two", "all of one", "all of two", "reference", "required", "open"],
)
def test_objects_have_no_properties_but_those_that_they_name(
    schema: Any, right: str, wrong: str, vocabulary: LlamaVocabulary
) -> None:
    assert after(begun(vocabulary, schema), vocabulary, right).finished
    compile_schema(schema).parse(right)
    with pytest.raises(SchemaError, match="doesn't fit"):
        after(begun(vocabulary, schema), vocabulary, wrong)


def test_settings_of_llguidance_in_a_schema_are_not_heeded(vocabulary: LlamaVocabulary) -> None:
    schema = {"x-guidance": {"whitespace_flexible": True}, "type": "array", "items": {}}
    with pytest.raises(SchemaError, match="doesn't fit"):
        after(begun(vocabulary, schema), vocabulary, "[ ")


def test_an_error_quotes_nothing_of_the_answer(vocabulary: LlamaVocabulary) -> None:
    patterns = [{"pattern": f"^.*{c}.{{400}}$", "type": "string"} for c in "abcdefghij"]
    with pytest.raises(SchemaError) as caught:
        after(begun(vocabulary, {"allOf": patterns}), vocabulary, json.dumps("xabcdefghij" * 90))
    assert "abcd" not in caught.value.message + caught.value.hint


def test_a_vocabulary_ends_with_its_model(model: Models) -> None:
    with TextModel(Path(model("text", "F32")) / "text-F32.gguf") as opened:
        begun(opened.vocabulary, {"type": "boolean"})
        kept = weakref.ref(opened.vocabulary)
    del opened
    gc.collect()
    assert kept() is None
