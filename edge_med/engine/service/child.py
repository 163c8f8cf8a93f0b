"""The engine's process: it takes messages on stdin and answers on stdout, and ends with its parent.

Whatever else is written to stdout goes to stderr, which the parent keeps a part of. Nothing heavy
is imported before the parent is watched.
"""

from __future__ import annotations

import faulthandler
import os
import queue
import signal
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, BinaryIO, NoReturn

from edge_med import _platform
from edge_med._platform import children, message_frames
from edge_med._platform import parent as _parent

if TYPE_CHECKING:
    from edge_med.engine.service.protocol import FromEngine, ToEngine
    from edge_med.engine.service.wire import Unpacker


def main(*, parent: int, patience: float) -> NoReturn:
    """Serve an engine until stdin or the parent ends.

    Args:
        parent: the number of the process that started this one.
        patience: seconds without any progress, after which this one ends itself.
    """
    _settle(parent)
    taken, given = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    silent = os.open(os.devnull, os.O_RDONLY)
    os.dup2(silent, 0)
    os.dup2(2, 1)
    with suppress(Exception):  # a program without a console may have no stderr
        faulthandler.enable()
    _serve(taken, given, patience)
    _gone()


def _settle(number: int) -> None:
    """End with the parent, leave nothing on the disk, and be the first to go if memory is short."""
    _parent.watch(number, _gone)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's alone
    _platform.forgo_core_dumps()
    _platform.go_first_without_memory()
    _platform.forbid_dumps()


def _serve(taken: BinaryIO, given: BinaryIO, patience: float) -> None:
    from edge_med.engine.service.host import serve
    from edge_med.engine.service.pulse import Pulse
    from edge_med.engine.service.wire import Packer, Unpacker

    packer, writing, pulse = Packer(), threading.Lock(), Pulse()

    def deliver(message: FromEngine) -> None:
        try:
            with pulse.waiting(), writing:  # the parent may be stopped, and then takes nothing
                message_frames.send(given, *packer.pack(message))
        except OSError:
            _gone()

    unpacker = Unpacker()
    forward = _forward(deliver)
    forward.setLevel(unpacker.unpack(*_frame(taken)).level)
    spec = unpacker.unpack(*_frame(taken))
    arrivals: queue.SimpleQueue[ToEngine] = queue.SimpleQueue()
    threading.Thread(
        target=_take, args=(taken, unpacker, arrivals, forward), name="requests", daemon=True
    ).start()
    pulse.watch(patience, _stand_still)
    serve(spec, arrivals, deliver, pulse)


def _take(
    taken: BinaryIO, unpacker: Unpacker, arrivals: queue.SimpleQueue[ToEngine], forward: Any
) -> None:
    from edge_med.engine.service.protocol import Listen

    try:
        while True:
            message = unpacker.unpack(*_frame(taken))
            if isinstance(message, Listen):
                forward.setLevel(message.level)
            else:
                arrivals.put(message)
            del message
    except Exception as error:  # noqa: BLE001 - nobody could reach the engine any more
        _fail(error)


def _frame(taken: BinaryIO) -> tuple[bytearray, list[bytearray]]:
    try:
        return message_frames.receive(taken)
    except (EOFError, OSError):
        _gone()


def _forward(deliver: Any) -> Any:
    """Sends what our loggers are given to the parent's."""
    import logging

    from edge_med.engine.service.protocol import LineLogged

    class Forward(logging.Handler):
        def setLevel(self, level: int | str) -> None:  # noqa: N802 - logging's name
            super().setLevel(level)
            logging.getLogger("edge_med").setLevel(level)

        def emit(self, record: logging.LogRecord) -> None:
            deliver(LineLogged(record.name, record.levelno, record.getMessage()))

    forward = Forward()
    logging.getLogger("edge_med").addHandler(forward)
    return forward


def _fail(error: Exception) -> NoReturn:
    """End with an error, of which the parent learns the kind."""
    with suppress(Exception):
        sys.stderr.write(f"{type(error).__name__}\n")
        sys.stderr.flush()
    children.exit_now(1)


def _stand_still() -> NoReturn:
    from edge_med.engine.service.ending import STALLED

    children.exit_now(STALLED)


def _gone() -> NoReturn:
    """End at once: what is freed in order elsewhere is freed by the system."""
    children.exit_now()
