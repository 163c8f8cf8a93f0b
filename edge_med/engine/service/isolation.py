"""Whether the engine runs in a process of its own, or in a thread of the program."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from edge_med.answers import Notice
from edge_med.engine.service import process, thread
from edge_med.engine.service.client import Client
from edge_med.engine.service.protocol import EngineSpec

IN_PROGRAM = Notice(
    "isolation",
    "llama.cpp runs inside this program, since no Python could be started for a process of its "
    "own: a fault in it would end the program.",
)


def connect(spec: EngineSpec) -> Client:
    """Start an engine as its options say; in a thread, with a notice, where no process can be.

    Raises:
        UsageError: the interpreter that was named is none, or of another version.
        EdgeMedError: it can't be opened.
    """
    if spec.options.isolation == "process":
        try:
            return Client(spec, partial(process.start, python=spec.options.python))
        except process.NoInterpreterError:
            spec = replace(spec, notices=(*spec.notices, IN_PROGRAM))
    return Client(spec, thread.start)
