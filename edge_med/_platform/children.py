"""A process that goes on in its children, one after the other, and its end with theirs."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    import subprocess

AGAIN = 75
"""The exit code of a child that another shall follow (EX_TEMPFAIL of sysexits.h)."""


def go_on() -> None:
    """Go on in a child; each time one ends with `AGAIN`, in another, as this one is now.

    A child that ends otherwise ends its parent. Only for a process without threads.
    """
    while child := os.fork():
        _, status = os.waitpid(child, 0)
        if os.waitstatus_to_exitcode(status) != AGAIN:
            os._exit(1)


def leave() -> NoReturn:
    """End this child, so that another follows."""
    os._exit(AGAIN)


def end(process: subprocess.Popen[bytes], *, group: bool) -> None:
    """End a process at once; with its children, if it leads a group of its own."""
    if group:
        with suppress(ProcessLookupError, PermissionError):  # macOS: all of them have ended
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
