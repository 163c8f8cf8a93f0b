"""The engine thread: it alone touches llama.cpp; everybody else sends requests and gets replies.

Requests and replies are plain values that can be pickled, so that the thread can become a process.
"""

from __future__ import annotations

import queue
import threading
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edge_med.answers import Event, Tokens
from edge_med.config import LoadOptions, Options
from edge_med.engine.continuation import Chosen, Continue, Ended, continue_prompt
from edge_med.engine.core import Engine
from edge_med.engine.generate import Source, answer
from edge_med.engine.ledger import ImageBlock, length
from edge_med.engine.prompt import compose
from edge_med.errors import EdgeMedError, EngineError, UsageError
from edge_med.messages import Message


@dataclass(frozen=True, slots=True)
class Files:
    """What is opened, and how."""

    text: Path
    projector: Path | None
    source: Source
    options: LoadOptions


@dataclass(frozen=True, slots=True)
class Ask:
    """Answer a conversation: replies are events, up to `End`."""

    messages: tuple[Message, ...]
    options: Options


@dataclass(frozen=True, slots=True)
class Count:
    """Count a conversation's tokens: the reply is `Tokens`."""

    messages: tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class Failed:
    """A request has failed; nothing follows."""

    error: EdgeMedError


Request = Ask | Count | Continue
Reply = Event | Tokens | Chosen | Ended | Failed
Sink = Callable[[Reply], None]


@dataclass(frozen=True, slots=True)
class _Job:
    request: Request
    sink: Sink
    cancelled: threading.Event


_Inbox = queue.SimpleQueue[_Job | None]


class Worker:
    """Opens the files in a thread of its own, and works off requests in the order they come."""

    def __init__(self, files: Files) -> None:
        """Start the thread, and wait until everything is open.

        Raises:
            ArtifactError: a file is damaged or of another kind.
            EngineError: llama.cpp can't load it.
        """
        self._inbox: _Inbox = queue.SimpleQueue()
        self._jobs: weakref.WeakSet[threading.Event] = weakref.WeakSet()
        opened: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()
        # A daemon, since a thread that waits for requests must not keep the interpreter alive;
        # the finalizer ends it in order, at the latest before the interpreter goes.
        thread = threading.Thread(
            target=_serve, args=(files, self._inbox, opened), name="edge-med engine", daemon=True
        )
        thread.start()
        self._end = weakref.finalize(self, _end, self._inbox, self._jobs, thread)
        if (error := opened.get()) is not None:
            self._end()
            raise error

    def submit(self, request: Request, sink: Sink) -> threading.Event:
        """Queue a request.

        Args:
            request: what is wanted.
            sink: called in the engine thread with every reply.

        Returns:
            Set it, and the request ends as soon as it can.

        Raises:
            UsageError: the model was closed.
        """
        if not self._end.alive:
            raise UsageError("The model was closed.", "Load it again.")
        cancelled = threading.Event()
        self._jobs.add(cancelled)
        self._inbox.put(_Job(request, sink, cancelled))
        return cancelled

    def cancel(self) -> None:
        """End every request that was submitted so far."""
        for cancelled in list(self._jobs):
            cancelled.set()

    def close(self) -> None:
        """Cancel everything and free everything; harmless when done twice."""
        self._end()


def _end(inbox: _Inbox, jobs: weakref.WeakSet[threading.Event], thread: threading.Thread) -> None:
    for cancelled in list(jobs):
        cancelled.set()
    inbox.put(None)
    thread.join()


def _serve(files: Files, inbox: _Inbox, opened: queue.SimpleQueue[BaseException | None]) -> None:
    try:
        engine = Engine(files.text, files.projector, files.options)
    except BaseException as error:  # noqa: BLE001 - it belongs to whoever called for the engine
        opened.put(error)
        return
    opened.put(None)
    try:
        while (job := inbox.get()) is not None:
            _work(engine, files.source, job)
            del job  # the event is known to be done by nobody holding it any more
    finally:
        engine.close()


def _work(engine: Engine, source: Source, job: _Job) -> None:
    try:
        match job.request:
            case Ask(messages, options):
                answer(engine, source, messages, options, job.sink, job.cancelled.is_set)
            case Count(messages):
                items = compose(engine.model, messages, source.image_tokens)
                images = [item for item in items if isinstance(item, ImageBlock)]
                job.sink(Tokens(length(items), length(images)))
            case Continue():
                continue_prompt(engine, job.request, job.sink, job.cancelled.is_set)
    except EdgeMedError as error:
        job.sink(Failed(error))
    except Exception as error:  # noqa: BLE001 - the thread must live on for the next request
        fault = EngineError(
            f"This is a fault of edge-med: {type(error).__name__}.", "Please report it."
        )
        fault.__cause__ = error
        job.sink(Failed(fault))
