"""A JSON schema to what is kept while an answer is written, the instruction, and the check at last.

The package llguidance says which tokens may come; docs/evidence/benchmarks.md has the figures that
chose it. What it can't keep, such as `multipleOf`, the package jsonschema checks when the
answer is whole.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edge_med.answers import Notice
from edge_med.engine.grammar import (
    schema_check,
    schema_envelope,
    schema_notices,
    schema_regex,
    schema_text,
)
from edge_med.engine.grammar.schema_dialect import Translation
from edge_med.engine.grammar.schema_subset import for_llguidance, left_out
from edge_med.engine.grammar.schema_text import refused
from edge_med.engine.grammar.schema_walk import subschemas
from edge_med.errors import TEXT, SchemaError

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
_EMPTY = "Regex is empty"
_NO_TEXT = "patterns, formats, lengths or limits that must hold together allow nothing"
_LONGEST_REASON = 160
"""Characters; the rest of it quotes automata."""

_UNREAD = "Raise `max_new_tokens` and leave stop texts out, or ask again"
_BROKEN = "That rule can't be kept while writing: say it in the question, or leave it out"


@dataclass(frozen=True, slots=True)
class Schema:
    """A schema that answers can be written by.

    Attributes:
        text: the schema, as compact JSON.
        grammar: the grammar that llguidance reads.
        notices: notices about the schema, which come before an answer.
    """

    text: str
    grammar: str
    notices: tuple[Notice, ...] = ()

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
            rule = f"'{problem.validator}': {schema_text.shown(problem.validator_value)}"
            raise _misfit(f"{where[:64]} breaks the rule {rule}", _BROKEN, text)
        return value


def compile_schema(schema: Mapping[str, Any] | str) -> Schema:
    """Make ready a schema, given as a mapping or as JSON, in an envelope or without.

    Raises:
        SchemaError: it isn't a schema, says nothing, refers to another place, or no answer could
            fit it.
    """
    given = schema_text.read(schema)
    try:
        return _compiled(given)
    except SchemaError:
        raise
    except Exception as error:  # noqa: BLE001 - the packages fail with whatever they meet
        raise refused(f"can't be read ({type(error).__name__})") from None


def _compiled(given: dict[str, Any]) -> Schema:
    inner, way, unused = schema_envelope.unwrapped(given)
    schema_envelope.check_kind(inner)
    schema_check.check_depth(inner)
    found = Translation(inner)
    schema_check.check(found.schema)
    grammar, warnings = _grammar(for_llguidance(found.schema))
    if any("oneOf" in one for one, _ in subschemas(found.schema)):
        # Objects that only we have closed can't both fit, as far as llguidance sees.
        warnings += _grammar(for_llguidance(found.schema, as_meant=False))[1]
    notices = (
        *schema_notices.of_envelope(way, unused),
        *schema_notices.of_translation(found.rewritten, found.ignored),
        *schema_notices.of_grammar(left_out(found.schema), warnings),
    )
    return Schema(schema_text.as_text(found.schema), grammar, notices)


def _grammar(kept: Mapping[str, Any]) -> tuple[str, list[str]]:
    """What llguidance reads, and what it says that it can't keep of it.

    Raises:
        SchemaError: no answer could fit it, or it is too large.
    """
    from llguidance import LLMatcher

    body = json.dumps({**kept, "x-guidance": _SETTINGS})
    grammar = LLMatcher.grammar_from_lark(f"{_OWN_TOKENS}\nstart: %json {body}")
    is_error, words = LLMatcher.validate_grammar_with_warnings(grammar)
    if is_error:
        raise _problem(words[0])
    return grammar, words


def _problem(words: str) -> SchemaError:
    """An error of llguidance as ours, without the lines that quote the schema."""
    line = words.partition("\n")[0].removeprefix("at 2(8): ")
    reason = line.removeprefix("failed to compile JSON schema: ")[:_LONGEST_REASON]
    if reason.startswith(_UNMET):
        reason = reason.removeprefix(_UNMET)
        reason = _NO_TEXT if reason.startswith(_EMPTY) else reason
        return refused(f"can't be met by any answer: {reason}")
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
        f"{hint}; {TEXT}.",
        text,
    )
