"""Whatever may be written by a schema fits it, as jsonschema says, but for rules that were told."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, ValidationError

from edge_med.engine.grammar.json_schema import Schema, compile_schema
from edge_med.engine.grammar.schema_matcher import SchemaMatcher
from edge_med.engine.llama.llama_vocabulary import LlamaVocabulary
from edge_med.engine.llama.text_model import TextModel
from edge_med.errors import SchemaError
from tests.conftest import Models

LONGEST = 600
"""Bytes of an answer; a walk that comes so far is given up."""

NAMES = ("a", "b", "c d", "é", "$ref", "type", 'x"y')
LIMITS = (0, 1, -1, 5, 10, -100, 0.5, -0.25, 99.9, 255, 2**31 - 1, 2**63 - 1, 2**53 + 1, 1e-3)
LIMIT_KEYS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
VALUES = (None, 1, 1.5, True, 'a"\\\n', [1, "x"], {"a": 1}, "é😀", 0, -1)
PATTERNS = (
    *(
        r"^\S+$",
        "^(?:mild|severe)$",
        r"[A-Z]\d{2}",
        r"^\w{2,4}$",
        r"^\W$",
        r"^\D+$",
        "a|b",
        "^$|^x",
    ),
    *("^a.c$", "^(ab|c)*$", "^(?!x)[a-z]$", "^.{2}$", r"^\s$", r'^[^"]{1,3}$', r"^[^\\]+$", "^/$"),
)
FORMATS = (
    "date",
    "time",
    "date-time",
    "duration",
    "email",
    "hostname",
    "ipv4",
    "ipv6",
    "uri",
    "uuid",
)
TYPES = ("string", "integer", "number", "boolean", "null", "object", "array")
MIXED = (["string", "null"], ["integer", "string"], ["boolean", "number"])


def some(**optional: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=optional)


def of(kind: Any, **optional: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return some(**optional).map(lambda found: {"type": kind, **found})


LIMIT = st.sampled_from(LIMITS)
BY_LIMITS = dict.fromkeys(LIMIT_KEYS, LIMIT)
LEAVES = st.one_of(
    st.sampled_from(TYPES).map(lambda kind: {"type": kind}),
    st.sampled_from(VALUES).map(lambda value: {"const": value}),
    st.lists(st.sampled_from(VALUES), min_size=1, max_size=3).map(lambda values: {"enum": values}),
    of("integer", multipleOf=st.sampled_from((2, 5)), **BY_LIMITS),
    of("number", **BY_LIMITS),
    of("string", minLength=st.integers(0, 3), maxLength=st.integers(2, 9)),
    of("string", pattern=st.sampled_from(PATTERNS), maxLength=st.integers(1, 6)),
    st.sampled_from(FORMATS).map(lambda name: {"type": "string", "format": name}),
    st.builds(lambda kind, limit: {"type": kind, "maximum": limit}, st.sampled_from(MIXED), LIMIT),
    st.sampled_from(
        ({"minLength": 2}, {"required": ["a"]}, {"not": {"type": "string"}}, {"minimum": 3})
    ),
)


def around(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    few, lists = st.integers(0, 3), st.lists(inner, min_size=1, max_size=3)
    properties = st.dictionaries(st.sampled_from(NAMES), inner, min_size=1, max_size=3)
    objects = st.builds(
        lambda named, more, required: {
            "type": "object",
            "properties": named,
            **more,
            "required": [name for name in named if name in required],
        },
        properties,
        some(
            additionalProperties=st.one_of(st.booleans(), inner),
            minProperties=few,
            maxProperties=few,
            patternProperties=st.dictionaries(
                st.sampled_from(("^[a-z]+$", "^x")), inner, max_size=1
            ),
            dependentRequired=st.just({"a": ["b"]}),
            propertyNames=st.just({"maxLength": 3}),
        ),
        st.lists(st.sampled_from(NAMES)),
    )
    more = {"minItems": st.integers(0, 1), "maxItems": few, "uniqueItems": st.booleans()}
    return st.one_of(
        objects,
        objects,
        of("array", items=inner, contains=inner, **more),
        of("array", prefixItems=lists, items=st.one_of(st.booleans(), inner), maxItems=few),
        st.builds(
            lambda key, parts: {key: parts}, st.sampled_from(("anyOf", "oneOf", "allOf")), lists
        ),
    )


SCHEMAS = st.recursive(LEAVES, around, max_leaves=8)


@pytest.fixture(scope="module")
def vocabulary(model: Models) -> Iterator[LlamaVocabulary]:
    with TextModel(model("text", "F32") / "text-F32.gguf") as opened:
        yield opened.vocabulary


def walked(schema: Schema, vocabulary: LlamaVocabulary, seed: int) -> bytes | None:
    """An answer by chance that would rather be short; None if it becomes too long."""
    random, form = np.random.default_rng(seed), SchemaMatcher(vocabulary, schema.grammar)
    flat, data = np.zeros(vocabulary.size, dtype=np.float32), b""
    closing = {vocabulary.required(f"<0x{byte:02X}>") for byte in b'"]}'}
    while not form.closed:
        may = np.flatnonzero(np.isfinite(form.mask(flat))).tolist()
        short = [token for token in may if token in closing or vocabulary.ends(token)]
        few = short if short and random.random() < 0.3 else may
        token = few[random.integers(len(few))]
        if vocabulary.ends(token):
            break
        form.accept(token)
        data += vocabulary.piece(token)
        if len(data) > LONGEST:
            return None
    return data


def broken(errors: Iterable[ValidationError]) -> Iterator[str]:
    """The keywords that an answer breaks, those inside of choices too."""
    for error in errors:
        yield from map(str, error.absolute_schema_path)
        yield from broken(error.context or ())


def told(schema: Schema) -> set[str]:
    texts = [notice.text for notice in schema.notices if notice.code == "schema_checked_at_last"]
    return {word.strip(",:.") for text in texts for word in text.split()}


def is_finite(value: Any) -> bool:
    """Whether all numbers are; a number may have any exponent while it is written."""
    if isinstance(value, float):
        return math.isfinite(value)
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return all(map(is_finite, inner))


def check(schema: Any, seed: int, vocabulary: LlamaVocabulary) -> None:
    try:
        compiled = compile_schema(schema)
    except SchemaError as error:
        assert "can't be met" in error.message
        return
    data = walked(compiled, vocabulary, seed)
    if data is None or not is_finite(value := json.loads(data)):
        return
    errors = list(Draft202012Validator(schema).iter_errors(value))
    if errors:
        assert set(broken(errors)) & told(compiled), (value, schema)
        with pytest.raises(SchemaError, match="doesn't fit"):
            compiled.parse(data.decode())
    else:
        assert compiled.parse(data.decode()) == value


SEEDS = st.integers(0, 2**32)


@settings(max_examples=40)
@given(schema=SCHEMAS, seed=SEEDS)
def test_what_is_written_by_a_schema_fits_it(
    schema: Any, seed: int, vocabulary: LlamaVocabulary
) -> None:
    check(schema, seed, vocabulary)


@pytest.mark.long
@settings(max_examples=2000)
@given(schema=SCHEMAS, seed=SEEDS)
def test_what_is_written_by_two_thousand_schemas_fits_them(
    schema: Any, seed: int, vocabulary: LlamaVocabulary
) -> None:
    check(schema, seed, vocabulary)
