"""Which characters may follow: the rules of a grammar as a machine of stacks, with bounded work.

A state is all that the text so far may be the beginning of: a set of stacks, each of them a place
in a rule before some characters, above the places where the rules that it is in go on. Stacks that
are equal are one, and states are made once, so that a step is mostly a look into a table.
"""

from __future__ import annotations

from edge_med.engine.grammar.charsets import Characters, merged
from edge_med.engine.grammar.gbnf import Rules
from edge_med.errors import SchemaError

MAX_STACKS = 4096
"""That may be open at once; as many as a list of values may have, whose beginnings are alike."""

MAX_WORK = 4_000_000
"""Places that are looked at for one answer: some seconds. A long one in JSON takes a tenth."""

_NOTHING = 0
"""The node of an empty stack: the text may end."""


class State:
    """What may follow a text.

    Attributes:
        stacks: nodes before characters.
        accepting: whether the text may end here.
        next: states by the character that leads to them; None where it doesn't fit.
        fitting: tokens that fit, as whoever asked for all of them has found.
    """

    __slots__ = ("accepting", "fitting", "next", "stacks")

    def __init__(self, stacks: frozenset[int], *, accepting: bool) -> None:
        self.stacks = stacks
        self.accepting = accepting
        self.next: dict[str, State | None] = {}
        self.fitting: list[int] | None = None


class Automaton:
    """The machine of a grammar; `start` is before the first character."""

    def __init__(self, rules: Rules) -> None:
        """Lay the rules out.

        Raises:
            SchemaError: too much may come first.
        """
        self._elements: list[Characters | int | None] = []  # alternatives, None at the end of each
        self._starts = [
            [self._lay_out(alternative) for alternative in alternatives]
            for alternatives in rules.alternatives
        ]
        self._nodes: list[tuple[int, int]] = [(-1, -1)]  # place, and the node below
        self._known: dict[tuple[int, int], int] = {}
        self._states: dict[tuple[frozenset[int], bool], State] = {}
        self._work = 0
        self.start = self._expanded(
            [self._at(start, _NOTHING) for start in self._starts[rules.root]]
        )

    def step(self, state: State, character: str) -> State | None:
        """The state after a character; None if it doesn't fit.

        Raises:
            SchemaError: the grammar has too many ways to read the text.
        """
        if character not in state.next:
            state.next[character] = self._stepped(state, ord(character))
        return state.next[character]

    def walk(self, state: State, text: str) -> State | None:
        """The state after a text; None if it doesn't fit."""
        here: State | None = state
        for character in text:
            if here is None:
                return None
            here = self.step(here, character)
        return here

    def following(self, state: State) -> Characters:
        """The characters that fit next."""
        return merged(part for node in state.stacks for part in self._characters(node))

    def _lay_out(self, alternative: tuple[Characters | int, ...]) -> int:
        start = len(self._elements)
        self._elements += [*alternative, None]
        return start

    def _at(self, place: int, below: int) -> int:
        """The node of a place; at the end of an alternative, what is below goes on."""
        if self._elements[place] is None:
            return below
        node = self._known.setdefault((place, below), len(self._nodes))
        if node == len(self._nodes):
            self._nodes.append((place, below))
        return node

    def _characters(self, node: int) -> Characters:
        found = self._elements[self._nodes[node][0]]
        assert isinstance(found, tuple)
        return found

    def _stepped(self, state: State, code: int) -> State | None:
        self._count(len(state.stacks))
        after = [
            self._at(self._nodes[node][0] + 1, self._nodes[node][1])
            for node in state.stacks
            if any(low <= code <= high for low, high in self._characters(node))
        ]
        return self._expanded(after) if after else None

    def _expanded(self, todo: list[int]) -> State:
        """The state of some stacks, whose rules are opened until all stand before characters."""
        seen: set[int] = set()
        stacks: set[int] = set()
        while todo:
            node = todo.pop()
            if node in seen:
                continue
            seen.add(node)
            self._count(1)
            place, below = self._nodes[node]
            rule = self._elements[place] if node != _NOTHING else None
            if isinstance(rule, int):
                rest = self._at(place + 1, below)
                todo += [self._at(start, rest) for start in self._starts[rule]]
            elif node != _NOTHING:
                stacks.add(node)
        if len(stacks) > MAX_STACKS:
            raise _too_much()
        return self._state(frozenset(stacks), accepting=_NOTHING in seen)

    def _state(self, stacks: frozenset[int], *, accepting: bool) -> State:
        key = (stacks, accepting)
        if key not in self._states:
            self._states[key] = State(stacks, accepting=accepting)
        return self._states[key]

    def _count(self, places: int) -> None:
        self._work += places
        if self._work > MAX_WORK:
            raise _too_much()


def _too_much() -> SchemaError:
    return SchemaError(
        "The grammar can be read in too many ways.",
        "Let alternatives begin differently, and repeat less of what may be left out.",
    )
