"""The callers' side of the service: calls from any thread, and what comes back to each."""

from __future__ import annotations

import itertools
import os
import queue
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass

from edge_med import _platform
from edge_med.answers import End, Event, Score, Tokens
from edge_med.engine.service import thread
from edge_med.engine.service.protocol import (
    Answered,
    Cancel,
    Close,
    Closed,
    CountRequest,
    EngineSpec,
    EngineStatus,
    Failed,
    FromEngine,
    Leave,
    Opened,
    Refused,
    Reply,
    Request,
    Submit,
    ToEngine,
)
from edge_med.engine.tasks.generate import GenerateRequest
from edge_med.engine.tasks.raw_generate import Chosen, ContinueRequest, Ended
from edge_med.engine.tasks.score import ScoreRequest
from edge_med.errors import EngineError, UsageError

Sink = Callable[[Reply], None]


@dataclass(frozen=True, slots=True)
class Call:
    """A call of one request or of several, which ends as a whole."""

    number: int


class Mailbox:
    """Where the engine's messages arrive, and who waits for which."""

    def __init__(self, options: EngineStatus) -> None:
        self.status = options
        self.opened: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()
        self._sinks: dict[int, Sink] = {}
        self.closed = False

    def expect(self, number: int, sink: Sink) -> None:
        """Give a sink the replies to a request."""
        self._sinks[number] = sink
        if self.closed:
            self._fail_all()

    def forget(self, number: int) -> None:
        """Nobody waits for the replies to a request any more."""
        self._sinks.pop(number, None)

    def deliver(self, message: FromEngine) -> bool:
        """Take a message, in the engine's thread; false if nobody wants such any more."""
        match message:
            case Opened(status):
                self.status = status
                self.opened.put(None)
            case Refused(error):
                self.opened.put(error)
            case Answered(number, reply, status):
                self.status = status or self.status  # first, for whoever looks there then
                return self._pass_on(number, reply)
            case Closed():
                self.closed = True
                self.opened.put(_ended())
                self._fail_all()
        return True

    def _pass_on(self, number: int, reply: Reply) -> bool:
        sink = self._sinks.get(number)
        if sink is None:
            return False
        try:
            sink(reply)
        except BaseException:  # noqa: BLE001 - it has nobody behind it; the others must have theirs
            return False
        return True

    def _fail_all(self) -> None:
        for number in list(self._sinks):
            self._pass_on(number, Failed(_ended()))
            self.forget(number)


class Client:
    """A loaded model, behind a transport; all methods may be called in any thread."""

    def __init__(self, spec: EngineSpec, start: thread.Start = thread.start) -> None:
        """Start the engine, and wait until everything is open.

        Args:
            spec: what is opened, and how.
            start: of the transport.

        Raises:
            ArtifactError: a file is damaged or of another kind.
            EngineError: llama.cpp can't load it.
        """
        self._mailbox = Mailbox(EngineStatus(spec.options))
        self._lock = threading.RLock()  # signal handlers run amid a thread that is just in here
        self._calls: set[int] = set()
        self._numbers = itertools.count(1)
        self._maker = os.getpid()
        self._closed = False
        self._send, join = start(spec, self._mailbox.deliver)
        self._end = weakref.finalize(self, _end, self._send, join, self._maker)
        try:
            error = self._mailbox.opened.get()
        except BaseException:  # Ctrl-C: what is being opened is freed once it is open
            self._send(Close())
            raise
        if error is not None:
            self._end()
            raise error

    @property
    def status(self) -> EngineStatus:
        """How the model is loaded, as of the last reply."""
        return self._mailbox.status

    @contextmanager
    def cancellable(self) -> Iterator[Call]:
        """A call, which `cancel` ends; so does leaving the block.

        Raises:
            UsageError: this process was forked from the one that has loaded the model.
        """
        self._check_process()
        call = Call(next(self._numbers))
        with self._lock:
            self._calls.add(call.number)
        try:
            yield call
        finally:
            with self._lock:
                self._calls.discard(call.number)
            self._send(Leave(call.number))

    def submit(self, request: Request, sink: Sink, call: Call) -> int:
        """Queue a request; returns its number, to be given to `forget`.

        Args:
            request: what is wanted.
            sink: called with every reply, in the engine's thread.
            call: that it belongs to.

        Raises:
            UsageError: the model was closed.
            EngineError: the engine has ended.
        """
        number = next(self._numbers)
        with self._lock:
            if self._closed:
                raise UsageError("The model was closed.", "Load it again.")
            if self._mailbox.closed:
                raise _ended()
            self._mailbox.expect(number, sink)
            self._send(Submit(number, call.number, request))
        return number

    def forget(self, number: int) -> None:
        """Take no more replies to a request."""
        self._mailbox.forget(number)

    def events(self, request: GenerateRequest, call: Call | None = None) -> Iterator[Event]:
        """Queue a request once the first event is wanted, and yield its events.

        Args:
            request: what is wanted.
            call: that it is a part of; else one of its own, which ends when the iteration is left.

        Raises:
            EdgeMedError: the request failed.
        """
        for reply in self._replies(request, call):
            event = event_of(reply)
            yield event
            if isinstance(event, End):
                return

    def reply(
        self, request: CountRequest | ScoreRequest, call: Call | None = None
    ) -> Tokens | Score:
        """Queue a request that has one reply, and wait; arguments and errors are as in `events`."""
        reply = next(self._replies(request, call))
        if isinstance(reply, Failed):
            raise reply.error
        assert isinstance(reply, Tokens | Score)
        return reply

    def ids(self, request: ContinueRequest) -> Iterator[int]:
        """Queue a request once the first token is wanted, and yield tokens; errors as in `events`.

        Leaving the iteration ends it.
        """
        for reply in self._replies(request, None):
            if isinstance(reply, Failed):
                raise reply.error
            if not isinstance(reply, Chosen):
                return
            yield reply.id

    def cancel(self) -> bool:
        """End every call that has begun in this process; says whether there was one."""
        if os.getpid() != self._maker:
            return False
        with self._lock:  # so that none is cancelled after it was left
            calls = list(self._calls)
            for call in calls:
                self._send(Cancel(call))
        return bool(calls)

    def close(self) -> None:
        """Cancel everything and free everything; harmless when done twice."""
        with self._lock:
            self._closed = True
        self._end()

    def _check_process(self) -> None:
        if os.getpid() != self._maker:
            raise UsageError(
                "The model was loaded in another process, from which this one was forked.",
                "Load it in each process, after the fork; gunicorn does so without --preload.",
            )

    def _replies(self, request: Request, call: Call | None) -> Iterator[Reply]:
        replies: queue.SimpleQueue[Reply] = queue.SimpleQueue()
        with nullcontext(call) if call is not None else self.cancellable() as mine:
            number = 0
            try:
                number = self.submit(request, replies.put, mine)
                while True:
                    self._check_process()
                    try:
                        yield replies.get(timeout=_platform.PATIENCE)
                    except queue.Empty:
                        continue
            finally:
                self.forget(number)


def event_of(reply: Reply) -> Event:
    """A reply of a request that is answered by events.

    Raises:
        EdgeMedError: the request failed.
    """
    if isinstance(reply, Failed):
        raise reply.error
    assert not isinstance(reply, Tokens | Score | Chosen | Ended)
    return reply


def _end(send: Callable[[ToEngine], None], join: Callable[[], None], maker: int) -> None:
    if os.getpid() == maker:  # of a forked program the thread, and maybe a lock, is the other's
        send(Close())
        join()


def _ended() -> EngineError:
    return EngineError("The engine has ended.", "Load the model again.")
