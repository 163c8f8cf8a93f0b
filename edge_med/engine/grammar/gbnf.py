"""A grammar's text to rules, within bounds: nothing in a text can crash, hang or fill the memory.

The language is llama.cpp's GBNF (grammars/README.md there) without its references to tokens, which
would name control tokens. A line may be broken anywhere between two symbols.
"""

from __future__ import annotations

import graphlib
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from edge_med.engine.grammar.charsets import HIGHEST, Characters, characters, error, literal

Symbol = Characters | int
"""Of characters, or the number of a rule."""

Alternative = tuple[Symbol, ...]


MAX_TEXT = 64 << 10
"""Bytes of a grammar."""

MAX_DEPTH = 64
"""Of brackets."""

MAX_SYMBOLS = 1 << 16
"""Of all rules, after repetitions are written out."""

MAX_REPETITIONS = 2000
"""Of one item; llama.cpp has the same bound (MAX_REPETITION_THRESHOLD)."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The alternatives of each rule, by its number, and the number that everything begins with."""

    alternatives: tuple[tuple[Alternative, ...], ...]
    root: int


def parse(text: str, root: str = "root") -> Rules:
    """The rules of a grammar.

    Args:
        text: the text of the grammar.
        root: name of the rule that everything begins with.

    Raises:
        SchemaError: it isn't a grammar, is too large, or a rule begins with itself.
    """
    _check_text(text)
    parser = _Parser()
    for kind, part in _parts(text):
        parser.take(kind, part)
    rules = parser.finish(root)
    _check_beginnings(rules)
    return rules


def _check_text(text: str) -> None:
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        raise error("The grammar holds half a character") from None
    if size > MAX_TEXT:
        raise error(f"The grammar has {size:,} bytes, and may have {MAX_TEXT:,}")


_PART = re.compile(
    r"""
      (?P<head>[a-zA-Z0-9-]+[ \t]*::=)
    | (?P<name>[a-zA-Z0-9-]+)
    | "(?P<literal>(?:[^"\\]|\\.)*)"
    | \[(?P<characters>(?:[^\]\\]|\\.)*)\]
    | (?P<any>\.)
    | (?P<open>\()
    | (?P<close>\))
    | (?P<or>\|)
    | (?P<repeat>[*+?]|\{\s*\d{1,9}\s*(?:,\s*(?:\d{1,9}\s*)?)?\})
    | (?P<space>(?:\s|\#[^\r\n]*)+)
    """,
    re.VERBOSE | re.DOTALL,
)


def _parts(text: str) -> Iterator[tuple[str, str]]:
    at = 0
    while at < len(text):
        found = _PART.match(text, at)
        if found is None:
            raise error(f"Line {_line(text, at)} of the grammar can't be read")
        assert found.lastgroup is not None
        if found.lastgroup != "space":
            yield found.lastgroup, found[found.lastgroup]
        at = found.end()


def _line(text: str, at: int) -> int:
    return text.count("\n", 0, at) + 1


@dataclass(slots=True)
class _Open:
    """A rule or a group that isn't closed yet."""

    rule: int
    alternatives: list[Alternative] = field(default_factory=list)
    symbols: list[Symbol] = field(default_factory=list)
    item: int | None = None  # where the last item begins, which a repetition repeats

    def end_alternative(self) -> None:
        self.alternatives.append(tuple(self.symbols))
        self.symbols, self.item = [], None


