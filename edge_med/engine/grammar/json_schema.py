"""A JSON schema to the grammar, the instruction and the check of an answer.

The grammar is made by the converter that llama-cpp-python carries: it is there anyway, and pinned.
Others know more of JSON Schema, but bring torch (xgrammar) or a machine of their own whose longest
match isn't GBNF's (llguidance). What a grammar can't hold, such as `minimum`, the package
jsonschema checks when the answer is whole.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from edge_med.engine.grammar import schema_regex
from edge_med.engine.grammar.gbnf import USER, parse
from edge_med.engine.grammar.schema_subset import LOWER, MAX_COUNT, for_grammar, is_beyond, refused
from edge_med.engine.grammar.schema_walk import check_references, subschemas, target
from edge_med.errors import SchemaError

BOUNDS = replace(USER, text=1 << 20, depth=2048, symbols=1 << 18)
"""Of grammars made here: the converter writes "at most n" as n brackets in each other."""

MAX_DEPTH = 64
MAX_TEXT = 64 << 10
"""Bytes of a schema."""

MAX_NAMES = 256
"""Properties of an object; the converter's work grows with their square."""

MAX_CHECKS = 20_000
"""Keywords that are looked at for an answer, since schemas that share parts can multiply them."""

_RULES = {
    "char": (
        r'[^"\\\x7F\x00-\x1F] | "\\" (["\\/bfnrt] | '
        r'"u" ([0-9a-cA-CefEF] [0-9a-fA-F] | [dD] [0-7]) [0-9a-fA-F] [0-9a-fA-F])'
    ),
    "dot": r'[^"\\\x7F\x00-\x1F]',
    "number": '("-"? integral-part) ("." decimal-part)? ([eE] [-+]? [0-9]{1,2})? space',
}
"""Characters of a JSON string (RFC 8259, 7), without halves of pairs; the converter's end lines.

Numbers without exponents that a double can't have: those of the converter go on for 16 digits.
"""

_UNREAD = "Raise --max-new-tokens and leave stop texts out, or ask again"
_BROKEN = "No grammar can hold that rule: say it in the question, or leave it out"


@dataclass(frozen=True, slots=True)
class Schema:
    """A schema that answers can be written by.

    Attributes:
        text: the schema, as compact JSON.
        gbnf: the grammar.
    """

    text: str
    gbnf: str

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
        SchemaError: it isn't a schema, refers to another place, or can't be made a grammar.
    """
    text = _as_text(schema)
    given = json.loads(text)
    try:
        _check(given)
        gbnf = _converted(given)
    except SchemaError:
        raise
    except Exception as error:  # noqa: BLE001 - the converter fails with whatever it meets
        raise refused(f"can't be made a grammar ({type(error).__name__})") from None
    parse(gbnf, bounds=BOUNDS)
    return Schema(text, gbnf)


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
    """Refuse what isn't a schema, and what would take the converter or the check too far."""
    for schema, depth in subschemas(given):
        if depth > MAX_DEPTH:
            raise refused(f"is deeper than {MAX_DEPTH}")
        if any(is_beyond(schema.get(key)) for key in LOWER):
            raise refused(f"wants more than {MAX_COUNT:,} of something")
        if any(_size(schema.get(key)) > MAX_NAMES for key in ("properties", "required")):
            raise refused(f"has an object of more than {MAX_NAMES} properties")
        if "patternProperties" in schema:
            raise refused("has patternProperties, which a grammar can't hold")
        if isinstance(pattern := schema.get("pattern"), str):
            schema_regex.for_grammar(pattern)  # those that only the check reads too
    check_references(given)
    from jsonschema import Draft202012Validator, exceptions

    try:
        Draft202012Validator.check_schema(given)
    except exceptions.SchemaError as error:
        raise refused(f"breaks a rule of JSON Schema, '{error.validator}'") from None


def _size(names: Any) -> int:
    return len(names) if isinstance(names, dict | list) else 0


def _converted(given: Any) -> str:
    """What the converter makes of a schema.

    Three things are set right: it takes a backslash in a name for GBNF's, it spells characters
    beyond U+FFFF as two that no token has, and it loses or mixes up references. The answer has a
    rule of its own, since it would write that of a number into the root, where none is set right.
    """
    from llama_cpp.llama_grammar import SchemaConverter

    converter = SchemaConverter(prop_order={}, allow_fetch=False, dotall=False, raw_pattern=False)
    converter._refs = _Targets(given)
    converter._format_literal = _literal
    converter._resolve_ref = _referring(converter)
    converter._rules["root"] = converter.visit(for_grammar(given), "answer")
    converter._rules |= {name: rule for name, rule in _RULES.items() if name in converter._rules}
    text: str = converter.format_grammar()
    return text


class _Targets(dict[str, Any]):
    """What references refer to."""

    def __init__(self, schema: Any) -> None:
        self._schema = schema

    def __missing__(self, reference: str) -> Any:
        return for_grammar(target(self._schema, reference))


def _literal(json_text: str) -> str:
    plain = json.dumps(json.loads(json_text), ensure_ascii=False)
    return '"' + plain.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _referring(converter: Any) -> Callable[[str], str]:
    """Each reference gets a rule by its number, made once."""
    names: dict[str, str] = {}

    def resolve(reference: str) -> str:
        if reference not in names:
            name = names[reference] = f"reference-{len(names)}"
            made = converter.visit(converter._refs[reference], name)
            if made != name:
                converter._rules[name] = made
        return names[reference]

    return resolve


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

    keywords = {key: counted(check) for key, check in Draft202012Validator.VALIDATORS.items()}
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
