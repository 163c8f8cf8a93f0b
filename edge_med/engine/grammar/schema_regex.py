"""Regular expressions of a schema that can be checked in time."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from typing import Any

from edge_med.errors import SchemaError

_NESTED = re.compile(r"(?:[*+}]|\||(?<!\()\?)[^(]*\)[*+{]")
"""A repeated group that repeats or chooses: Python's `re` may take exponential time for it."""


def check(pattern: str) -> None:
    """Refuse a pattern that jsonschema, which asks Python's `re`, can't check, or not in time.

    Raises:
        SchemaError: it is one.
    """
    if _NESTED.search(pattern):
        raise _error("repeats a group with a choice or a repetition in it")
    try:
        with warnings.catch_warnings():  # of what may mean another thing in a later Python
            warnings.simplefilter("ignore")
            re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise _error(f"can't be read ({error})") from None


def pattern_errors(validator: Any, pattern: str, value: object, _schema: object) -> Iterator[Any]:
    r"""The check of `pattern` for answers that llguidance has kept to it.

    It reads `\w` and `\d` as ECMAScript does, in ASCII, and `\s` in all of Unicode; either way of
    Python's `re` will do, so that nothing is refused at last that was allowed before.
    """
    from jsonschema import ValidationError

    if validator.is_type(value, "string"):
        text = str(value)
        if not (re.search(pattern, text, re.ASCII) or re.search(pattern, text)):
            yield ValidationError(f"{text!r} does not match {pattern!r}")


def _error(what: str) -> SchemaError:
    return SchemaError(f"A pattern of the schema {what}.", "Leave it out, or check it yourself.")
