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
from edge_med.engine.load_plan import LoadPlan, plan_load
from edge_med.engine.prompt import compose
from edge_med.engine.service.ending import fault_of
from edge_med.engine.service.inbox import Inbox
from edge_med.engine.service.protocol import (
    CountRequest,
    EngineClosed,
    EngineOpened,
    EngineRefused,
    EngineSpec,
    EngineStatus,
    FromEngine,
    Reply,
    Request,
    RequestAnswered,
    RequestBegun,
    RequestFailed,
    Submit,
    ToEngine,
    TokenIds,
    TokenizeRequest,
)
from edge_med.engine.service.pulse import Pulse
from edge_med.engine.tasks.answer_notices import ModelIdentity
from edge_med.engine.tasks.generate import GenerateRequest, GenerateTask
from edge_med.engine.tasks.raw_generate import ContinueRequest, RawGenerate
from edge_med.engine.tasks.score import ScoreRequest, ScoreTask
from edge_med.errors import CancelledError, EdgeMedError
from edge_med.question import Question

Deliver = Callable[[FromEngine], None]
Emit = Callable[[Reply], None]


def serve(
    spec: EngineSpec,
    arrivals: queue.SimpleQueue[ToEngine],
    deliver: Deliver,
    pulse: Pulse | None = None,
) -> None:
    """Decide where a model goes, open it, and answer until there is a `Close`.

    Args:
        spec: what is loaded.
        arrivals: requests, and what becomes of them.
        deliver: takes `EngineOpened` or `EngineRefused`, replies, and `EngineClosed` at the end.
        pulse: beats at every step.
    """
    try:
        planned = plan_load(spec.subject, spec.options, [adapter.lora for adapter in spec.adapters])
        engine = _engine(spec, planned)
    except BaseException as error:  # noqa: BLE001 - it belongs to whoever called for the engine
        deliver(EngineRefused(error))
        return
    try:
        host = Host(engine, spec.identity, Inbox(arrivals), deliver, pulse or Pulse())
        host.run(planned)
    finally:
        try:
            deliver(EngineClosed())
        finally:
            engine.close()


def _engine(spec: EngineSpec, planned: LoadPlan) -> Engine:
    return Engine(
        spec.text,
        spec.projector,
        planned.options,
        {adapter.name: adapter.path for adapter in spec.adapters},
        header=spec.subject.text,
        placements=planned.placements,
        notices=(*spec.notices, *planned.notices),
    )


class Host:
    """An opened engine that works off an inbox."""

    def __init__(
        self,
        engine: Engine,
        identity: ModelIdentity,
        inbox: Inbox,
        deliver: Deliver,
        pulse: Pulse,
    ) -> None:
        """For an engine that nobody else uses."""
        self._engine, self._identity, self._inbox = engine, identity, inbox
        self._deliver, self._driver, self._pulse = deliver, Driver(engine), pulse
        self._status = EngineStatus(engine.options, engine.usage)

    def run(self, planned: LoadPlan) -> None:
        """Answer what comes until the inbox is closed."""
        self._pulse.rest()
        self._deliver(EngineOpened(self._status, planned.plan, planned.cpu_code))
        while (submitted := self._inbox.take()) is not None:
            self._pulse.beat()
            self._answer(submitted)
            self._pulse.rest()
            del submitted  # its pictures go while we wait

    def _answer(self, submitted: Submit) -> None:
        def emit(reply: Reply) -> None:
            self._pulse.beat()
            self._deliver(RequestAnswered(submitted.number, reply, self._new_status()))

        def stop() -> bool:
            self._pulse.beat()
            return self._inbox.is_cancelled(submitted.call)

        self._deliver(RequestBegun(submitted.number))
        try:
            self._work(submitted.request, emit, stop)
        except EdgeMedError as error:
            emit(RequestFailed(error))
        except Exception as error:  # noqa: BLE001 - the engine must live on for the next request
            emit(RequestFailed(fault_of(error)))

    def _work(self, request: Request, emit: Emit, stop: Stop) -> None:
        engine, identity = self._engine, self._identity
        match request:
            case GenerateRequest():
                self._driver.run(GenerateTask(engine, identity, request, emit), stop, emit)
            case ScoreRequest():
                self._driver.run(ScoreTask(engine, identity, request, emit), stop)
            case ContinueRequest():
                self._driver.run(RawGenerate(engine.model.vocabulary, request, emit), stop)
            case TokenizeRequest(text):
                emit(TokenIds(tuple(engine.model.vocabulary.tokenize(text))))
            case CountRequest(question):
                emit(count(engine, identity, question, stop))

    def _new_status(self) -> EngineStatus | None:
        """How things are, if that has changed since the last reply."""
        engine = self._engine
        found = EngineStatus(engine.options, engine.usage)
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
