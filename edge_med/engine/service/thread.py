"""The engine thread: it alone touches llama.cpp; everybody else sends requests and gets replies.

Requests and replies are plain values that can be pickled, so that the thread can become a process.
"""

from __future__ import annotations

import os
import queue
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from edge_med.answers import End, Event, Notice, Score, Tokens
from edge_med.artifacts.gguf import Header
from edge_med.config import LoadOptions, Options
from edge_med.engine.cache.ledger import ImageBlock, length
from edge_med.engine.decode.thinking import instructed
from edge_med.engine.engine import Engine
from edge_med.engine.grammar.response_format import Structure
from edge_med.engine.prompt import compose
from edge_med.engine.service.inbox import Cancellation, Inbox
from edge_med.engine.tasks.generate import Source, answer
from edge_med.engine.tasks.raw_generate import Chosen, Continue, Ended, continue_prompt
from edge_med.engine.tasks.score import score
from edge_med.errors import CancelledError, EdgeMedError, EngineError, UsageError
from edge_med.messages import Message
from edge_med.models.shares import Placed, Placement


@dataclass(frozen=True, slots=True)
class Files:
    """What is opened, how, and where; arguments as `Engine`'s, and `source` goes into answers."""

    text: Path
    projector: Path | None
    source: Source
    options: LoadOptions
    adapters: Mapping[str, Path] = field(default_factory=dict)
    header: Header | None = None
    placements: tuple[Placement, ...] = ()
    notices: tuple[Notice, ...] = ()


@dataclass(frozen=True, slots=True)
class Ask:
    """Answer a conversation: replies are events, up to `End`."""

    messages: tuple[Message, ...]
    options: Options


@dataclass(frozen=True, slots=True)
class Count:
    """Count a conversation's tokens: the reply is `Tokens`."""

    messages: tuple[Message, ...]
    options: Options


@dataclass(frozen=True, slots=True)
class Rate:
    """Score a continuation of a conversation: the reply is a `Score`."""

    messages: tuple[Message, ...]
    continuation: str
    top: int
    adapters: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Failed:
    """A request has failed; nothing follows."""

    error: EdgeMedError


Request = Ask | Count | Rate | Continue
Reply = Event | Tokens | Score | Chosen | Ended | Failed
Sink = Callable[[Reply], None]


_PATIENCE = 0.2
"""Seconds; on Windows a waiting thread hears of Ctrl-C only between two waits."""


@dataclass(frozen=True, slots=True)
class _Job:
    request: Request
    sink: Sink
    cancelled: Cancellation

    def tell(self, reply: Reply) -> None:
        """Pass a reply on; a sink that fails has nobody behind it any more."""
        try:
            self.sink(reply)
        except Exception:  # noqa: BLE001 - the thread must live on for the others
            self.cancelled.set()


@dataclass(slots=True)
class Seats:
    """How a model is loaded and what is where, as of the last request; each is replaced whole."""

    options: LoadOptions
    placed: tuple[Placed, ...] = ()

    def note(self, engine: Engine) -> None:
        """Take over what an engine knows."""
        self.options, self.placed = engine.options, engine.placed


