"""A JSON schema to what is kept while an answer is written, the instruction, and the check at last.

The package llguidance says which tokens may come; docs/benchmarks.md has the figures that chose it.
What it can't keep, such as `multipleOf`, the package jsonschema checks when the answer is whole.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edge_med.engine.grammar import schema_regex
from edge_med.engine.grammar.schema_subset import LOWER, MAX_COUNT, for_llguidance, refused
from edge_med.engine.grammar.schema_walk import check_references, subschemas
from edge_med.errors import SchemaError

MAX_DEPTH = 64
MAX_TEXT = 64 << 10
"""Bytes of a schema."""

MAX_NAMES = 256
"""Properties of an object."""

MAX_CHECKS = 20_000
"""Keywords that are looked at for an answer, since schemas that share parts can multiply them."""

_SETTINGS = {
    "whitespace_flexible": False,
    "item_separator": ", ?",  # a model may write the space that it is used to, and no other
    "key_separator": ": ?",
    "lenient": True,  # what can't be kept is checked at last
    "json_allow_general_unicode_escapes": True,
}

_OWN_TOKENS = '%llguidance {"no_forcing": true}'
"""Whatever tokens spell a text may write it; else llguidance wants those of its own choice."""

_UNMET = "Unsatisfiable schema: "
_LONGEST_REASON = 160
"""Characters; the rest of it quotes automata."""

_UNREAD = "Raise `max_new_tokens` and leave stop texts out, or ask again"
_BROKEN = "That rule can't be kept while writing: say it in the question, or leave it out"


@dataclass(frozen=True, slots=True)
class Schema:
    """A schema that answers can be written by.

    Attributes:
        text: the schema, as compact JSON.
        grammar: what llguidance reads.
    """

    text: str
    grammar: str

    @property
    def instruction(self) -> str:
        """What the model is asked in words."""
        return f"Answer with compact JSON alone, by this JSON schema:\n{self.text}"

    def parse(self, text: str) -> Any:
        """The value of an answer.

        Raises:
            SchemaError: it isn't JSON, or doesn't fit the schema; the error keeps the text.
        """
        try:
            value = json.loads(text, parse_constant=_refused, parse_float=_finite)
            problem = next(_checker(json.loads(self.text)).iter_errors(value), None)
        except SchemaError as error:
            raise SchemaError(error.message, error.hint, text) from None
        except Exception as error:  # noqa: BLE001 - whatever the schema or the text made of it
            raise _misfit(f"it can't be read ({type(error).__name__})", _UNREAD, text) from None
        if problem is not None:
            where = "/".join(map(str, problem.absolute_path)) or "the whole of it"
            raise _misfit(f"{where[:64]} breaks the rule '{problem.validator}'", _BROKEN, text)
        return value


def compile_schema(schema: Mapping[str, Any] | str) -> Schema:
    """Make ready a schema, given as a mapping or as JSON.

    Raises:
        SchemaError: it isn't a schema, refers to another place, or no answer could fit it.
    """
    text = _as_text(schema)
    given = json.loads(text)
    try:
        _check(given)
        return Schema(text, _grammar(for_llguidance(given)))
    except SchemaError:
        raise
    except Exception as error:  # noqa: BLE001 - the packages fail with whatever they meet
        raise refused(f"can't be read ({type(error).__name__})") from None


def _as_text(schema: Mapping[str, Any] | str) -> str:
    try:
        given = json.loads(schema) if isinstance(schema, str) else schema
        given = {} if given is True else given  # the same: any value
        text = json.dumps(given, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        size = len(text.encode())
    except (TypeError, ValueError, RecursionError):
        raise refused("isn't JSON") from None
    if not isinstance(given, Mapping):
        raise refused("isn't a JSON object")
    if size > MAX_TEXT:
        raise refused(f"has {size:,} bytes, and may have {MAX_TEXT:,}")
    return text


def _check(given: Any) -> None:
    """Refuse what isn't a schema, and what would take llguidance or the check too far."""
    for schema, depth in subschemas(given):
        if depth > MAX_DEPTH:
            raise refused(f"is deeper than {MAX_DEPTH}")
        if any(_is_beyond(schema.get(key)) for key in LOWER):
            raise refused(f"wants more than {MAX_COUNT:,} of something")
        if any(_size(schema.get(key)) > MAX_NAMES for key in ("properties", "required")):
            raise refused(f"has an object of more than {MAX_NAMES} properties")
        for pattern in (schema.get("pattern"), *_names(schema.get("patternProperties"))):
            if isinstance(pattern, str):
                schema_regex.check(pattern)
    check_references(given)
    from jsonschema import Draft202012Validator, exceptions

    try:
        Draft202012Validator.check_schema(given)
    except exceptions.SchemaError as error:
        raise refused(f"breaks a rule of JSON Schema, '{error.validator}'") from None


def _is_beyond(count: Any) -> bool:
    return isinstance(count, int | float) and count > MAX_COUNT


def _names(mapping: Any) -> list[Any]:
    return list(mapping) if isinstance(mapping, dict) else []


def _size(names: Any) -> int:
    return len(names) if isinstance(names, dict | list) else 0


def _grammar(kept: Mapping[str, Any]) -> str:
    """What llguidance reads.

    Raises:
        SchemaError: no answer could fit it, or it is too large.
    """
    from llguidance import LLMatcher

    body = json.dumps({**kept, "x-guidance": _SETTINGS})
    grammar = LLMatcher.grammar_from_lark(f"{_OWN_TOKENS}\nstart: %json {body}")
    problem = LLMatcher.validate_grammar(grammar)
    if problem and not problem.startswith("WARNING"):
        raise _problem(problem)
    return grammar


def _problem(words: str) -> SchemaError:
    """An error of llguidance as ours, without the lines that quote the schema."""
    line = words.partition("\n")[0].removeprefix("at 2(8): ")
    reason = line.removeprefix("failed to compile JSON schema: ")[:_LONGEST_REASON]
    if reason.startswith(_UNMET):
        return refused(f"can't be met by any answer: {reason.removeprefix(_UNMET)}")
    return refused(f"can't be kept while an answer is written: {reason}")


def _checker(schema: Any) -> Any:
    """jsonschema's, which fetches nothing and doesn't go on forever."""
    from jsonschema import Draft202012Validator, validators
    from referencing import Registry

    left = iter(range(MAX_CHECKS))

    def counted(check: Any) -> Any:
        def run(*arguments: Any) -> Any:
            if next(left, None) is None:
                raise refused("takes too long to check")
            return check(*arguments)

        return run

    checks = {**Draft202012Validator.VALIDATORS, "pattern": schema_regex.pattern_errors}
    keywords = {key: counted(check) for key, check in checks.items()}
    kind: Any = validators.extend(Draft202012Validator, keywords)  # type: ignore[no-untyped-call]
    return kind(schema, registry=Registry())


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(digits)
    return number


def _refused(name: str) -> float:
    raise ValueError(name)


def _misfit(why: str, hint: str, text: str) -> SchemaError:
    return SchemaError(
        f"The answer doesn't fit its schema: {why}.",
        f"{hint}; the error's `text` has the answer.",
        text,
    )
