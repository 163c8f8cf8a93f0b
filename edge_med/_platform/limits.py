"""Limits of a process's own: memory, processor time, open files, no core dump. POSIX has them."""

from __future__ import annotations

import contextlib
import signal
from typing import Any


def forgo_core_dumps(system: Any) -> None:
    """Let a fault of this process leave no image of its memory on the disk."""
    if system is not None:
        with contextlib.suppress(OSError, ValueError):
            system.setrlimit(system.RLIMIT_CORE, (0, 0))


def limit(system: Any, *, memory: int, files: int) -> None:
    """Limit this process; macOS takes no limit of memory, and then goes without.

    Args:
        system: the module `resource`; None where there is none.
        memory: bytes of addresses.
        files: number of files that may be open at once.
    """
    if system is None:
        return
    forgo_core_dumps(system)
    for what, most in (
        (system.RLIMIT_NOFILE, files),
        (system.RLIMIT_AS, memory),
    ):
        with contextlib.suppress(OSError, ValueError):
            system.setrlimit(what, (most, most))


def limit_seconds(system: Any, seconds: int) -> None:
    """Let this process compute for so many seconds more, and be ended then."""
    if system is None:
        return
    used = system.getrusage(system.RUSAGE_SELF)
    _, hard = system.getrlimit(system.RLIMIT_CPU)
    with contextlib.suppress(OSError, ValueError):
        most = int(used.ru_utime + used.ru_stime) + 1 + seconds
        system.setrlimit(system.RLIMIT_CPU, (most, hard))


def end_after_computing(seconds: float) -> None:
    """End this process by SIGVTALRM once it has computed for so long (setitimer(2)).

    Each call begins anew. Neither what this process holds nor that it is stopped matters to it.
    """
    if hasattr(signal, "setitimer"):  # not on Windows
        signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
