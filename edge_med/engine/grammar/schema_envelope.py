"""Schemas in what services want around them: the schema itself is taken out.

OpenAI's `response_format` and functions, Anthropic's tools and `output_config`, Gemini's
`generationConfig`, Ollama's `format`, MCP's tools, Bedrock's `toolSpec`, vLLM's
`structured_outputs` and others are one thing here: an object that says nothing itself, with a
schema under a known key.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from edge_med.engine.grammar.schema_keywords import CONSTRAINING, TYPES
from edge_med.engine.grammar.schema_text import SHOWN, from_json, refused, shown

WAYS = frozenset(
    (
        *("response_format", "responseFormat", "json_schema", "jsonSchema", "schema", "format"),
        *("text", "output_config", "output_format", "input_schema", "inputSchema", "outputSchema"),
        *("parameters", "parametersJsonSchema", "parameters_json_schema", "function", "functions"),
        *("functionDeclarations", "function_declarations", "tool", "tools", "toolSpec", "custom"),
        *("generationConfig", "generation_config", "config", "responseSchema", "response_schema"),
        *("responseJsonSchema", "response_json_schema", "guided_json", "structured_outputs"),
        *("structuredOutput", "extra_body", "options", "body", "json", "value"),
    )
)
"""Keys under which a schema, or another envelope, is found."""

_VAGUE = frozenset(
    ("body", "config", "custom", "extra_body", "json", "options", "text", "tool", "value")
)
"""What a field of an answer may well be called, so that more must speak for an envelope."""

_ANY_OBJECT = {"type": "object"}
_TYPES: Mapping[str, Any] = {"json_object": _ANY_OBJECT, "json": _ANY_OBJECT}
"""What an envelope's `type` asks for where there is no schema."""

_ONE = "Give the one that is meant."

_MOST = 8
"""Envelopes in each other; no service has more than four."""


def unwrapped(given: dict[str, Any]) -> tuple[dict[str, Any], tuple[str, ...], tuple[str, ...]]:
    """A schema, the keys under which it was, and the keys next to them, which aren't used.

    Raises:
        SchemaError: there are several schemas, or an envelope without one.
    """
    way: list[str] = []
    unused: list[str] = []
    here = given
    while not _says_something(here) and len(way) < _MOST:
        found = dict(_inner(here, sure=bool(way) or _is_of_envelope(here.get("type"))))
        if len(found) > 1:
            raise refused(f"is an envelope with several: {', '.join(found)}", _ONE)
        kind = here.get("type")
        if not found:
            if isinstance(kind, str) and kind in _TYPES:
                return dict(_TYPES[kind]), (*way, f"type {kind}"), tuple(unused)
            break
        ((key, inner),) = found.items()
        if fields := [one for one in here if one != key and _is_schema(here[one])]:
            raise refused(
                f"has another besides the one under '{key}': '{fields[0][:SHOWN]}'",
                'Put fields into "properties", or leave out the one that isn\'t meant.',
            )
        way.append(key)
        unused += [one for one in here if one not in (key, "type")]
        here = inner
    return here, tuple(way), tuple(unused)


def _says_something(schema: Mapping[str, Any]) -> bool:
    """Whether it is a schema itself: `format` and `type` are keys of envelopes too."""
    if _is_of_envelope(schema.get("type")):
        return False
    named = schema.get("format")
    is_format = isinstance(named, str) and named != "json"
    return is_format or bool((schema.keys() & CONSTRAINING) - {"format"})


_OF_ENVELOPES = frozenset((*_TYPES, "json_schema", "function", "custom", "text"))
"""Values of `type` in envelopes."""


def _is_of_envelope(kind: object) -> bool:
    return isinstance(kind, str) and kind in _OF_ENVELOPES


def _is_schema(value: object) -> bool:
    """Whether it is sure to be a schema: what stands next to one in envelopes may have a `type`."""
    if not isinstance(value, dict):
        return False
    return "properties" in value or "enum" in value or str(value.get("type")).lower() in TYPES


def _inner(here: Mapping[str, Any], *, sure: bool) -> Iterator[tuple[str, dict[str, Any]]]:
    """What is under a known key; under a vague one only if it is sure that this is an envelope."""
    for key in sorted(here.keys() & WAYS):
        value = here[key]
        if isinstance(value, str) and value.lstrip()[:1] == "{":
            value = from_json(value)
        if isinstance(value, list) and value and isinstance(value[0], dict):
            if len(value) > 1:
                raise refused(
                    f"is one of {len(value)} under '{key}'", "Give the one that is meant."
                )
            value = value[0]
        if isinstance(value, dict) and (sure or key not in _VAGUE or value.keys() & WAYS):
            yield key, value
        elif key == "format" and value == "json":
            yield key, dict(_ANY_OBJECT)


def check_kind(schema: Mapping[str, Any]) -> None:
    """Refuse an envelope without a schema in it.

    Raises:
        SchemaError: it is one.
    """
    if _is_of_envelope(kind := schema.get("type")):
        raise refused(
            f"is an envelope of the type {shown(kind)} without a schema in it",
            "Give a JSON schema, or leave the schema out to have an answer of any form.",
        )
