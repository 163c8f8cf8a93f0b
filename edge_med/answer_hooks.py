"""Hooks for answers: a program gets figures of each answer at its end."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from edge_med.answers import Answer, End, Event, FinishReason, Timings, Usage
from edge_med.engine.service.client import Call
from edge_med.engine.tasks.generate import GenerateRequest
from edge_med.protocols import Service
from edge_med.question import Question

LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Measured:
    """The figures of an answer that has ended; no text of question or answer.

    Attributes:
        seconds: time from the call to the end of the answer, by the caller's clock.
        finish_reason: why it ended; None if it failed or was left.
        usage: tokens; None if it failed or was left.
        timings: seconds, with those that it waited for others; None likewise.
        error: the name of the error's class; None if it didn't fail.
    """

    seconds: float
    finish_reason: FinishReason | None = None
    usage: Usage | None = None
    timings: Timings | None = None
    error: str | None = None


Hook = Callable[[Measured], None]


def answering(
    service: Service, question: Question, hook: Hook | None, call: Call | None = None
) -> Iterator[Event]:
    """Ask once the first event is wanted, and yield the events of the answer.

    Args:
        service: service that answers.
        question: question to answer.
        hook: function that is called with the figures, in the thread that takes the events.
        call: call that the request belongs to; by default a new one, which ends with the iteration.

    Raises:
        EdgeMedError: the request failed.
    """
    with measuring(hook) as note:
        for event in service.events(GenerateRequest(question), call):
            note(event)
            yield event


@contextmanager
def measuring(hook: Hook | None) -> Iterator[Callable[[Event], None]]:
    """Measure an answer whose events are noted in the block, and call a hook at its end.

    What a hook raises is logged: it doesn't concern whoever has asked.
    """
    began, answers = time.monotonic(), list[Answer]()
    error: str | None = None

    def note(event: Event) -> None:
        if isinstance(event, End):
            answers.append(event.answer)

    try:
        yield note
    except GeneratorExit:  # it was left
        raise
    except BaseException as failure:
        error = type(failure).__name__
        raise
    finally:
        if hook is not None:
            _call(hook, _measured(time.monotonic() - began, answers, error))


def _measured(seconds: float, answers: list[Answer], error: str | None) -> Measured:
    if not answers:
        return Measured(seconds, error=error)
    (answer,) = answers
    return Measured(seconds, answer.finish_reason, answer.usage, answer.timings, error)


def _call(hook: Hook, measured: Measured) -> None:
    try:
        hook(measured)
    except Exception:
        LOGGER.exception("The hook for answers has failed.")
