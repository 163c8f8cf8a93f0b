"""The engine in a process of its own, so that no fault of native code ends the program."""

from __future__ import annotations

import logging
import os
import queue
import subprocess
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import IO, Any

from edge_med import _platform
from edge_med._platform import children, interpreter, message_frames
from edge_med.engine.service.ending import by_itself, died
from edge_med.engine.service.host import Deliver
from edge_med.engine.service.link import Link
from edge_med.engine.service.protocol import (
    Close,
    EngineClosed,
    EngineRefused,
    EngineSpec,
    LineLogged,
    Listen,
    Submit,
    ToEngine,
)
from edge_med.engine.service.wire import Packer, Unpacker
from edge_med.errors import MemoryShortError, UsageError
from edge_med.native import REDIRECTIONS

LOGGER = logging.getLogger("edge_med.llama_cpp")

PATIENCE = 300.0
"""Seconds without a step of the graph, after which the process has come to a standstill. The
longest step of 27B takes a second on two cores, and ten times as long on a busy machine."""

CLOSING = 10.0
"""Seconds that a process has to free everything; then it is ended."""

KEPT_LINES = 200
"""Of what the process has complained of last."""


class Starter:
    """Starts engines in processes of their own; the first process is started at once."""

    def __init__(self, python: str | None = None, patience: float | None = None) -> None:
        """Start a process, which waits for what it is to open.

        Args:
            python: the interpreter; by default this one.
            patience: seconds without any progress, after which the process ends itself.

        Raises:
            NoInterpreterError: there is none that could be started.
            UsageError: the one that was named is none, or of another version.
            MemoryShortError: the system has no memory for another process.
        """
        self._command = _command(python, patience or PATIENCE)
        self._waiting: EngineProcess | None = EngineProcess(self._command)

    def __call__(self, spec: EngineSpec, deliver: Deliver) -> Link:
        """Start an engine; `deliver` is called in a thread.

        Raises:
            MemoryShortError: the system has no memory for another process.
        """
        process, self._waiting = self._waiting or EngineProcess(self._command), None
        return process.begin(spec, deliver)

    def discard(self) -> None:
        """End the process that still waits."""
        process, self._waiting = self._waiting, None
        if process is not None:
            process.abort()


class NoInterpreterError(Exception):
    """No process can be started here."""


def _command(python: str | None, patience: float) -> list[str]:
    if interpreter.is_child():
        raise NoInterpreterError
    module, parent = "edge_med.engine.service.child", os.getpid()
    try:
        return children.command(module, python, parent=parent, patience=patience)
    except OSError:
        named = python or os.environ.get(interpreter.VARIABLE)
    if named:
        raise UsageError(
            f"The Python that was named isn't one of version {interpreter.VERSION}.",
            f"Name another by python= or {interpreter.VARIABLE}, or none.",
        )
    raise NoInterpreterError