class Worker:
    """Opens the files in a thread of its own, and works off requests in the order they come."""

    def __init__(self, files: Files) -> None:
        """Start the thread, and wait until everything is open.

        Raises:
            ArtifactError: a file is damaged or of another kind.
            EngineError: llama.cpp can't load it.
        """
        self._inbox: Inbox[_Job] = Inbox()
        self._maker = os.getpid()
        self.seats = Seats(files.options)
        opened: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()
        # A daemon, since a thread that waits for requests must not keep the interpreter alive;
        # the finalizer ends it in order, at the latest before the interpreter goes.
        self._thread = threading.Thread(
            target=_serve,
            args=(files, self._inbox, opened, self.seats),
            name="edge-med engine",
            daemon=True,
        )
        self._thread.start()
        self._end = weakref.finalize(self, _end, self._inbox, self._thread, self._maker)
        if (error := opened.get()) is not None:
            self._end()
            raise error

    def cancellable(self) -> AbstractContextManager[Cancellation]:
        """A call, of one request or of several, that `cancel` ends; so does leaving the block.

        Raises:
            UsageError: this process was forked from the one that has loaded the model.
        """
        self._check_process()
        return self._inbox.cancellable()

    def submit(self, request: Request, sink: Sink, cancelled: Cancellation) -> None:
        """Queue a request.

        Args:
            request: what is wanted.
            sink: called in the engine thread with every reply.
            cancelled: the call that it belongs to.

        Raises:
            UsageError: the model was closed.
        """
        self._inbox.put(_Job(request, sink, cancelled))

    def events(self, request: Ask, call: Cancellation | None = None) -> Iterator[Event]:
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

    def reply(self, request: Count | Rate, call: Cancellation | None = None) -> Tokens | Score:
        """Queue a request that has one reply, and wait; arguments and errors are as in `events`."""
        reply = next(self._replies(request, call))
        if isinstance(reply, Failed):
            raise reply.error
        assert isinstance(reply, Tokens | Score)
        return reply

    def ids(self, request: Continue) -> Iterator[int]:
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
        return os.getpid() == self._maker and self._inbox.cancel()

    def close(self) -> None:
        """Cancel everything and free everything; harmless when done twice."""
        self._end()

    def _check_process(self) -> None:
        if os.getpid() != self._maker:
            raise UsageError(
                "The model was loaded in another process, from which this one was forked.",
                "Load it in each process, after the fork; gunicorn does so without --preload.",
            )

    def _replies(self, request: Request, call: Cancellation | None) -> Iterator[Reply]:
        replies: queue.SimpleQueue[Reply] = queue.SimpleQueue()
        with nullcontext(call) if call is not None else self.cancellable() as cancelled:
            self.submit(request, replies.put, cancelled)
            while True:
                try:
                    yield replies.get(timeout=_PATIENCE)
                except queue.Empty:
                    self._check_process()
                    if not self._thread.is_alive() and replies.empty():
                        raise _ended() from None


def event_of(reply: Reply) -> Event:
    """A reply of a request that is answered by events.

    Raises:
        EdgeMedError: the request failed.
    """
    if isinstance(reply, Failed):
        raise reply.error
    assert not isinstance(reply, Tokens | Score | Chosen | Ended)
    return reply


def _end(inbox: Inbox[_Job], thread: threading.Thread, maker: int) -> None:
    if os.getpid() != maker:  # of a forked program the thread, and maybe a lock, is the other's
        return
    inbox.close()
    # The last reference to a worker may go in the engine thread itself: that ends without us.
    if thread is not threading.current_thread():
        thread.join()


def _serve(
    files: Files,
    inbox: Inbox[_Job],
    opened: queue.SimpleQueue[BaseException | None],
    seats: Seats,
) -> None:
    try:
        engine = _engine(files)
        seats.note(engine)
    except BaseException as error:  # noqa: BLE001 - it belongs to whoever called for the engine
        opened.put(error)
        return
    opened.put(None)
    job: _Job | None = None
    try:
        while (job := inbox.take()) is not None:
            _work(engine, files.source, job, seats)
            job = None  # its pictures go while we wait
    finally:
        for left in (*([job] if job else []), *inbox.empty()):
            left.tell(Failed(_ended()))
        engine.close()


def _engine(files: Files) -> Engine:
    return Engine(
        files.text,
        files.projector,
        files.options,
        files.adapters,
        header=files.header,
        placements=files.placements,
        notices=files.notices,
    )


def _ended() -> EngineError:
    return EngineError("The engine has ended.", "Load the model again.")


def _work(engine: Engine, source: Source, job: _Job, seats: Seats) -> None:
    def tell(reply: Reply) -> None:
        seats.note(engine)  # first, for whoever looks there once the reply is here
        job.tell(reply)

    try:
        match job.request:
            case Ask(messages, options):
                answer(engine, source, messages, options, tell, job.cancelled.is_set)
            case Count(messages, options):
                shown = Structure(options).shown(instructed(messages, options))
                tell(_counted(engine, source, shown, job.cancelled))
            case Rate(messages, continuation, top, adapters):
                stop, size = job.cancelled.is_set, source.image_tokens
                tell(score(engine, messages, continuation, top, stop, size, adapters))
            case Continue():
                continue_prompt(engine, job.request, tell, job.cancelled.is_set)
    except EdgeMedError as error:
        tell(Failed(error))
    except Exception as error:  # noqa: BLE001 - the thread must live on for the next request
        fault = EngineError(
            f"This is a fault of edge-med: {type(error).__name__}.", "Please report it."
        )
        fault.__cause__ = error
        tell(Failed(fault))


def _counted(
    engine: Engine, source: Source, messages: Sequence[Message], cancelled: Cancellation
) -> Tokens:
    if cancelled.is_set():
        raise CancelledError("Stopped before the tokens were counted.", "Ask again.")
    items = compose(engine.model, messages, source.image_tokens)
    images = [item for item in items if isinstance(item, ImageBlock)]
    return Tokens(length(items), length(images))
