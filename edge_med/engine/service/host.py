"""The engine's side of the service: it owns an opened engine, and answers what comes in order."""

from __future__ import annotations

import queue
from collections.abc import Callable

from edge_med.answers import Tokens
from edge_med.engine.cache.ledger import ImageBlock, length
from edge_med.engine.decode.thinking import instructed
from edge_med.engine.driver import Driver
from edge_med.engine.engine import Engine
from edge_med.engine.grammar.response_format import ResponseFormat
from edge_med.engine.llama.context import Stop
from edge_med.engine.prompt import compose
from edge_med.engine.service.inbox import Inbox
from edge_med.engine.service.protocol import (
    Answered,
    Closed,
    CountRequest,
    EngineSpec,
    EngineStatus,
    Failed,
    FromEngine,
    Opened,
    Refused,
    Reply,
    Request,
    Submit,
    ToEngine,
)
from edge_med.engine.tasks.generate import GenerateRequest, GenerateTask, ModelIdentity
from edge_med.engine.tasks.raw_generate import ContinueRequest, RawGenerate
from edge_med.engine.tasks.score import ScoreRequest, ScoreTask
from edge_med.errors import CancelledError, EdgeMedError, EngineError
from edge_med.question import Question

Deliver = Callable[[FromEngine], bool]
"""Says whether anybody wants more of such messages."""
Emit = Callable[[Reply], None]


def serve(spec: EngineSpec, arrivals: queue.SimpleQueue[ToEngine], deliver: Deliver) -> None:
    """Open a model, and answer until there is a `Close`.

    Args:
        spec: what is opened.
        arrivals: requests, and what becomes of them.
        deliver: takes `Opened` or `Refused`, replies, and `Closed` at the end.
    """
    try:
        engine = _engine(spec)
    except BaseException as error:  # noqa: BLE001 - it belongs to whoever called for the engine
        deliver(Refused(error))
        return
    try:
        Host(engine, spec.identity, Inbox(arrivals), deliver).run()
    finally:
        try:
            deliver(Closed())
        finally:
            engine.close()


def _engine(spec: EngineSpec) -> Engine:
    return Engine(
        spec.text,
        spec.projector,
        spec.options,
        spec.adapters,
        header=spec.header,
        placements=spec.placements,
        notices=spec.notices,
    )


class Host:
    """An opened engine that works off an inbox."""

    def __init__(
        self, engine: Engine, identity: ModelIdentity, inbox: Inbox, deliver: Deliver
    ) -> None:
        """For an engine that nobody else uses."""
        self._engine, self._identity, self._inbox = engine, identity, inbox
        self._deliver, self._driver = deliver, Driver(engine)
        self._status: EngineStatus | None = None

    def run(self) -> None:
        """Answer what comes until the inbox is closed."""
        self._deliver(Opened(self._new_status() or EngineStatus(self._engine.options)))
        while (submitted := self._inbox.take()) is not None:
            self._answer(submitted)
            del submitted  # its pictures go while we wait

    def _answer(self, submitted: Submit) -> None:
        def emit(reply: Reply) -> None:
            if not self._deliver(Answered(submitted.number, reply, self._new_status())):
                self._inbox.cancel(submitted.call)

        def stop() -> bool:
            return self._inbox.is_cancelled(submitted.call)

        try:
            self._work(submitted.request, emit, stop)
        except EdgeMedError as error:
            emit(Failed(error))
        except Exception as error:  # noqa: BLE001 - the engine must live on for the next request
            fault = EngineError(
                f"This is a fault of edge-med: {type(error).__name__}.", "Please report it."
            )
            fault.__cause__ = error
            emit(Failed(fault))

    def _work(self, request: Request, emit: Emit, stop: Stop) -> None:
        engine, identity = self._engine, self._identity
        match request:
            case GenerateRequest():
                self._driver.run(GenerateTask(engine, identity, request, emit), stop, emit)
            case ScoreRequest():
                context, size = engine.options.context, identity.image_tokens
                task = ScoreTask(engine.model, request, emit, context=context, image_tokens=size)
                self._driver.run(task, stop)
            case ContinueRequest():
                self._driver.run(RawGenerate(engine.model.vocabulary, request, emit), stop)
            case CountRequest(question):
                emit(count(engine, identity, question, stop))

    def _new_status(self) -> EngineStatus | None:
        """How things are, if that has changed since the last reply."""
        engine = self._engine
        found = EngineStatus(engine.options, engine.placed)
        if found == self._status:
            return None
        self._status = found
        return found


def count(engine: Engine, identity: ModelIdentity, question: Question, stop: Stop) -> Tokens:
    """How many tokens a question has, with the instructions that its options add.

    Raises:
        PromptError: the messages make no conversation.
        CancelledError: nobody wants to know any more.
    """
    if stop():
        raise CancelledError("Stopped before the tokens were counted.", "Ask again.")
    messages = instructed(question.messages, question.options)
    shown = ResponseFormat(question.options).shown(messages)
    items = compose(engine.model, shown, identity.image_tokens)
    images = [item for item in items if isinstance(item, ImageBlock)]
    return Tokens(length(items), length(images))
