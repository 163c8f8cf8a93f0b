"""Continuations of conversations, and what transformers thinks of each of their tokens.

Made by `python -m scripts.make_golden_scores`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from devtools import GOLDEN
from devtools.tie_rule import Step
from edge_med.answers import Score
from edge_med.imaging import Fit

PATH = GOLDEN / "scores.json"

CHECKPOINT = "plain"
"""Of devtools.golden.numbers: it takes turns, and sees."""


@dataclass(frozen=True, slots=True)
class Case:
    """A continuation to be scored.

    Attributes:
        conversation: its name in devtools.golden.conversations.
        continuation: what the model might go on with.
        pictures: their names in devtools.golden.numbers, one for each of the conversation's places.
    """

    conversation: str
    continuation: str
    pictures: tuple[str, ...] = ()
    fit: Fit = "pad"


SEEN = "the heart is not enlarged there is no effusion"
LONG = " ".join([SEEN, "the left lung is clear the answer is pneumonia"] * 3)
"""More tokens than one call gives logits of."""

CASES = {
    "text": Case("a question", SEEN),
    "several turns": Case("system text and three turns", LONG),
    "one token": Case("two turns", "the"),
    "after a begun answer": Case("a begun answer", " enlarged"),
    "white space": Case("a question as a part", "\n\n  a\tb \n"),
    "Chinese": Case("Chinese", "右下肺有阴影", ("disc",)),
    "image": Case("image first", LONG, ("disc",)),
    "image last": Case("text first", SEEN, ("bar",)),
    "three images": Case("three images with their names", SEEN, ("bar", "disc", "cross")),
    "image of an earlier turn": Case("images in the first and third turn", SEEN, ("cross", "disc")),
    "stretched": Case("image first", SEEN, ("wide",), fit="stretch"),
}


@dataclass(frozen=True, slots=True)
class Thought:
    """What the reference thought of a continuation.

    Attributes:
        ids: of its tokens.
        logprobs: of each of them.
        steps: the best tokens of each position.
    """

    ids: tuple[int, ...]
    logprobs: tuple[float, ...]
    steps: tuple[Step, ...]


def thoughts() -> dict[str, Thought]:
    """All cases."""
    stored = json.loads(PATH.read_text("utf-8"))["runs"]
    return {
        name: Thought(
            tuple(run["ids"]),
            tuple(run["logprobs"]),
            tuple(Step(tuple(ids), tuple(logprobs)) for ids, logprobs in run["steps"]),
        )
        for name, run in stored.items()
    }


def rows(score: Score, size: int) -> list[npt.NDArray[np.float32]]:
    """A score's log-probabilities by position; what it doesn't tell of counts as impossible.

    Args:
        score: with `top` of each position.
        size: of the vocabulary.
    """
    found = np.full((len(score.tokens), size), -np.inf, np.float32)
    for row, token in zip(found, score.tokens, strict=True):
        row[[one.id for one in token.top]] = [one.logprob for one in token.top]
    return list(found)
