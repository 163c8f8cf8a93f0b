"""The callers' side of the service: calls from any thread, and what comes back to each."""

from __future__ import annotations

import functools
import itertools
import os
import queue
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass

from edge_med import _platform
from edge_med.answers import End, Event, Notice, Score, Tokens
from edge_med.engine.service import thread
from edge_med.engine.service.connection import Connection
from edge_med.engine.service.link import Start
from edge_med.engine.service.pending import Sink
from edge_med.engine.service.protocol import (
    Cancel,
    CountRequest,
    EngineOpened,
    EngineSpec,
    EngineStatus,
    Leave,
    Reply,
    Request,
    RequestFailed,
    Submit,
    TokenIds,
    TokenizeRequest,
)
from edge_med.engine.tasks.generate import GenerateRequest
from edge_med.engine.tasks.raw_generate import ContinueRequest, RawEnd, RawToken
from edge_med.engine.tasks.score import ScoreRequest
from edge_med.errors import SchemaError, UsageError
from edge_med.library.integrity import Watch


@dataclass(frozen=True, slots=True)
class Call:
    """A call of one request or of several, which ends as a whole."""

    number: int


class Client:
    """A loaded model, behind a transport; all methods may be called in any thread.

    Attributes:
        watch: the watch over the model's files, if there is one; it begins with the first answer.
        connection: the engine, and who waits for its replies.
    """

    watch: Watch | None = None

    def __init__(self, spec: EngineSpec, start: Start = thread.start) -> None:
        """Start the engine, and wait until everything is open.

        Args:
            spec: what is loaded, and how.
            start: starts the transport.

        Raises:
            EdgeMedError: a file is damaged, memory is short, or llama.cpp can't load it.
            OSError: the transport can't be started here.
        """
        self._lock = threading.RLock()  # signal handlers run amid a thread that is just in here
        self._calls: set[int] = set()
        self._numbers = itertools.count(1)
        self._maker = os.getpid()
        self.connection = Connection(spec, start)
        self._end = weakref.finalize(self, _end, self.connection, self._maker)
        self.opened: EngineOpened = self.connection.open()

    @property
    def status(self) -> EngineStatus:
        """How the model is loaded, as of the last reply."""
        return self.connection.status

    @property
    def starts(self) -> int:
        """Engines that were started: one more after each crash."""
        return self.connection.starts

    @property
    def alive(self) -> bool:
        """Whether a request would be sent at once, and no engine started anew before."""
        return self.connection.alive

    @property
    def calls(self) -> int:
        """Calls that have begun and not ended."""
        with self._lock:
            return len(self._calls)

    def restart(self) -> None:
        """Start the engine anew, if it has crashed; errors are those of `submit`."""
        self.connection.restart()

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
            self.connection.send(Leave(call.number))

    def submit(self, request: Request, sink: Sink, call: Call) -> int:
        """Queue a request; returns its number, to be given to `forget`.

        Args:
            request: the request.
            sink: called with every reply, in a thread of the engine's.
            call: the call that it belongs to.

        Raises:
            UsageError: the model was closed.
            ArtifactError: a file of the model isn't what it was.
            EngineError: the engine can't be started, or this request has ended it twice.
        """
        number = next(self._numbers)
        if self.watch is not None and not isinstance(request, CountRequest | TokenizeRequest):
            self.watch.refuse()
            self.watch.begin()
            sink = functools.partial(_marking, self.watch, sink)
        self.connection.submit(Submit(number, call.number, request), sink)
        return number

    def forget(self, number: int) -> None:
        """Take no more replies to a request."""
        self.connection.forget(number)

    def events(self, request: GenerateRequest, call: Call | None = None) -> Iterator[Event]:
        """Queue a request once the first event is wanted, and yield its events.

        Args:
            request: the request.
            call: the call that it is a part of; else one of its own, which ends with the iteration.

        Raises:
            EdgeMedError: the request failed.
        """
        for reply in self._replies(request, call):
            event = event_of(reply)
            yield event
            if isinstance(event, End):
                return

    def reply(
        self, request: CountRequest | ScoreRequest | TokenizeRequest, call: Call | None = None
    ) -> Tokens | Score | TokenIds:
        """Queue a request that has one reply, and wait; arguments and errors are as in `events`."""
        reply = next(self._replies(request, call))
        if isinstance(reply, RequestFailed):
            raise reply.error
        assert isinstance(reply, Tokens | Score | TokenIds)
        return reply

    def ids(self, request: ContinueRequest) -> Iterator[int]:
        """Queue a request once the first token is wanted, and yield tokens; errors as in `events`.

        Leaving the iteration ends it.
        """
        for reply in self._replies(request, None):
            if isinstance(reply, RequestFailed):
                raise reply.error
            if not isinstance(reply, RawToken):
                return
            yield reply.id

    def cancel(self) -> bool:
        """End every call that has begun in this process; says whether there was one."""
        if os.getpid() != self._maker:
            return False
        with self._lock:  # so that none is cancelled after it was left
            calls = list(self._calls)
            for call in calls:
                self.connection.send(Cancel(call))
        return bool(calls)

    def close(self) -> None:
        """Cancel everything and free everything; harmless when done twice."""
        if self.watch is not None:
            self.watch.stop()
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


def _marking(watch: Watch, sink: Sink, reply: Reply) -> None:
    """Pass a reply on; an answer with what is known of the files by now, after notices about that.

    A score has nothing before it.
    """
    notices: list[Notice] = []
    if (
        isinstance(reply, RequestFailed)
        and isinstance(reply.error, SchemaError)
        and reply.error.answer
    ):
        reply.error.answer, notices = watch.marked(reply.error.answer)
    elif isinstance(reply, End):
        answer, notices = watch.marked(reply.answer)
        reply = End(answer)
    elif isinstance(reply, Score):
        reply, _ = watch.marked(reply)
    for notice in notices:
        sink(notice)
    sink(reply)


def event_of(reply: Reply) -> Event:
    """A reply of a request that is answered by events.

    Raises:
        EdgeMedError: the request failed.
    """
    if isinstance(reply, RequestFailed):
        raise reply.error
    assert not isinstance(reply, Tokens | Score | TokenIds | RawToken | RawEnd)
    return reply


def _end(connection: Connection, maker: int) -> None:
    if os.getpid() == maker:  # of a forked program the engine, and maybe a lock, is the other's
        connection.close()
