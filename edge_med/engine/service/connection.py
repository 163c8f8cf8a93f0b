"""What waits for an engine's replies, and an engine that is started anew after a crash."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

from edge_med import _platform
from edge_med.answers import End, Notice, Score, Tokens
from edge_med.engine.service.ending import fault_of
from edge_med.engine.service.link import Link, Start
from edge_med.engine.service.protocol import (
    Answered,
    Begun,
    Cancel,
    Close,
    Closed,
    EngineSpec,
    EngineStatus,
    Failed,
    FromEngine,
    Leave,
    Logged,
    Opened,
    Refused,
    Reply,
    Request,
    Submit,
    TokenIds,
)
from edge_med.engine.service.sameness import files_of, fingerprint
from edge_med.engine.tasks.raw_generate import Ended
from edge_med.errors import (
    ArtifactError,
    CancelledError,
    EdgeMedError,
    EngineError,
    PromptError,
    UsageError,
)

LOGGER = logging.getLogger(__name__)

PAUSES = (0.0, 1.0, 5.0, 30.0)
"""Seconds before the engine is started anew, by how many crashes there were without a reply."""

DEADLY = 2
"""Crashes of one request, after which it isn't asked again."""

RESTARTED = Notice(
    "restarted",
    "llama.cpp's process has ended and was started anew, so that everything is read again.",
)

Opening = queue.SimpleQueue[Opened | BaseException]
"""Where it comes out whether an engine could be opened."""

TRIES = 3
"""Engines that a request is sent to which none has begun to work on."""

Sink = Callable[[Reply], None]
_LAST = (End, Tokens, Score, TokenIds, Ended, Failed)
"""Replies after which nothing follows."""


@dataclass(slots=True)
class _Pending:
    """A request that has no last reply yet."""

    submit: Submit
    sink: Sink | None
    begun: bool = False
    cancelled: bool = False
    tries: int = 1


