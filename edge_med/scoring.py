"""Scores of texts by a loaded model: their probability, and the best of several."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from edge_med.answers import Choice, Score
from edge_med.config import is_whole
from edge_med.engine.service.client import Call
from edge_med.engine.tasks.score import ScoreRequest
from edge_med.errors import PromptError, UsageError
from edge_med.protocols import Service
from edge_med.question import Question

MOST_CANDIDATES = 1000
"""As for `Options.logprobs`."""


def score(
    service: Service, question: Question, continuation: str, top: int = 0, call: Call | None = None
) -> Score:
    """How probable a continuation is after a question; `MedGemma.score` has the rules.

    Args:
        service: service that computes the score.
        question: question, with its adapters.
        continuation: a text of one token or more.
        top: number of most probable tokens that are returned for each position.
        call: call that the request belongs to; by default a new one.

    Raises:
        UsageError: `top` is out of range.
        PromptError: the continuation is no text or empty.
        EdgeMedError: whatever the service raises.
    """
    check_top(top)
    if not isinstance(continuation, str):
        raise PromptError("The continuation isn't a text.", "Give a text, such as ' yes'.")
    reply = service.reply(ScoreRequest(question, continuation, top), call)
    assert isinstance(reply, Score)
    return reply


def check_top(top: Any) -> None:
    """Refuse a number of candidates that can't be had.

    Raises:
        UsageError: it is out of range.
    """
    if not (is_whole(top) and 0 <= top <= MOST_CANDIDATES):
        raise UsageError(f"top is {top!r}.", f"It is a whole number from 0 to {MOST_CANDIDATES}.")


def texts(options: object) -> tuple[Any, ...]:
    """The options of a choice.

    Raises:
        PromptError: there are fewer than two.
    """
    given = tuple(options) if isinstance(options, Iterable) and not isinstance(options, str) else ()
    if len(given) < 2:
        raise PromptError("There are fewer than two options.", "Give two options or more.")
    return given


def choose(
    service: Service, question: Question, options: Sequence[str], *, by_length: bool
) -> Choice:
    """The most probable of several continuations; the question is read once.

    Args:
        service: service that computes the scores.
        question: question, with its adapters.
        options: two or more texts.
        by_length: whether sums are divided by characters.

    Raises:
        EdgeMedError: whatever `score` raises.
    """
    with service.cancellable() as call:
        scores = tuple(score(service, question, option, 0, call) for option in options)
    return _choice(tuple(options), scores, by_length=by_length)


def _choice(options: tuple[str, ...], scores: tuple[Score, ...], *, by_length: bool) -> Choice:
    lengths = [len(option) if by_length else 1 for option in options]
    values = [score.logprob / length for score, length in zip(scores, lengths, strict=True)]
    best = max(values)
    weights = [math.exp(value - best) for value in values]
    total = math.fsum(weights)
    index = values.index(best)
    return Choice(index, options[index], tuple(weight / total for weight in weights), scores)
