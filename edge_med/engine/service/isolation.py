"""Whether the engine runs in a process of its own, or in a thread of the program."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

from edge_med.answers import Notice
from edge_med.config import LoadOptions
from edge_med.engine.service import process, thread
from edge_med.engine.service.client import Client
from edge_med.engine.service.protocol import EngineSpec

IN_PROGRAM = Notice(
    "isolation",
    "llama.cpp runs inside this program, and images are decoded in it, since no Python could be "
    "started for processes of their own: a fault in them would end the program.",
)


@contextmanager
def prepared(options: LoadOptions) -> Iterator[process.Starter | None]:
    """Start the engine's process while files are still looked for; it ends if none is opened.

    None where the engine runs in a thread, or no process can be started.

    Raises:
        UsageError: the interpreter that was named is none, or of another version.
        MemoryShortError: the system has no memory for another process.
    """
    starter = None
    if options.isolation == "process":
        with suppress(process.NoInterpreterError):
            starter = process.Starter(options.python)
    try:
        yield starter
    finally:
        if starter is not None:
            starter.discard()


def connect(spec: EngineSpec, starter: process.Starter | None) -> Client:
    """Start an engine as its options say; in a thread, with a notice, where no process can be.

    Raises:
        EdgeMedError: the model can't be loaded.
    """
    if starter is not None:
        return Client(spec, starter)
    if spec.options.isolation == "process":
        spec = replace(spec, notices=(*spec.notices, IN_PROGRAM))
    return Client(spec, thread.start)
