"""A schema is found in whatever a service wants around it, and that is told."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_med.engine.grammar.json_schema import compile_schema
from edge_med.errors import SchemaError

FINDING: dict[str, Any] = {
    "type": "object",
    "properties": {"side": {"enum": ["left", "right"]}, "text": {"type": "string"}},
    "required": ["side"],
}

ENVELOPES: dict[str, Any] = {
    "OpenAI, inside": {"name": "finding", "strict": True, "schema": FINDING},
    "OpenAI, chat": {
        "type": "json_schema",
        "json_schema": {"name": "finding", "strict": True, "schema": FINDING},
    },
    "OpenAI, request": {
        "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": FINDING}}
    },
    "OpenAI, responses": {
        "text": {"format": {"type": "json_schema", "name": "x", "schema": FINDING}}
    },
    "OpenAI, tool": {
        "type": "function",
        "function": {"name": "report", "description": "Reports.", "parameters": FINDING},
    },
    "OpenAI, tools": {"tools": [{"type": "function", "name": "report", "parameters": FINDING}]},
    "function": {"name": "report", "description": "Reports.", "parameters": FINDING},
    "Anthropic, tool": {"name": "report", "description": "Reports.", "input_schema": FINDING},
    "Anthropic, output": {"output_config": {"format": {"type": "json_schema", "schema": FINDING}}},
    "Gemini": {"generationConfig": {"responseMimeType": "x/json", "responseSchema": FINDING}},
    "Gemini, Python": {"response_mime_type": "x/json", "response_schema": FINDING},
    "Gemini, function": {"functionDeclarations": [{"name": "report", "parameters": FINDING}]},
    "Ollama": {"model": "medgemma", "options": {"temperature": 0}, "format": FINDING},
    "MCP": {"name": "report", "inputSchema": FINDING},
    "Bedrock": {"toolSpec": {"name": "report", "inputSchema": {"json": FINDING}}},
    "vLLM": {"structured_outputs": {"json": FINDING}},
    "vLLM, before": {"extra_body": {"guided_json": json.dumps(FINDING)}},
    "text generation inference": {"type": "json", "value": FINDING},
    "llama.cpp": {"type": "json_object", "schema": FINDING},
}


@pytest.mark.parametrize("name", ENVELOPES)
def test_the_schema_in_an_envelope_is_used_and_that_is_told(name: str) -> None:
    found, plain = compile_schema(ENVELOPES[name]), compile_schema(FINDING)
    assert (found.text, found.grammar) == (plain.text, plain.grammar)
    assert [notice.code for notice in found.notices] == ["schema_unwrapped"]
    assert plain.notices == ()


def test_a_notice_tells_the_way_and_what_is_not_used() -> None:
    (notice,) = compile_schema(ENVELOPES["OpenAI, chat"]).notices
    assert "json_schema/schema" in notice.text
    assert "name, strict" in notice.text


KEYS = ("response_format", "json_schema", "schema", "input_schema", "parameters", "format")


@settings(max_examples=30)
@given(st.lists(st.sampled_from(KEYS), min_size=1, max_size=5), st.booleans())
def test_envelopes_in_envelopes_are_opened(keys: list[str], as_text: bool) -> None:
    wrapped: Any = FINDING
    for key in keys:
        wrapped = {"name": "x", key: wrapped}
    found = compile_schema(json.dumps(wrapped) if as_text else wrapped)
    assert found.text == compile_schema(FINDING).text


@pytest.mark.parametrize("given", ["json", {"type": "json_object"}, {"format": "json"}])
def test_a_wish_for_any_json_is_one_for_an_object(given: Any) -> None:
    found = compile_schema(given)
    assert json.loads(found.text) == {"type": "object"}
    assert [notice.code for notice in found.notices] == ["schema_unwrapped"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"type": "text"}, 'envelope of the type "text" without a schema'),
        ({"type": "json_schema", "name": "x"}, "without a schema"),
        ({"parameters": FINDING, "input_schema": FINDING}, "several: input_schema, parameters"),
        ({"tools": [{"parameters": FINDING}, {"parameters": FINDING}]}, "one of 2 under 'tools'"),
        ({"type": "object", "schema": FINDING}, "another under 'schema'"),
        ({"function": {"type": "string"}, "grade": {"type": "integer"}}, "besides .*'function'"),
    ],
)
def test_an_envelope_that_says_no_one_thing_is_refused(given: Any, message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        compile_schema(given)


@pytest.mark.parametrize("name", ["text", "value", "options", "json", "format", "schema"])
def test_a_field_that_is_called_like_an_envelope_is_a_field(name: str) -> None:
    schema = {"type": "object", "properties": {name: {"type": "string"}}, "required": [name]}
    assert json.loads(compile_schema(schema).text) == schema
    assert compile_schema(schema).notices == ()


@pytest.mark.parametrize("name", ["text", "value", "options"])
def test_fields_without_an_object_around_them_are_refused(name: str) -> None:
    with pytest.raises(SchemaError, match="constrains nothing"):
        compile_schema({name: {"type": "string"}})
