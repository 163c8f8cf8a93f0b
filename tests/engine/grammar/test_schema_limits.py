"""Limits, patterns and counts of a schema, as they are kept token by token."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_med.engine.grammar.json_schema import compile_schema
from edge_med.engine.grammar.schema_matcher import SchemaMatcher
from edge_med.engine.llama.llama_vocabulary import LlamaVocabulary
from edge_med.engine.llama.text_model import TextModel
from edge_med.errors import SchemaError
from tests.conftest import Models


@pytest.fixture(scope="module")
def vocabulary(model: Models) -> Iterator[LlamaVocabulary]:
    with TextModel(model("text", "F32") / "text-F32.gguf") as opened:
        yield opened.vocabulary


def takes(vocabulary: LlamaVocabulary, schema: Any, text: str) -> bool:
    """Whether a text may be written by a schema."""
    form = SchemaMatcher(vocabulary, compile_schema(schema).grammar)
    for byte in text.encode():
        token = vocabulary.required(f"<0x{byte:02X}>")
        if not form.fits(token):
            return False
        form.accept(token)
    return form.finished


@pytest.mark.parametrize(
    ("limits", "right", "wrong"),
    [
        ({"minimum": 0, "maximum": 1}, ["0", "1", "0.95", "1.0"], ["95", "1.01", "-1", "1e9"]),
        ({"minimum": 0, "maximum": 100}, ["0", "100", "99.9"], ["100.1", "101", "1000", "-0.1"]),
        ({"minimum": -5, "maximum": 5}, ["-5", "5", "-0.1"], ["-5.1", "5.5", "6", "50"]),
        ({"exclusiveMinimum": 0}, ["0.1", "1000", "0.0001"], ["0", "0.0", "-1"]),
        ({"exclusiveMinimum": 0, "exclusiveMaximum": 10}, ["0.5", "9.99"], ["0", "10", "10.0"]),
    ],
    ids=str,
)
def test_numbers_are_kept_to_their_limits(
    limits: dict[str, Any], right: list[str], wrong: list[str], vocabulary: LlamaVocabulary
) -> None:
    schema = {"type": "number", **limits}
    assert [text for text in right if not takes(vocabulary, schema, text)] == []
    assert [text for text in wrong if takes(vocabulary, schema, text)] == []


WHOLE = st.one_of(st.integers(-200, 200), st.integers(-(2**53), 2**53))


@settings(max_examples=60)
@given(low=WHOLE, high=WHOLE, apart=st.integers(-3, 3), is_open=st.booleans())
def test_whole_numbers_are_kept_exactly(
    low: int, high: int, apart: int, is_open: bool, vocabulary: LlamaVocabulary
) -> None:
    low, high = sorted((low, high))
    keys = ("exclusiveMinimum", "exclusiveMaximum") if is_open else ("minimum", "maximum")
    inside = range(low + is_open, high + 1 - is_open)
    schema = {"type": "integer", **dict(zip(keys, (low, high), strict=True))}
    if not inside:
        with pytest.raises(SchemaError, match="can't be met"):
            compile_schema(schema)
        return
    for number in (low + apart, high + apart, (low + high) // 2):
        assert takes(vocabulary, schema, str(number)) == (number in inside)


@pytest.mark.parametrize("last", [2**53, 10**18, 2**62, 2**63 - 1])
def test_the_limits_of_large_whole_numbers_are_kept(last: int, vocabulary: LlamaVocabulary) -> None:
    schema = {"type": "integer", "minimum": 0, "maximum": last}
    assert compile_schema(schema).notices == ()
    assert takes(vocabulary, schema, str(last))
    assert not takes(vocabulary, schema, str(last + 1))


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string", "maxLength": 2000},
        {"type": "string", "format": "uri", "maxLength": 2000},
        {"type": "integer", "minimum": -(2**63), "maximum": 2**63 - 1},
        {"type": "integer", "minimum": 0, "maximum": 2**64 - 1},
    ],
    ids=str,
)
def test_what_keeps_others_busy_is_ready_at_once(schema: Any, vocabulary: LlamaVocabulary) -> None:
    compile_schema({"type": "null"})  # the packages are imported
    began = time.process_time()
    form = SchemaMatcher(vocabulary, compile_schema(schema).grammar)
    assert not form.finished
    assert time.process_time() - began < 1


@pytest.mark.parametrize(
    ("pattern", "right", "wrong"),
    [
        ('^[^"]+$', ["a b", "\n", "\\"], ['"', 'a"b']),
        (r"^[^\\]+$", ["a b", '"', "\t"], ["\\", "a\\b"]),
        (r'^[^\\"]{2}$', ["ab", "é\n"], ['a"', "\\a"]),
        (r"^\S+$", ["ab", '"', "\\"], ["a b", "\n"]),
        ("^(mild|severe)(, (mild|severe))*$", ["mild, severe"], ["mild,severe", "mild, "]),
        (r"^\p{Lu}\p{Ll}+$", ["Ödem"], ["ödem", "Ö"]),
        (r"^(?<year>\d{4})-\d\d\z", ["2026-01"], ["2026-1"]),
    ],
)
def test_patterns_are_kept_and_checked_alike(
    pattern: str, right: list[str], wrong: list[str], vocabulary: LlamaVocabulary
) -> None:
    schema = {"type": ["string", "null"], "pattern": pattern}
    whole = compile_schema(schema)
    assert takes(vocabulary, schema, "null")
    for text in right:
        written = json.dumps(text, ensure_ascii=False)
        assert takes(vocabulary, schema, written)
        assert whole.parse(written) == text
    for text in wrong:
        written = json.dumps(text, ensure_ascii=False)
        assert not takes(vocabulary, schema, written)
        with pytest.raises(SchemaError, match=re.escape("'pattern'")):
            whole.parse(written)


TWO = {"type": "object", "properties": {"a": {"type": "null"}, "b": {"type": "null"}}}


@pytest.mark.parametrize(
    ("more", "right"),
    [
        ({"minProperties": 1, "additionalProperties": True}, '{"a":null,"b":null}'),
        ({"minProperties": 2}, '{"a":null,"b":null}'),
        ({"maxProperties": 1, "required": ["a"]}, '{"a":null}'),
        ({"maxProperties": 3, "additionalProperties": True}, '{"a":null,"b":null,"c":1}'),
    ],
    ids=str,
)
def test_counts_of_properties_forbid_no_answer_that_fits(
    more: dict[str, Any], right: str, vocabulary: LlamaVocabulary
) -> None:
    assert takes(vocabulary, TWO | more, right)
    assert compile_schema(TWO | more).parse(right)