class EngineProcess:
    """One process, and the threads that talk to it."""

    def __init__(self, command: list[str]) -> None:
        """Start it.

        Raises:
            MemoryShortError: the system has no memory for another process.
        """
        self._deliver: Deliver = lambda _message: None
        self._outgoing: queue.SimpleQueue[object | None] = queue.SimpleQueue()
        self._complaints: deque[str] = deque(maxlen=KEPT_LINES)
        self._closing = False
        self._ending = threading.Lock()
        self._ended: EngineClosed | None = None
        self._level = _level()
        self._process = _started(command)
        self._threads = [
            threading.Thread(target=work, name=f"edge-med {name}", daemon=True)
            for name, work in (
                ("requests", self._write),
                ("complaints", self._listen),
                ("replies", self._read),
            )
        ]
        try:
            for thread in self._threads:
                thread.start()
        except RuntimeError as error:  # the system has none left
            self._closing = True
            self._end()
            raise _not_started(error) from error

    def begin(self, spec: EngineSpec, deliver: Deliver) -> Link:
        """Have it open a model; `deliver` is called in a thread."""
        with self._ending:
            self._deliver = deliver
            if self._ended is not None:  # it has ended already
                deliver(self._ended)
        self._outgoing.put(Listen(self._level))
        self._outgoing.put(spec)
        return Link(self.send, self.join, self.abort)

    def send(self, message: ToEngine) -> None:
        """Send a message; it waits for nothing. Errors are those of `Packer.pack`."""
        Packer().pack(message)  # whoever sends it hears of what can't cross
        if isinstance(message, Close):
            self._closing = True
        if isinstance(message, Submit) and self._level != (level := _level()):
            self._level = level
            self._outgoing.put(Listen(level))
        self._outgoing.put(message)

    def join(self) -> None:
        """Wait until the process has ended after a `Close`, and end it if it takes too long."""
        try:
            self._process.wait(CLOSING)
        except subprocess.TimeoutExpired:
            self._end()
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(CLOSING)

    def abort(self) -> None:
        """End the process at once."""
        self._closing = True
        self._end()
        self.join()

    def _write(self) -> None:
        pipe, packer = _pipe(self._process.stdin), Packer()
        with suppress(OSError, ValueError):  # the process has ended: the reader says so
            while (message := self._outgoing.get()) is not None:
                message_frames.send(pipe, *packer.pack(message))
                del message  # its pictures go while we wait
        with suppress(OSError):
            pipe.close()

    def _read(self) -> None:
        unpacker, pipe, refused = Unpacker(), _pipe(self._process.stdout), False
        try:
            while True:
                message = unpacker.unpack(*message_frames.receive(pipe))
                refused = refused or isinstance(message, EngineRefused)
                if isinstance(message, EngineClosed):
                    continue  # its process is about to end
                if isinstance(message, LineLogged):
                    with suppress(BaseException):  # of a handler that somebody has put there
                        logging.getLogger(message.name).log(message.level, "%s", message.text)
                else:
                    self._deliver(message)
                del message
        except (EOFError, OSError):
            pass
        except BaseException:  # noqa: BLE001 - whoever waits must hear of it
            self._end()
        finally:
            pipe.close()
            self._outgoing.put(None)
            with self._ending:
                self._ended = self._closed(refused=refused)
            self._deliver(self._ended)

    def _closed(self, *, refused: bool) -> EngineClosed:
        """Why the process has ended, if it shouldn't."""
        try:
            code = self._process.wait(CLOSING)
        except subprocess.TimeoutExpired:  # it closed its pipe and goes on: nobody can use it
            self._end()
            code = self._process.wait()
        self._threads[1].join(CLOSING)
        if self._closing or refused:
            return EngineClosed()
        return EngineClosed(died(code, list(self._complaints)), by_itself(code))

    def _listen(self) -> None:
        """Keep what the process complains of, and give it to our logger."""
        with suppress(OSError, ValueError), _pipe(self._process.stderr) as pipe:
            for raw in pipe:
                line = raw.decode("utf-8", "replace").rstrip()
                self._complaints.append(line)
                LOGGER.debug("%s", line)

    def _end(self) -> None:
        _platform.end_process(self._process)


def _level() -> int:
    """The least level of records that anybody wants."""
    return min(LOGGER.getEffectiveLevel(), logging.getLogger("edge_med").getEffectiveLevel())


def _pipe(end: IO[bytes] | None) -> Any:
    assert end is not None
    return end


def _started(command: list[str]) -> subprocess.Popen[bytes]:
    given = children.environment(GGML_NO_BACKTRACE="1")  # else ggml starts a debugger at an abort
    environment = {name: value for name, value in given.items() if name not in REDIRECTIONS}
    begin: Callable[..., subprocess.Popen[bytes]] = subprocess.Popen
    try:
        process = begin(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            **_platform.SEPARATE,
        )
    except (MemoryError, OSError) as error:
        raise _not_started(error) from error
    _platform.end_with_this_process(process)
    return process


def _not_started(error: Exception) -> MemoryShortError:
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return MemoryShortError(
        f"The engine's process can't be started: {reason}.",
        "Most likely memory, or what may be open at once, is short: close other programs or files.",
    )
