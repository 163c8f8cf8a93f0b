"""The end of a process's parent: whoever watches for it ends too, and leaves no orphan.

A pipe from the parent isn't enough: a fork of the parent holds its other end open. And Linux's
`PR_SET_PDEATHSIG` tells of the end of the thread that started the process, not of its process.
"""

from __future__ import annotations

import os
import select
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

POLL_SECONDS = 0.2
"""Where nothing tells of the parent's end but its number."""


def watch(parent: int, gone: Callable[[], None]) -> None:
    """Call a function, in a thread, once the parent has ended.

    On Windows nothing is watched: there the parent puts its child into a job that ends with it.

    Args:
        parent: process id of the parent, as the parent has it.
        gone: function that is called once.
    """
    if sys.platform == "win32":
        return
    wait = _waiter(parent)
    threading.Thread(target=_watch, args=(wait, gone), name="parent", daemon=True).start()


def await_input(descriptor: int, parent: int) -> None:
    """Wait until something can be read, for a process that may have no threads.

    Args:
        descriptor: file descriptor that is read.
        parent: handle of the parent, from `opened`.

    Raises:
        EOFError: the parent has ended.
    """
    ends = select.poll()
    for one in (descriptor, parent):
        ends.register(one, select.POLLIN)
    if parent in dict(ends.poll()):
        raise EOFError


def ends_before(parent: int, child: int) -> bool:
    """Wait for the end of a parent or of a child of this process; True if the parent's came first.

    Args:
        parent: a descriptor as `opened` gave it.
        child: the number of a process that this one has started, and hasn't waited for yet.
    """
    ended = os.pidfd_open(child)
    ends = select.poll()
    for one in (parent, ended):
        ends.register(one, select.POLLIN)
    ready = dict(ends.poll())
    os.close(ended)
    return ended not in ready


def opened(parent: int) -> int | None:
    """A descriptor that tells of a parent's end (pidfd_open(2)); None where there are none.

    Raises:
        EOFError: it has ended already.
    """
    try:
        return os.pidfd_open(parent)
    except ProcessLookupError:
        raise EOFError from None
    except (AttributeError, OSError):
        return None


def _watch(wait: Callable[[], None], gone: Callable[[], None]) -> None:
    wait()
    gone()


def _waiter(parent: int) -> Callable[[], None]:
    """What returns once a process has ended."""
    for waiter in (_by_descriptor, _by_queue):
        try:
            return waiter(parent)
        except (AttributeError, OSError):  # another system, an old kernel, or a sandbox
            continue
    return lambda: _by_number(parent)


def _by_descriptor(parent: int) -> Callable[[], None]:
    """Linux 5.3 (pidfd_open(2))."""
    descriptor = os.pidfd_open(parent)
    ends = select.poll()
    ends.register(descriptor, select.POLLIN)
    return lambda: _until(lambda: bool(ends.poll()))


def _by_queue(parent: int) -> Callable[[], None]:
    """MacOS (kqueue(2), EVFILT_PROC)."""
    made: Any = select
    events = made.kqueue()
    event = made.kevent(parent, made.KQ_FILTER_PROC, made.KQ_EV_ADD, made.KQ_NOTE_EXIT)
    events.control([event], 0)
    return lambda: _until(lambda: bool(events.control(None, 1)))


def _by_number(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(POLL_SECONDS)


def _until(happened: Callable[[], bool]) -> None:
    while not happened():
        pass
