"""Commands that call llama.cpp themselves run in a process of their own, which may crash alone."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping, Sequence

from edge_med import _platform
from edge_med._platform import children, interpreter
from edge_med._platform import parent as _parent

COMMANDS: Mapping[str, str | None] = {"compare": None, "verify": "--run"}
"""Their names, and the flag without which they don't. Others speak to the engine's process."""


def is_needed(arguments: Sequence[str]) -> bool:
    """Whether a command line is of such a command, and this is no process of ours already."""
    if interpreter.is_child() or not arguments or arguments[0] not in COMMANDS:
        return False
    flag = COMMANDS[arguments[0]]
    return flag is None or flag in arguments


def run(arguments: Sequence[str]) -> int:
    """Run a command line in a process that shares this one's terminal; returns the exit code.

    Raises:
        EngineError: a fault has ended the process.
        MemoryShortError: the same, where memory was refused to it.
        KeyboardInterrupt: Ctrl-C has ended it before it could say so.
        OSError: no process can be started.
    """
    command = children.command(__name__, arguments=[*arguments], parent=os.getpid())
    code = children.attend(command)
    if code == -signal.SIGINT:
        raise KeyboardInterrupt
    if code < 0 or children.fault(code):
        from edge_med.engine.service.ending import died

        raise died(code, ())
    return code


def main(*, arguments: Sequence[str], parent: int) -> None:
    """What the process does: the command, until its parent ends."""
    from edge_med import cli

    _parent.watch(parent, children.exit_now)
    _platform.forgo_core_dumps()
    cli.main(arguments)
