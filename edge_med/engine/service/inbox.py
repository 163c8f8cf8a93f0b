"""Where requests wait for the engine thread, and how they are cancelled, by whomever and whenever.

Signal handlers and finalizers run between any two steps of a thread, also of one that is just in
here. Hence a lock that a thread may take twice, and a flag that needs none.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

from edge_med.errors import UsageError

T = TypeVar("T")


class Cancellation:
    """Whether a call shall end."""

    __slots__ = ("_wanted",)

    def __init__(self) -> None:
        self._wanted = False

    def set(self) -> None:
        """End the call as soon as it can."""
        self._wanted = True

    def is_set(self) -> bool:
        """Whether it shall end."""
        return self._wanted


class Inbox(Generic[T]):
    """What waits for one thread, in the order it came, until that is closed."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._waiting: queue.SimpleQueue[T | None] = queue.SimpleQueue()
        self._calls: set[Cancellation] = set()
        self._closed = False

    @contextmanager
    def cancellable(self) -> Iterator[Cancellation]:
        """A call, of one request or of several; leaving the block ends it."""
        call = Cancellation()
        with self._lock:
            self._calls.add(call)
        try:
            yield call
        finally:
            call.set()
            with self._lock:
                self._calls.discard(call)

    def put(self, item: T) -> None:
        """Let something wait.

        Raises:
            UsageError: the inbox is closed.
        """
        with self._lock:
            if self._closed:
                raise UsageError("The model was closed.", "Load it again.")
            self._waiting.put(item)

    def take(self) -> T | None:
        """What came first, when it has come; None once the inbox is closed and everything taken."""
        return self._waiting.get()

    def cancel(self) -> bool:
        """End every call that has begun; says whether there was one."""
        with self._lock:
            calls = list(self._calls)
        for call in calls:
            call.set()
        return bool(calls)

    def close(self) -> None:
        """Take nothing more, cancel everything, and let the thread end."""
        with self._lock:
            self._closed = True
            self._waiting.put(None)
        self.cancel()

    def empty(self) -> list[T]:
        """Take nothing more; returns what nobody will take any more."""
        left: list[T] = []
        with self._lock:
            self._closed = True
            while not self._waiting.empty():
                item = self._waiting.get_nowait()
                left += [item] if item is not None else []
        return left
