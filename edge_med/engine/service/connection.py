"""What waits for an engine's replies, and an engine that is started anew after a crash."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial

from edge_med import _platform
from edge_med.answers import Notice
from edge_med.engine.service.ending import fault_of
from edge_med.engine.service.link import Link, Start
from edge_med.engine.service.pending import LAST, PendingRequests, Sink
from edge_med.engine.service.protocol import (
    Cancel,
    Close,
    EngineClosed,
    EngineOpened,
    EngineRefused,
    EngineSpec,
    EngineStatus,
    FromEngine,
    Leave,
    LineLogged,
    RequestAnswered,
    RequestBegun,
    Submit,
)
from edge_med.engine.service.sameness import Suspects, files_of
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

RESTARTED = Notice(
    "restarted",
    "llama.cpp's process has ended and was started anew, so that everything is read again.",
)

Opening = queue.SimpleQueue[EngineOpened | BaseException]
"""Where it comes out whether an engine could be opened."""


class Connection:
    """An engine, and who waits for what of it; it doesn't know who uses it.

    Attributes:
        status: how the model is loaded, as of the last reply.
        starts: engines that were opened, of which the last is used.
        pause: waits for so many seconds, or until somebody closes or cancels.
    """

    def __init__(self, spec: EngineSpec, start: Start) -> None:
        """For an engine that `open` starts."""
        self._spec, self._start = spec, start
        self._lock = threading.RLock()  # signal handlers run amid a thread that is just in here
        self._starting = threading.Lock()
        self._link: Link | None = None
        self._over: Opening | None = None  # of the last engine that has ended
        self._pending = PendingRequests(self._lock, lambda call: self.send(Cancel(call)))
        self._unsent: list[Cancel] = []
        self._woken = threading.Event()
        self._files = files_of(spec)
        self._failed = False  # for good
        self._closed = False
        self._crashes = 0  # in a row
        self._suspects = Suspects()
        self.status = EngineStatus(spec.options)
        self.starts = 0
        self.pause: Callable[[float], object] = self._woken.wait

    @property
    def waiting(self) -> int:
        """Requests whose last reply hasn't come."""
        with self._lock:
            return len(self._pending)

    def open(self) -> EngineOpened:
        """Start the engine, and wait until everything is open.

        Raises:
            EdgeMedError: the model can't be loaded.
        """
        opening: Opening = queue.SimpleQueue()
        link = self._start(self._spec, partial(self._deliver, opening))
        try:
            found = _awaited(opening)
        except BaseException:  # Ctrl-C: what is being opened is freed as soon as that can be
            link.abort()
            raise
        if not isinstance(found, EngineOpened):
            link.join()
            raise _as_error(found)
        with self._lock:
            if not self._closed:
                self._take_over(link, opening, found.status)
                return found
        link.abort()  # it was closed meanwhile; the reader may want the lock
        raise _closed()

    def _take_over(self, link: Link, opening: Opening, status: EngineStatus) -> None:
        """Have an opened engine answer what had waited when the last one ended."""
        if self._over is opening:  # it has ended again meanwhile
            raise _as_error(opening.get())
        self._link, self.status, self.starts = link, status, self.starts + 1
        for message in self._unsent:
            link.send(message)
        self._unsent.clear()
        for submit in self._pending.submits:
            link.send(submit)

    def submit(self, message: Submit, sink: Sink) -> None:
        """Send a request, whose replies go to a sink; an engine that has crashed is started anew.

        Raises:
            UsageError: everything was closed, or it can't cross to the engine.
            EngineError: the engine can't be started, or this request has ended it twice.
        """
        self._suspects.refuse(message.request)
        while True:
            with self._lock:
                self._check_open()
                if any(one.call == message.call for one in self._unsent):
                    raise CancelledError("Stopped before it was begun.", "Ask again.")
                if self._link is not None:
                    self._pending.add(message, sink)
                    self._send_request(self._link, message)
                    return
            self._restart()

    def send(self, message: Cancel | Leave) -> None:
        """Say what becomes of a call."""
        with self._lock:
            self._pending.cancel(message.call)
            if self._link is None and not self._closed:
                self._unsent = [one for one in self._unsent if one.call != message.call]
                if isinstance(message, Cancel):  # of a call that an engine is started for
                    self._unsent.append(message)
                    self._woken.set()
            if self._link is not None:
                self._link.send(message)

    def forget(self, number: int) -> None:
        """Nobody waits for the replies to a request any more."""
        self._pending.forget(number)

    def close(self) -> None:
        """End the engine, and wait for that; harmless when done twice."""
        with self._lock:
            self._closed = True
            link, self._link = self._link, None
        self._woken.set()
        if link is not None:
            link.send(Close())
            link.join()
        self._pending.fail_all(ended())

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
            raise _closed()
        if self._failed:
            raise ended()

    def _send_request(self, link: Link, message: Submit) -> None:
        try:
            link.send(message)
        except UnicodeEncodeError:
            self._pending.remove(message.number)
            raise PromptError("A text holds half a character.", "Give it as UTF-8.") from None
        except (TypeError, ValueError, RecursionError) as error:
            self._pending.remove(message.number)
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
            case EngineOpened():
                opening.put(message)
            case EngineRefused(error):
                opening.put(error)
            case RequestBegun(number):
                self._pending.begin(number)
            case RequestAnswered(number, reply, status):
                self.status = status or self.status  # first, for whoever looks there then
                self._crashes = 0 if isinstance(reply, LAST) else self._crashes
                self._pending.pass_on(number, reply)
            case LineLogged():
                pass
            case EngineClosed(error):
                opening.put(error or ended())
                self._on_end(opening, error, suspect=message.by_itself)

    def _on_end(self, opening: Opening, error: EdgeMedError | None, *, suspect: bool) -> None:
        """The engine has ended: fail what was running; what had waited is asked of a new one.

        What was running is a suspect where the engine wasn't ended from outside.
        """
        with self._lock:
            self._over = opening
            if self._link is None:  # whoever opens or closes it knows
                return
            self._link = None
            self._failed = error is None
            self._crashes += 1
            running = self._pending.begun
        if error is None:
            self._pending.fail_all(ended())
            return
        LOGGER.info("%s", error.message)
        for submit in running:
            if suspect:
                self._suspects.note(submit.request)
            self._pending.fail(submit.number, error)
        self._pending.fail_hopeless(error)
        if self._pending:
            self._go_on()

    def _go_on(self) -> None:
        """Start the engine anew for those that wait."""
        try:
            self._restart()
        except EdgeMedError as error:
            self._pending.fail_all(error)
            return
        if self._link is None:  # it was closed meanwhile
            self._pending.fail_all(ended())


def _awaited(opening: Opening) -> EngineOpened | BaseException:
    """What comes of opening an engine; Ctrl-C ends the wait on every system."""
    while True:
        with suppress(queue.Empty):
            return opening.get(timeout=_platform.PATIENCE)


def _closed() -> UsageError:
    return UsageError("The model was closed.", "Load it again.")


def ended() -> EngineError:
    """The error of whoever waits for an engine that is no more."""
    return EngineError("The engine has ended.", "Load the model again.")


def _as_error(found: EngineOpened | BaseException) -> BaseException:
    return found if isinstance(found, BaseException) else ended()
