"""Notice an answer that has begun to repeat itself and won't stop.

A model that repeats a sentence makes it more probable with each repetition (Xu et al., Learning to
Break the Loop, NeurIPS 2022, arXiv:2206.02369), so what has come four times in a row will come
again; in human text two sentences in a row are alike in 0.02 % of cases (same paper). Findings that
come several times, as the rows of a table do, differ in a number or a name, and one differing token
starts the count again.
"""

from __future__ import annotations

from collections.abc import Container

import numpy as np

LONGEST_PERIOD = 128
"""Tokens; a box with its label has 30 to 40 (Gemma gives every digit a token), a paragraph 100."""

TIMES = 4
"""How often a period must stand there, one after the other."""

SHORTEST_LOOP = 128
"""Tokens that a loop has, however short its period: 16 equal rows of eight tokens are a table."""

UNUSED_RUN = 8
"""`<unusedNN>` tokens in a row; MedGemma writes one on purpose only around its thoughts."""

_BUFFER = 32 * LONGEST_PERIOD
"""Tokens kept; when they are full the last period moves to the front, once in 3,968 tokens."""

_NO_TOKEN = -1


class LoopDetector:
    """Says when an answer repeats itself, from its tokens alone.

    A loop is a tail that has a period of 1 to 128 tokens, holds it four times, and is no shorter
    than 128 tokens; or eight tokens in a row out of `unused`.
    """

    def __init__(self, unused: Container[int] = frozenset()) -> None:
        periods = np.arange(LONGEST_PERIOD, 0, -1)  # as the last tokens lie: the oldest first
        self._needed = np.maximum(TIMES * periods, SHORTEST_LOOP) - periods
        self._equal = np.zeros(LONGEST_PERIOD, dtype=np.int64)
        self._tokens = np.full(_BUFFER, _NO_TOKEN, dtype=np.int64)
        self._end = LONGEST_PERIOD
        self._unused = unused
        self._unused_run = 0

    def add(self, token: int) -> bool:
        """Take the next token; true if the answer repeats itself."""
        self._unused_run = self._unused_run + 1 if token in self._unused else 0
        last = self._tokens[self._end - LONGEST_PERIOD : self._end]
        self._equal += 1
        self._equal *= last == token
        self._append(token)
        return self._unused_run >= UNUSED_RUN or bool((self._equal >= self._needed).any())

    def _append(self, token: int) -> None:
        if self._end == _BUFFER:
            self._tokens[:LONGEST_PERIOD] = self._tokens[-LONGEST_PERIOD:]
            self._end = LONGEST_PERIOD
        self._tokens[self._end] = token
        self._end += 1
