"""A grammar over tokens: which of them may come next in an answer.

llama.cpp has a grammar of its own, which isn't used: it looks at every way to read a token one by
one, so that `([-] | [-=]){1,30}` keeps it busy for half an hour with a single token of 31 dashes,
out of reach; a token that doesn't fit ends the process; and it prints what it can't read. Where it
gets through, its mask is the one made here: tests/engine/grammar/test_token_mask.py.
"""

from __future__ import annotations

import bisect
import codecs
import functools
import weakref

import numpy as np

from edge_med.engine.grammar.automaton import Automaton, State
from edge_med.engine.grammar.charsets import HIGHEST
from edge_med.engine.grammar.gbnf import parse
from edge_med.engine.llama.arrays import Floats
from edge_med.engine.llama.llama_vocabulary import LlamaVocabulary
from edge_med.errors import SchemaError

Read = tuple[str, bytes]
"""Whole characters, and the beginning of another."""


class Grammar:
    """What an answer may look like, and how much of it is written."""

    def __init__(self, vocabulary: LlamaVocabulary, text: str, root: str = "root") -> None:
        """Read a grammar in GBNF.

        Args:
            vocabulary: the vocabulary of the tokens that are judged.
            text: the text of the grammar.
            root: its rule for the whole answer.

        Raises:
            SchemaError: it can't be read, is too large, or may be read in too many ways.
        """
        self._vocabulary = vocabulary
        self._automaton = Automaton(parse(text, root))
        self._state = self._automaton.start
        self._begun = b""  # of a character

    @property
    def finished(self) -> bool:
        """Whether the answer may end here."""
        return self._state.accepting and not self._begun

    @property
    def closed(self) -> bool:
        """Whether it must end here."""
        return self.finished and not self._state.stacks

    def fits(self, token: int) -> bool:
        """Whether a token may come next; a control token never may, an end where it may end.

        Raises:
            SchemaError: the grammar may be read in too many ways.
        """
        if self._vocabulary.ends(token):
            return self.finished
        return self._after(token) is not None

    def accept(self, token: int) -> None:
        """Write a token down that fits; an end changes nothing.

        Raises:
            SchemaError: it doesn't fit.
        """
        if not self.fits(token):
            raise SchemaError("The answer doesn't fit its grammar.", "Ask without a grammar.")
        if not self._vocabulary.ends(token) and (after := self._after(token)):
            self._state, self._begun = after

    def mask(self, logits: Floats) -> Floats:
        """A copy of the logits [vocabulary] that has -inf for every token that doesn't fit.

        Raises:
            SchemaError: the grammar may be read in too many ways.
        """
        pieces = _pieces(self._vocabulary)
        fitting = self._odd(pieces) if self._begun else self._fitting(pieces)
        if self.finished:
            fitting = fitting + pieces.ends
        masked = np.full_like(logits, -np.inf)
        masked[fitting] = logits[fitting]
        return masked

    def _odd(self, pieces: _Pieces) -> list[int]:
        return [token for token in pieces.odd if self._after(token) is not None]

    def _fitting(self, pieces: _Pieces) -> list[int]:
        """Tokens that fit between two characters; kept, for states come again and again."""
        if self._state.fitting is None:
            found = self._odd(pieces)
            self._collect(pieces, self._state, (0, len(pieces.texts), 0), found)
            self._state.fitting = found
        return self._state.fitting

    def _collect(
        self, pieces: _Pieces, state: State, part: tuple[int, int, int], found: list[int]
    ) -> None:
        """Go through the texts from `low` to `high`, which begin with the same `depth` characters.

        They are sorted, so that only those are looked at that go on with a character that fits.
        """
        low, high, depth = part
        texts = pieces.texts
        while low < high and len(texts[low]) == depth:
            found.append(pieces.tokens[low])
            low += 1
        for first, last in self._automaton.following(state) if low < high else ():
            low = _at(texts, chr(first), low, high, depth)
            while low < high and (character := texts[low][depth]) <= chr(last):
                after = self._automaton.step(state, character)
                assert after is not None
                end = _after_all(texts, character, low, high, depth)
                self._collect(pieces, after, (low, end, depth + 1), found)
                low = end

    def _after(self, token: int) -> tuple[State, bytes] | None:
        """What is written after a token; None if it doesn't fit."""
        piece = written_piece(self._vocabulary, token)
        read = _read(self._begun + piece) if piece else None
        state = self._automaton.walk(self._state, read[0]) if read else None
        if read is None or state is None:
            return None
        return (state, read[1]) if self._could_end(state, read[1]) else None

    def _could_end(self, state: State, begun: bytes) -> bool:
        """Whether the beginning of a character, if there is one, is that of one that fits."""
        if not begun:
            return True
        first, last = _between(begun)
        return first <= last and any(
            low <= last and first <= high for low, high in self._automaton.following(state)
        )