class Connection:
    """An engine, and who waits for what of it; it doesn't know who uses it."""

    def __init__(self, spec: EngineSpec, start: Start) -> None:
        """For an engine that `open` starts."""
        self._spec, self._start = spec, start
        self._lock = threading.RLock()  # signal handlers run amid a thread that is just in here
        self._starting = threading.Lock()
        self._link: Link | None = None
        self._over: Opening | None = None  # of the last engine that has ended
        self._pending: dict[int, _Pending] = {}
        self._unsent: list[Cancel] = []
        self._woken = threading.Event()
        self._files = files_of(spec)
        self._failed: EdgeMedError | None = None  # for good
        self._closed = False
        self._crashes = 0  # in a row
        self._deadly: dict[bytes, int] = {}
        self.status = EngineStatus(spec.options)
        self.pause: Callable[[float], object] = self._woken.wait

    def open(self) -> Opened:
        """Start the engine, and wait until everything is open.

        Raises:
            EdgeMedError: it can't be opened.
        """
        opening: Opening = queue.SimpleQueue()
        link = self._start(self._spec, partial(self._deliver, opening))
        try:
            found = _awaited(opening)
        except BaseException:  # Ctrl-C: what is being opened is freed as soon as that can be
            link.abort()
            raise
        if not isinstance(found, Opened):
            link.join()
            raise _as_error(found)
        with self._lock:
            if self._closed:  # meanwhile
                link.abort()
                raise UsageError("The model was closed.", "Load it again.")
            if self._over is opening:  # it has ended again meanwhile
                raise _as_error(opening.get())
            self._link, self.status = link, found.status
            for message in self._unsent:
                link.send(message)
            self._unsent.clear()
            for pending in list(self._pending.values()):  # had waited when the last one ended
                link.send(pending.submit)
        return found

    def submit(self, message: Submit, sink: Sink) -> None:
        """Send a request, whose replies go to a sink; an engine that has crashed is started anew.

        Raises:
            UsageError: everything was closed, or it can't cross to the engine.
            EngineError: the engine can't be started, or this request has ended it twice.
        """
        self._refuse_deadly(message.request)
        while True:
            with self._lock:
                self._check_open()
                if any(one.call == message.call for one in self._unsent):
                    raise CancelledError("Stopped before it was begun.", "Ask again.")
                if self._link is not None:
                    self._pending[message.number] = _Pending(message, sink)
                    self._send_request(self._link, message)
                    return
            self._restart()

    def send(self, message: Cancel | Leave) -> None:
        """Say what becomes of a call."""
        with self._lock:
            self._cancelled(message.call)
            if self._link is None and not self._closed:
                self._unsent = [one for one in self._unsent if one.call != message.call]
                if isinstance(message, Cancel):  # of a call that an engine is started for
                    self._unsent.append(message)
                    self._woken.set()
            if self._link is not None:
                self._link.send(message)

    def forget(self, number: int) -> None:
        """Nobody waits for the replies to a request any more."""
        with self._lock:
            if pending := self._pending.get(number):
                pending.sink = None

    def close(self) -> None:
        """End the engine, and wait for that; harmless when done twice."""
        with self._lock:
            self._closed = True
            link, self._link = self._link, None
        self._woken.set()
        if link is not None:
            link.send(Close())
            link.join()
        self._fail_all(ended())

    @property
    def alive(self) -> bool:
        """Whether a request could be sent at once."""
        return self._link is not None

    def restart(self) -> None:
        """Start the engine anew, if it has crashed; errors are those of `submit`."""
        with self._lock:
            self._check_open()
        self._restart()

    def _check_open(self) -> None:
        if self._closed:
            raise UsageError("The model was closed.", "Load it again.")
        if self._failed is not None:
            raise self._failed

    def _send_request(self, link: Link, message: Submit) -> None:
        try:
            link.send(message)
        except UnicodeEncodeError:
            del self._pending[message.number]
            raise PromptError("A text holds half a character.", "Give it as UTF-8.") from None
        except (TypeError, ValueError, RecursionError) as error:
            del self._pending[message.number]
            text = f"The question can't be asked: {error}."
            raise UsageError(text, "Give plain values, and fewer of them.") from None

    def _restart(self) -> None:
        with self._starting:
            if self._link is not None or self._closed:
                return
            self._woken.clear()
            self.pause(PAUSES[min(max(self._crashes - 1, 0), len(PAUSES) - 1)])
            self._check_files()
            notices = [one for one in self._spec.notices if one != RESTARTED]
            self._spec = replace(self._spec, notices=(*notices, RESTARTED))
            try:
                self.open()
            except EdgeMedError:
                self._crashes += 1
                raise
            except Exception as error:
                self._crashes += 1
                raise fault_of(error) from error

    def _check_files(self) -> None:
        """Refuse files that aren't those that were loaded: answers would name the wrong ones."""
        if files_of(self._spec) != self._files:
            raise ArtifactError(
                "A file of the model was replaced or changed since it was loaded.",
                "Load the model again.",
            )

    def _deliver(self, opening: Opening, message: FromEngine) -> None:
        """Take a message, in the engine's thread or one that reads for it."""
        match message:
            case Opened():
                opening.put(message)
            case Refused(error):
                opening.put(error)
            case Begun(number):
                with self._lock:
                    if pending := self._pending.get(number):
                        pending.begun = True
            case Answered(number, reply, status):
                self.status = status or self.status  # first, for whoever looks there then
                self._crashes = 0 if isinstance(reply, _LAST) else self._crashes
                self._pass_on(number, reply)
            case Logged():
                pass
            case Closed(error):
                opening.put(error or ended())
                self._on_end(opening, error, suspect=message.by_itself)

    def _pass_on(self, number: int, reply: Reply) -> None:
        last = isinstance(reply, _LAST)
        with self._lock:
            pending = self._pending.pop(number, None) if last else self._pending.get(number)
        if pending is None or pending.sink is None:
            return
        try:
            pending.sink(reply)
        except BaseException:  # noqa: BLE001 - it has nobody behind it; the others must have theirs
            pending.sink = None
            self.send(Cancel(pending.submit.call))

    def _on_end(self, opening: Opening, error: EdgeMedError | None, *, suspect: bool) -> None:
        """The engine has ended: fail what was running; what had waited is asked of a new one.

        What was running is a suspect where the engine wasn't ended from outside.
        """
        with self._lock:
            self._over = opening
            if self._link is None:  # whoever opens or closes it knows
                return
            self._link = None
            self._failed = ended() if error is None else None
            self._crashes += 1
            running = [number for number, one in self._pending.items() if one.begun]
        if error is None:
            self._fail_all(ended())
            return
        LOGGER.info("%s", error.message)
        for number in running:
            if suspect:
                self._note(self._pending[number].submit.request)
            self._fail(number, error)
        self._go_on(error)

    def _go_on(self, error: EdgeMedError) -> None:
        """Start the engine anew for those that wait, if anybody does; each a few times."""
        with self._lock:
            left = list(self._pending.items())
        for number, one in left:
            if one.cancelled or one.sink is None:
                self._fail(number, CancelledError("Stopped before it was begun.", "Ask again."))
            elif one.tries == TRIES:
                self._fail(number, error)
            one.tries += 1
        if not self._pending:
            return
        try:
            self._restart()
        except EdgeMedError as other:
            self._fail_all(other)
            return
        if self._link is None:  # it was closed meanwhile
            self._fail_all(ended())

    def _cancelled(self, call: int) -> None:
        for pending in self._pending.values():
            pending.cancelled = pending.cancelled or pending.submit.call == call

    def _fail_all(self, error: EdgeMedError) -> None:
        for number in list(self._pending):
            self._fail(number, error)

    def _fail(self, number: int, error: EdgeMedError) -> None:
        self._pass_on(number, Failed(error))

    def _note(self, request: Request) -> None:
        key = fingerprint(request)
        self._deadly[key] = self._deadly.get(key, 0) + 1

    def _refuse_deadly(self, request: Request) -> None:
        if self._deadly and self._deadly.get(fingerprint(request), 0) >= DEADLY:
            raise EngineError(
                "This question has ended llama.cpp's process twice, and isn't asked again.",
                "Change it, or load the model again; edge-med doctor tries llama.cpp's code.",
            )


def _awaited(opening: Opening) -> Opened | BaseException:
    """What comes of opening an engine; Ctrl-C ends the wait on every system."""
    while True:
        with suppress(queue.Empty):
            return opening.get(timeout=_platform.PATIENCE)


def ended() -> EngineError:
    """The error of whoever waits for an engine that is no more."""
    return EngineError("The engine has ended.", "Load the model again.")


def _as_error(found: Opened | BaseException) -> BaseException:
    return found if isinstance(found, BaseException) else ended()
