r"""Regular expressions of a schema as the converter to grammars can read them.

It takes only `^…$`, leaves `\d`, `\w`, `\s` and `\.` as they are, and lets `.` and `[^…]` match the
quote that ends a JSON string.
"""

from __future__ import annotations

import re

from edge_med.errors import SchemaError

_PART = re.compile(
    r"\[(?:[^\]\\]|\\.)*\]|\{(?:[0-9]+(?:,[0-9]*)?|,[0-9]+)\}|\\.|[^\\\[]", re.DOTALL
)

_ALONE = frozenset("^${}]")
"""What has no meaning by itself; at a bracket that closes nothing the converter stands for ever."""

_SETS = {r"\d": "0-9", r"\w": "A-Za-z0-9_", r"\s": " ", r"\.": ".", r"\/": "/"}
"""Escapes as characters between brackets; a JSON string has no other white space than blanks."""

_NOT_IN_A_STRING = r'"\\\x00-\x1F\x7F]'

_NESTED = re.compile(r"(?:[*+}]|\|)[^(]*\)[*+{]")
"""A repeated group that repeats or chooses: Python's `re` may take exponential time for it."""


def for_grammar(pattern: str) -> str:
    """A pattern as the converter reads it.

    Raises:
        SchemaError: it has what a grammar can't hold, or what may take forever to check.
    """
    if _NESTED.search(pattern):
        raise _error("repeats a group with a choice or a repetition in it")
    if '"' in pattern or "\\\\" in pattern:
        raise _error("has a quote or a backslash in it")
    if not (pattern.startswith("^") and pattern.endswith("$")):
        raise _error("doesn't begin with ^ and end with $")
    parts = _PART.findall(pattern[1:-1])
    if sum(map(len, parts)) != len(pattern) - 2 or _ALONE & set(parts):
        raise _error("can't be read")
    return f"^{''.join(map(_part, parts))}$"


def _part(part: str) -> str:
    if not part.startswith("["):
        return f"[{_SETS[part]}]" if part in _SETS else part
    inner = re.sub(r"\\.", lambda found: _SETS.get(found[0], found[0]), part)
    return inner[:-1] + _NOT_IN_A_STRING if part.startswith("[^") else inner


def _error(what: str) -> SchemaError:
    return SchemaError(f"A pattern of the schema {what}.", "Leave it out, or check it yourself.")
