"""Regular expressions of a schema, and whether a text fits one: in time that grows with the text.

llguidance reads most of them, those of ECMAScript and of Python, and never takes long. Looking
ahead and referring back are left to Python's `re`, which may take exponential time.
"""

from __future__ import annotations

import functools
import json
import re
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from edge_med.engine.grammar.schema_text import refused

if TYPE_CHECKING:
    from llguidance import LLTokenizer

_NESTED = re.compile(r"(?:[*+}]|\||(?<!\()\?)[^(]*\)[*+{]")
"""A repeated group that repeats or chooses: Python's `re` may take exponential time for it."""

_LEAVE = "Leave it out, or check it yourself."


@functools.lru_cache(maxsize=64)
def is_readable(pattern: str) -> bool:
    """Whether llguidance reads a pattern; it can't look ahead, nor refer back."""
    from llguidance import LLMatcher

    return not LLMatcher.validate_grammar(_grammar(pattern))


def check(pattern: str, *, of_names: bool = False) -> None:
    """Refuse a pattern that can't be checked, or not in time.

    Args:
        pattern: a regular expression of texts.
        of_names: whether it is one of properties' names, which jsonschema asks `re` about.

    Raises:
        SchemaError: it is one.
    """
    readable = is_readable(pattern)
    if readable and not of_names:
        return
    if of_names and not readable and not isinstance(_compiled(pattern), str):
        raise refused("has a pattern of names that looks around or refers back", _LEAVE)
    if _NESTED.search(pattern):
        where = "of names" if of_names else "with a look around or a reference back"
        raise refused(
            f"has a pattern {where} that repeats a group with a choice or a repetition in it",
            _LEAVE,
        )
    if isinstance(found := _compiled(pattern), str):
        raise refused(f"has a pattern that can't be read ({found})", _LEAVE)


def never_escaped(pattern: str) -> list[str]:
    r"""Patterns that must be kept besides one.

    Where a class of characters has all control characters, as `[^"]` has, llguidance 1.9.1 lets a
    quote and a backslash be written too, with a backslash before them.
    """
    if not _may_have(pattern, r"[\x00-\x08]"):
        return []
    return [kept for mark, kept in _WITHOUT.items() if not _may_have(pattern, mark)]


_WITHOUT = {'"': "^[\\t\\n\\r !#-\U0010ffff]*$", r"\\": "^[\\t\\n\\r -\\[\\]-\U0010ffff]*$"}
"""Patterns of texts without a mark, nor control characters but tabs and line ends."""


def _may_have(pattern: str, part: str) -> bool:
    """Whether a text that fits a pattern may fit another one as well."""
    from llguidance import LLMatcher

    both = [{"pattern": pattern}, {"pattern": part}]
    grammar = LLMatcher.grammar_from_json_schema({"type": "string", "allOf": both})
    return not LLMatcher.validate_grammar(grammar)


def fits(pattern: str, text: str) -> bool:
    r"""Whether a text fits a pattern.

    Python's `re` is asked if it can say so in time; twice, since ECMAScript has `\w` and `\d` in
    ASCII, and others have not. Else llguidance is.

    Raises:
        SchemaError: it takes too long to say.
    """
    if _NESTED.search(pattern) or isinstance(_compiled(pattern), str):
        return _fits_by_llguidance(pattern, text)
    return bool(re.search(pattern, text, re.ASCII) or re.search(pattern, text))


def pattern_errors(validator: Any, pattern: str, value: object, _schema: object) -> Iterator[Any]:
    """The check of `pattern`."""
    from jsonschema import ValidationError

    if validator.is_type(value, "string") and not fits(pattern, str(value)):
        yield ValidationError(f"{value!r} does not match {pattern!r}")


def _compiled(pattern: str) -> re.Pattern[str] | str:
    """A pattern as Python reads it, or why it doesn't."""
    try:
        with warnings.catch_warnings():  # of what may mean another thing in a later Python
            warnings.simplefilter("ignore")
            return re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        return str(error)


def _fits_by_llguidance(pattern: str, text: str) -> bool:
    from llguidance import LLMatcher, LLParserLimits

    limits = LLParserLimits(verbose_errors=False)
    matcher = LLMatcher(_bytes(), _grammar(pattern), log_level=0, limits=limits)
    escaped = json.dumps(text, ensure_ascii=False).replace("\x7f", r"\u007f")
    written = list(escaped.encode(errors="replace"))
    taken = matcher.try_consume_tokens(written)
    if matcher.is_error():
        raise refused("takes too long to check")
    return taken == len(written) and bool(matcher.is_accepting())


def _grammar(pattern: str) -> str:
    from llguidance import LLMatcher

    flags = {"json_allow_general_unicode_escapes": True}  # as Python escapes what it must
    schema = {"type": "string", "pattern": pattern, "x-guidance": flags}
    grammar: str = LLMatcher.grammar_from_json_schema(schema)
    return grammar


@functools.cache
def _bytes() -> LLTokenizer:
    """A vocabulary whose tokens are bytes, by their numbers."""
    from llguidance import LLTokenizer

    return LLTokenizer("byte")
