"""The words of JSON schemas, as tables: draft 2020-12, and what others write for them."""

from __future__ import annotations

import re
from collections.abc import Mapping

OF_TYPE = {
    "object": (
        *("properties", "required", "additionalProperties", "minProperties", "maxProperties"),
        *("propertyNames", "patternProperties", "dependentRequired", "dependentSchemas"),
        "unevaluatedProperties",
    ),
    "array": (
        *("items", "prefixItems", "minItems", "maxItems", "uniqueItems"),
        *("contains", "minContains", "maxContains", "unevaluatedItems"),
    ),
    "string": ("pattern", "minLength", "maxLength"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
}
"""Keywords that concern one type; a schema that names none has that of its first such keyword."""

TYPES = ("array", "boolean", "integer", "null", "number", "object", "string")

FORMATS = frozenset(
    (
        *("date", "time", "date-time", "duration", "email", "hostname", "ipv4", "ipv6"),
        *("uri", "uuid"),
    )
)
"""Forms of texts that llguidance keeps."""

COMBINING = ("allOf", "anyOf", "oneOf")

CONSTRAINING = frozenset(
    (
        *("type", "enum", "const", "format", "not", "if", "then", "else", "$ref", "$dynamicRef"),
        *COMBINING,
        *(key for keys in OF_TYPE.values() for key in keys),
    )
)
"""Keywords that say what an answer may be."""

NOTES = frozenset(
    (
        *("title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly"),
        *("$id", "$schema", "$comment", "$defs", "$anchor", "$dynamicAnchor", "$vocabulary"),
        *("contentEncoding", "contentMediaType", "contentSchema", "definitions", "components"),
        *("example", "discriminator", "xml", "externalDocs", "propertyOrdering", "id", "name"),
        *("propertyOrder", "enumNames", "enumDescriptions", "enumTitles", "markdownDescription"),
    )
)
"""Keywords that say nothing of it: of JSON Schema, OpenAPI, Gemini and editors."""

KNOWN = CONSTRAINING | NOTES

_WRITTEN = {
    "minimum": ("min",),
    "maximum": ("max",),
    "minLength": ("minLen", "minimumLength"),
    "maxLength": ("maxLen", "maximumLength"),
    "minItems": ("minimumItems",),
    "maxItems": ("maximumItems",),
    "pattern": ("regex", "regexp"),
    "properties": ("fields",),
    "required": ("optional", "mandatory"),
    "enum": ("values", "choices"),
    "items": ("elements",),
    "multipleOf": ("divisibleBy",),
    "not": ("disallow",),
    "allOf": ("extends",),
    "type": ("types",),
    "$ref": ("$recursiveRef",),
}
MEANT: Mapping[str, str] = {word: key for key, words in _WRITTEN.items() for word in words}
"""What is written for keywords that there are; ignored, they would constrain nothing."""

SPELLED: Mapping[str, str] = {
    re.sub("([A-Z])", lambda found: f"_{found[0].lower()}", key): key
    for key in sorted(KNOWN)
    if key != key.lower()
} | {"defs": "$defs", "ref": "$ref"}
"""Keywords as Gemini's library for Python writes them."""