class _Pieces:
    """The tokens of a vocabulary as texts.

    Attributes:
        texts: the texts of tokens of whole characters, sorted.
        tokens: their ids.
        odd: tokens that hold a part of a character.
        ends: tokens that end an answer.
    """

    def __init__(self, vocabulary: LlamaVocabulary) -> None:
        self.ends: list[int] = []
        self.odd: list[int] = []
        whole = []
        for token in range(vocabulary.size):
            if vocabulary.ends(token):
                self.ends.append(token)
            elif piece := written_piece(vocabulary, token):
                try:
                    whole.append((piece.decode(), token))
                except UnicodeDecodeError:
                    self.odd.append(token)
        whole.sort()
        self.texts = [text for text, _ in whole]
        self.tokens = [token for _, token in whole]


_PIECES: weakref.WeakKeyDictionary[LlamaVocabulary, _Pieces] = weakref.WeakKeyDictionary()


def _pieces(vocabulary: LlamaVocabulary) -> _Pieces:
    """Made when it is needed first, for it takes a second with Gemma's vocabulary."""
    if vocabulary not in _PIECES:
        _PIECES[vocabulary] = _Pieces(vocabulary)
    return _PIECES[vocabulary]


def written_piece(vocabulary: LlamaVocabulary, token: int) -> bytes:
    """What a token stands for; nothing if it is control, whatever type the file gives it."""
    piece = vocabulary.piece(token)
    return b"" if piece.startswith(b"<") and vocabulary.is_control(token) else piece


def _at(texts: list[str], character: str, low: int, high: int, depth: int) -> int:
    """Where the texts begin that have this character or a higher one at some depth."""
    if low < high and texts[low][depth] >= character:
        return low
    return bisect.bisect_left(texts, character, low + 1, high, key=lambda text: text[depth])


def _after_all(texts: list[str], character: str, low: int, high: int, depth: int) -> int:
    """Where the texts end that have this character at some depth; the first of them is at `low`."""
    if low + 1 == high or texts[low + 1][depth] != character:
        return low + 1
    return bisect.bisect_right(texts, character, low + 2, high, key=lambda text: text[depth])


def _read(data: bytes) -> Read | None:
    """UTF-8, whose last character may be unfinished; None if it is something else."""
    try:
        return data.decode(), b""
    except UnicodeDecodeError:
        decoder = codecs.getincrementaldecoder("utf-8")()
        try:
            return decoder.decode(data), decoder.getstate()[0]
        except UnicodeDecodeError:
            return None


@functools.cache
def _between(begun: bytes) -> tuple[int, int]:
    """The first and the last code point that begin with some bytes (RFC 3629, sections 3 and 4)."""
    size = 2 + (begun[0] >= 0xE0) + (begun[0] >= 0xF0)
    value = begun[0] & (0xFF >> (size + 1))
    for byte in begun[1:]:
        value = value << 6 | byte & 0x3F
    bits = 6 * (size - len(begun))
    highest = 0xD7FF if begun[0] == 0xED else HIGHEST  # after it come halves of pairs
    return max(value << bits, _SHORTEST[size]), min(((value + 1) << bits) - 1, highest)


_SHORTEST = {2: 0x80, 3: 0x800, 4: 0x10000}
"""The first code point that takes so many bytes."""
