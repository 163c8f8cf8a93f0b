"""What the user should know of a schema before an answer is written by it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator

from edge_med.answers import Notice

_MANY = 8
"""Words that a notice lists."""

_UNKEPT = "Unimplemented keys: "
_FORMAT = "Unknown format: "
_ONE_OF = "oneOf not fully supported"
"""The beginnings of llguidance's warnings."""
_TIMES = re.compile(r" \(\d+ times\)$")


def of_envelope(way: Iterable[str], unused: Iterable[str]) -> Iterator[Notice]:
    """What was around it.

    Args:
        way: the keys under which the schema was.
        unused: keys next to them.
    """
    if path := "/".join(way):
        rest = f" Ignored around it: {left}." if (left := _listed(unused)) else ""
        yield Notice("schema_unwrapped", f"The schema was found under {path}.{rest}")


def of_translation(rewritten: Iterable[str], ignored: Iterable[str]) -> Iterator[Notice]:
    """What was read as draft 2020-12 has it, and what means nothing there."""
    if read := _listed(rewritten):
        yield Notice("schema_translated", f"Translated from another draft or service: {read}.")
    if unknown := _listed(ignored):
        yield Notice(
            "schema_ignored",
            f"Not keywords of JSON Schema, ignored: {unknown}.",
        )


def of_grammar(left_out: Iterable[str], warnings: Iterable[str]) -> Iterator[Notice]:
    """What isn't kept while an answer is written.

    Args:
        left_out: keywords that llguidance isn't shown.
        warnings: llguidance's warnings.
    """
    late: dict[str, None] = dict.fromkeys(left_out)
    formats: dict[str, None] = {}
    for line in warnings:
        words = _TIMES.sub("", line)
        if words.startswith(_UNKEPT):
            late.update(dict.fromkeys(json.loads(words.removeprefix(_UNKEPT))))
        elif words.startswith(_FORMAT):
            formats[words.removeprefix(_FORMAT)] = None
        elif line.startswith(_ONE_OF):
            late["oneOf"] = None
    if rules := _listed(late):
        yield Notice(
            "schema_checked_at_last",
            f"Checked only when the answer is complete: {rules}. Say it in the question too.",
        )
    formats.pop("enum", None)  # Gemini's mark of a text that has an enum
    if names := _listed(formats):
        yield Notice("schema_format", f"Unknown formats, not checked: {names}.")


def _listed(words: Iterable[str]) -> str:
    several = list(words)
    more = f" and {len(several) - _MANY} more" if len(several) > _MANY else ""
    return ", ".join(several[:_MANY]) + more
