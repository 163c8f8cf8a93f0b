"""Ask an engine without its thread, and look at what it emits."""

from __future__ import annotations

from collections.abc import Callable

from edge_med.answers import Answer, End, Event, Piece
from edge_med.config import Options
from edge_med.engine.driver import Driver
from edge_med.engine.engine import Engine
from edge_med.engine.tasks.answer_notices import ModelIdentity
from edge_med.engine.tasks.generate import GenerateRequest, GenerateTask
from edge_med.messages import Message, TextPart
from edge_med.question import Question

IDENTITY = ModelIdentity("0" * 64, None, "F32", 4)
QUESTION = (Message("user", (TextPart("the heart is not enlarged"),)),)

Script = Callable[[list[int]], None]


def ask(
    engine: Engine,
    options: Options | None = None,
    stop: Callable[[], bool] = lambda: False,
    messages: tuple[Message, ...] = QUESTION,
) -> list[Event]:
    events: list[Event] = []
    answer(engine, GenerateRequest(Question(messages, options or Options())), events.append, stop)
    return events


def answer(
    engine: Engine,
    asked: GenerateRequest,
    emit: Callable[[Event], None],
    stop: Callable[[], bool] = lambda: False,
    identity: ModelIdentity = IDENTITY,
) -> None:
    """Answer as the service does."""
    Driver(engine).run(GenerateTask(engine, identity, asked, emit), stop, emit)


def ended(events: list[Event]) -> Answer:
    """The answer of the last event; the pieces before it are its text."""
    last = events[-1]
    assert isinstance(last, End)
    pieces = [event for event in events if isinstance(event, Piece)]
    assert "".join(p.text for p in pieces if p.kind == "answer") == last.answer.text
    assert "".join(p.text for p in pieces if p.kind == "thought") == (last.answer.thought or "")
    return last.answer
