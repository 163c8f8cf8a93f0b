"""What a chat template writes of its own, besides the messages: a scan of its text.

The template is never run. Comments, conditions, comparisons, keys and the words of calls that don't
write them are left out; all other literals count, even where a branch may never be taken.

Syntax: https://jinja.palletsprojects.com/en/stable/templates/
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

_OPENS = re.compile(r"\{[{%#]")
_CLOSES = {"{{": "}}", "{%": "%}", "{#": "#}"}
_TOKEN = re.compile(
    r"""'(?:\\.|[^'\\])*+(?:'|\\?\Z)|"(?:\\.|[^"\\])*+(?:"|\\?\Z)|\w+|[=!<>]=|\S""", re.DOTALL
)
_CONDITION = re.compile(r"[-+]?\s*(?:if|elif)\b")
_BRANCH = re.compile(r"[-+]?\s*(?:if|elif|else)\b")
_NAME = re.compile(r"\w+|[)\]]")
_KEYWORDS = {"and", "else", "if", "not", "or", "is"}
_OPERATORS = {"+", "-", "*", "/", "%", "<", ">", "<=", ">=", "==", "!=", "in", "is"}
_COMPARES = {"==", "!=", "in", "not", "is"}
_SILENT_CALLS = {
    *("raise_exception", "get", "map", "split", "startswith", "endswith"),
    *("selectattr", "rejectattr"),
}
"""Calls whose arguments aren't written: an error's words, names of keys, what is looked for."""

_WITH_DEFAULT = {"get", "map"}
"""Those of them whose first argument alone isn't: the others are what is taken instead."""

_FOR = re.compile(r"[-+]?\s*for\b")
_CONSTANT = re.compile(r"\d+|[Tt]rue|[Ff]alse|[Nn]one")
_WRITES = {"", "else", "or", "~"}
"""What stands before a constant that is written: nothing, or the other of two."""

_CHANGES = {
    *("upper", "lower", "title", "capitalize", "swapcase", "reverse", "sort", "random"),
    *("truncate", "replace", "striptags", "escape", "e", "urlencode", "tojson"),
    *("wordwrap", "indent", "center"),
}
"""Filters and methods that make another text of a message."""

_LONGEST = 9  # tokens that are looked at; `[:-200:2]` has six
_WHOLE_SLICE = re.compile(r"\w+:|:-1|:")
"""Messages without the first, which is the system's, or without the last, which stands apart."""


class _Token(NamedTuple):
    """A token of code that can come to be written, with its neighbours."""

    before: str
    text: str
    after: str


def literals(template: str) -> Iterator[str]:
    """Every text that a template may write, in its order."""
    for opening, text in _parts(template):
        if not opening:
            yield text
        elif _is_written(opening, text):
            yield from _strings(opening, text)


def changes(template: str) -> Iterator[str]:
    """Every step by which a template changes the texts of messages, or leaves some out."""
    for opening, code in _parts(template):
        if not opening or not _is_written(opening, code):
            continue
        for before, token, after in _spoken(code):
            called = before in ("|", "filter") or (before == "." and after == "(")
            if token in _CHANGES and called:
                yield token
        yield from _slices(_TOKEN.findall(code))


def begins_twice(template: str) -> bool:
    """Whether a template writes `<bos>` twice on one way through it."""
    begun = 0
    for opening, text in _parts(template):
        if opening == "{%" and _BRANCH.match(text):
            begun = 0
        elif not opening:
            begun += text.count("<bos>")
        elif _is_written(opening, text):
            begun += sum(t.text.count("<bos>") + (t.text == "bos_token") for t in _spoken(text))
        if begun > 1:
            return True
    return False


def _parts(template: str) -> Iterator[tuple[str, str]]:
    """Plain texts, and what stands between the brackets of code, with how these open."""
    at = 0
    while opened := _OPENS.search(template, at):
        yield "", template[at : opened.start()]
        end = template.find(_CLOSES[opened[0]], opened.end())
        end = len(template) if end < 0 else end
        yield opened[0], template[opened.end() : end]
        at = end + 2
    yield "", template[at:]


def _is_written(opening: str, code: str) -> bool:
    return opening == "{{" or (opening == "{%" and not _CONDITION.match(code))


def _strings(opening: str, code: str) -> Iterator[str]:
    """The strings of one expression or statement that can come to be written, and its numbers."""
    for before, token, after in _spoken(code):
        if token[0] in "'\"" and len(token) > 1:
            if before not in _COMPARES and after not in {*_COMPARES, ":"}:
                yield token[1:-1].replace("\\n", "\n").replace("\\t", "\t")
        elif opening == "{{" and before in _WRITES and after not in _OPERATORS:
            yield from _CONSTANT.findall(token)[: bool(_CONSTANT.fullmatch(token))]


def _spoken(code: str) -> Iterator[_Token]:
    """The tokens outside of silent brackets."""
    tokens = _TOKEN.findall(code.strip("-+ \n\t\r"))
    if _FOR.match(code) and "in" in tokens:
        tokens[tokens.index("in")] = ","  # what follows is walked through, and not looked for
    silent: list[bool] = []  # of each bracket that is open, whether what is in it isn't written
    first: list[bool] = []  # and whether that holds of its first part alone
    for before, word, after in zip(["", *tokens], tokens, [*tokens[1:], ""], strict=False):
        if word in ("(", "[", "{"):
            first.append(word == "(" and before in _WITH_DEFAULT and not any(silent[-1:]))
            silent.append(any(silent[-1:]) or _is_silent(word, before))
        elif word in (")", "]", "}"):
            del silent[-1:], first[-1:]
        elif word == "," and any(first[-1:]):
            silent[-1] = False
        elif not any(silent[-1:]):
            yield _Token(before, word, after)


def _slices(tokens: list[str]) -> Iterator[str]:
    """Slices that leave out a part of a text or of the messages."""
    opened: list[tuple[int, bool]] = []
    for at, word in enumerate(tokens):
        if word == "[":
            opened.append((at, at > 0 and _is_silent("[", tokens[at - 1])))
        elif word == "]" and opened:
            start, indexes = opened.pop()
            inside = tokens[start + 1 : min(at, start + _LONGEST)]
            if indexes and ":" in inside and not _WHOLE_SLICE.fullmatch("".join(inside)):
                yield f"[{''.join(inside)}]"


def _is_silent(bracket: str, before: str) -> bool:
    """Whether what stands in a bracket is an index, a choice, or a silent call's."""
    if bracket == "(":
        return before == "in" or before in _SILENT_CALLS
    return bracket == "[" and bool(_NAME.fullmatch(before)) and before not in _KEYWORDS
