"""What a chat template writes of its own, besides the messages: a scan of its text.

The template is never run. Comments, conditions, comparisons, keys and the words of calls that don't
write them are left out; all other literals count, even where a branch may never be taken.

Syntax: https://jinja.palletsprojects.com/en/stable/templates/
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_OPENS = re.compile(r"\{[{%#]")
_CLOSES = {"{{": "}}", "{%": "%}", "{#": "#}"}
_TOKEN = re.compile(
    r"""'(?:\\.|[^'\\])*+(?:'|\\?\Z)|"(?:\\.|[^"\\])*+(?:"|\\?\Z)|\w+|[=!<>]=|\S""", re.DOTALL
)
_CONDITION = re.compile(r"[-+]?\s*(?:if|elif)\b")
_NAME = re.compile(r"\w+|[)\]]")
_KEYWORDS = {"and", "else", "if", "not", "or", "is"}
_COMPARES = {"==", "!=", "in", "not", "is"}
_SILENT_CALLS = {
    *("raise_exception", "get", "map", "split", "startswith", "endswith"),
    *("selectattr", "rejectattr"),
}
"""Calls whose arguments aren't written: an error's words, names of keys, what is looked for."""


def literals(template: str) -> Iterator[str]:
    """Every text that a template may write, in its order."""
    at = 0
    while opened := _OPENS.search(template, at):
        yield template[at : opened.start()]
        end = template.find(_CLOSES[opened[0]], opened.end())
        end = len(template) if end < 0 else end
        code = template[opened.end() : end]
        if opened[0] == "{{" or (opened[0] == "{%" and not _CONDITION.match(code)):
            yield from _strings(code)
        at = end + 2
    yield template[at:]


def _strings(code: str) -> Iterator[str]:
    """The strings of one expression or statement that can come to be written."""
    tokens = _TOKEN.findall(code)
    silent: list[bool] = []  # of each bracket that is open, whether what is in it isn't written
    for before, token, after in zip(["", *tokens], tokens, [*tokens[1:], ""], strict=False):
        if token in ("(", "[", "{"):
            silent.append(any(silent[-1:]) or _is_silent(token, before))
        elif token in (")", "]", "}"):
            del silent[-1:]
        elif token[0] in "'\"" and len(token) > 1:
            compared = before in _COMPARES or after in {*_COMPARES, ":"}
            if not compared and not any(silent[-1:]):
                yield token[1:-1].replace("\\n", "\n").replace("\\t", "\t")


def _is_silent(bracket: str, before: str) -> bool:
    """Whether what stands in a bracket is an index, a choice, or a silent call's."""
    if bracket == "(":
        return before == "in" or before in _SILENT_CALLS
    return bracket == "[" and bool(_NAME.fullmatch(before)) and before not in _KEYWORDS
