"""Characters of a grammar: how GBNF spells them, and sets of them as ranges of code points."""

from __future__ import annotations

import re
from collections.abc import Iterable

from edge_med.errors import SchemaError

Characters = tuple[tuple[int, int], ...]
"""Ranges of code points, rising, both ends included."""

HIGHEST = 0x10FFFF
"""The last code point of Unicode."""

_ESCAPED = r"""\\(?:x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[trn\\"\[\]-])"""
_CHARACTER = re.compile(rf"{_ESCAPED}|[^\\]", re.DOTALL)
_CONTROL = {"t": "\t", "r": "\r", "n": "\n"}


def literal(text: str) -> list[Characters]:
    """What a text between quotes stands for, character by character.

    Raises:
        SchemaError: a backslash isn't followed by what it can escape.
    """
    return [((code, code),) for code in map(_code, _spelled(text))]


def _spelled(text: str) -> list[str]:
    """The characters of a text between quotes or brackets, each as it is spelled."""
    found = _CHARACTER.findall(text)
    if sum(map(len, found)) != len(text):
        raise error("The grammar has a backslash before what isn't an escape")
    return found


def _code(spelled: str) -> int:
    if len(spelled) > 2:
        return int(spelled[2:], 16)
    return ord(_CONTROL.get(spelled[-1], spelled[-1]) if len(spelled) == 2 else spelled)


def characters(text: str) -> Characters:
    """What a text between brackets stands for.

    Raises:
        SchemaError: it stands for nothing, or can't be read.
    """
    negated = text.startswith("^")
    spelled = _spelled(text[negated:])
    ranges, at = [], 0
    while at < len(spelled):
        last = at + 2 if spelled[at + 1 : at + 2] == ["-"] and at + 2 < len(spelled) else at
        ranges.append((_code(spelled[at]), _code(spelled[last])))
        at = last + 1
    if not ranges or any(low > high for low, high in ranges):
        raise error("The grammar has brackets [] with nothing in them, or a range backwards")
    return _outside(merged(ranges)) if negated else merged(ranges)


def merged(ranges: Iterable[tuple[int, int]]) -> Characters:
    """Ranges in rising order, those that touch as one."""
    found: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if found and low <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(high, found[-1][1]))
        else:
            found.append((low, high))
    return tuple(found)


def _outside(ranges: Characters) -> Characters:
    edges = [-1, *(edge for pair in ranges for edge in pair), HIGHEST + 1]
    pairs = zip(edges[::2], edges[1::2], strict=True)
    return tuple((low + 1, high - 1) for low, high in pairs if low + 1 <= high - 1)


def error(message: str) -> SchemaError:
    """What is wrong with a grammar."""
    return SchemaError(f"{message}.", "See llama.cpp's grammars/README.md for the form of GBNF.")