class _Parser:
    """Takes the parts of a text one by one; groups and repetitions become rules without a name."""

    def __init__(self) -> None:
        self._names: dict[str, int] = {}
        self._rules: list[tuple[Alternative, ...] | None] = []
        self._open: list[_Open] = []
        self._size = 0

    def take(self, kind: str, part: str) -> None:
        if kind == "head":
            self._begin(part.removesuffix("::=").rstrip())
        elif not self._open:
            raise error("The grammar doesn't begin with a rule")
        elif kind == "or":
            self._open[-1].end_alternative()
        elif kind == "open":
            if len(self._open) > MAX_DEPTH:
                raise error(f"The grammar's brackets are deeper than {MAX_DEPTH}")
            self._open.append(_Open(self._add(None)))
        elif kind == "close":
            if len(self._open) == 1:
                raise error("The grammar closes a bracket that isn't open")
            self._item([self._close()])
        elif kind == "repeat":
            self._repeat(*_times(part))
        else:
            self._item(self._plain(kind, part))

    def finish(self, root: str) -> Rules:
        self._end()
        rules = [rule for rule in self._rules if rule is not None]
        if len(rules) < len(self._rules):
            missing = next(n for n, number in self._names.items() if self._rules[number] is None)
            raise error(f"The grammar uses a rule that it doesn't define: {missing[:64]}")
        if root not in self._names:
            raise error(f"The grammar has no rule {root}")
        return Rules(tuple(rules), self._names[root])

    def _plain(self, kind: str, part: str) -> list[Symbol]:
        if kind == "literal":
            return [*literal(part)]
        if kind == "name":
            return [self._named(part)]
        return [((0, HIGHEST),) if kind == "any" else characters(part)]

    def _named(self, name: str) -> int:
        if name not in self._names:
            self._names[name] = self._add(None)
        return self._names[name]

    def _add(self, rule: tuple[Alternative, ...] | None) -> int:
        self._grow(sum(map(len, rule or ())) + 1)
        self._rules.append(rule)
        return len(self._rules) - 1

    def _grow(self, size: int) -> None:
        self._size += size
        if self._size > MAX_SYMBOLS:
            raise error(f"The grammar has more than {MAX_SYMBOLS:,} symbols")

    def _begin(self, name: str) -> None:
        self._end()
        rule = self._named(name)
        if self._rules[rule] is not None:
            raise error(f"The grammar defines a rule twice: {name[:64]}")
        self._open.append(_Open(rule))

    def _end(self) -> None:
        if len(self._open) > 1:
            raise error("The grammar doesn't close a bracket")
        if self._open:
            self._close()

    def _close(self) -> int:
        done = self._open.pop()
        done.end_alternative()
        self._rules[done.rule] = tuple(done.alternatives)
        return done.rule

    def _item(self, symbols: list[Symbol]) -> None:
        self._grow(len(symbols))
        here = self._open[-1]
        here.item = len(here.symbols)
        here.symbols += symbols

    def _repeat(self, least: int, most: int | None) -> None:
        here = self._open[-1]
        if here.item is None:
            raise error("The grammar repeats nothing")
        if max(least, most or 0) > MAX_REPETITIONS:
            raise error(f"The grammar repeats more than {MAX_REPETITIONS:,} times")
        if most is not None and most < least:
            raise error("The grammar repeats at most less often than at least")
        item, start = tuple(here.symbols[here.item :]), here.item
        unit = item[0] if len(item) == 1 else self._add((item,))
        repeated: list[Symbol] = [unit] * least
        if most is None:
            repeated.append(self._endless(unit))
        elif most > least:
            repeated.append(self._optional(unit, most - least))
        del here.symbols[start:]
        self._item(repeated)

    def _endless(self, unit: Symbol) -> int:
        rule = self._add(None)
        self._rules[rule] = ((unit, rule), ())
        return rule

    def _optional(self, unit: Symbol, times: int) -> int:
        rule = self._add(((unit,), ()))
        for _ in range(times - 1):
            rule = self._add(((unit, rule), ()))
        return rule


def _times(part: str) -> tuple[int, int | None]:
    """How often at least and at most; no end if None."""
    if part in _TIMES:
        return _TIMES[part]
    least, comma, most = part.strip("{}").partition(",")
    if most.strip():
        return int(least), int(most)
    return int(least), None if comma else int(least)


_TIMES: dict[str, tuple[int, int | None]] = {"*": (0, None), "+": (1, None), "?": (0, 1)}


def _check_beginnings(rules: Rules) -> None:
    """Refuse left recursion: a rule that begins with itself has no end of stacks.

    llama.cpp's own check overlooks rules that are empty only through others, and takes exponential
    time where rules share others (llama_grammar_detect_left_recursion).
    """
    empty = _may_be_empty(rules)
    graph: dict[int, set[int]] = defaultdict(set)
    for rule, alternatives in enumerate(rules.alternatives):
        for alternative in alternatives:
            for symbol in alternative:
                if not isinstance(symbol, int):
                    break
                graph[rule].add(symbol)
                if symbol not in empty:
                    break
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError:
        raise error(
            "The grammar has a rule that begins with itself, or repeats what may be empty"
        ) from None


def _may_be_empty(rules: Rules) -> set[int]:
    """Rules that nothing at all fits; each alternative waits for the next rule that it needs."""
    empty: set[int] = set()
    waiting: dict[int, list[tuple[int, Alternative, int]]] = defaultdict(list)
    todo = [(rule, one, 0) for rule, all_ in enumerate(rules.alternatives) for one in all_]
    while todo:
        rule, alternative, at = todo.pop()
        while at < len(alternative) and alternative[at] in empty:
            at += 1
        if at == len(alternative):
            empty.add(rule)
            todo += waiting.pop(rule, [])
        elif isinstance(needed := alternative[at], int):
            waiting[needed].append((rule, alternative, at))
    return empty
