"""What has come for the engine: requests that wait, and calls to be ended.

Only the engine's own thread looks in here. What arrives, arrives in a queue that a signal handler
may write to as well.
"""

from __future__ import annotations

import queue
from collections import deque

from edge_med.engine.service.protocol import Cancel, Close, Leave, Submit, ToEngine


class Inbox:
    """Requests in the order they came, until the end."""

    def __init__(self, arrivals: queue.SimpleQueue[ToEngine]) -> None:
        """Of a queue that callers write to."""
        self._arrivals = arrivals
        self._waiting: deque[Submit] = deque()
        self._cancelled: set[int] = set()
        self._left: set[int] = set()
        self._closed = False

    def take(self) -> Submit | None:
        """What came first, when it has come; None once all is closed and everything taken."""
        self._look()
        self._forget_left()
        while not self._waiting:
            if self._closed:
                return None
            self._sort(self._arrivals.get())
            self._look()
        return self._waiting.popleft()

    def is_cancelled(self, call: int) -> bool:
        """Whether a call is to be ended, by what has arrived until now."""
        self._look()
        return self._closed or call in self._cancelled

    def _look(self) -> None:
        while not self._arrivals.empty():
            self._sort(self._arrivals.get())

    def _sort(self, message: ToEngine) -> None:
        match message:
            case Submit():
                self._waiting.append(message)
            case Cancel(call):
                self._cancelled.add(call)
            case Leave(call):
                self._cancelled.add(call)
                self._left.add(call)
            case Close():
                self._closed = True

    def _forget_left(self) -> None:
        """Of calls that were left, those of which nothing waits any more."""
        gone = self._left - {message.call for message in self._waiting}
        self._left -= gone
        self._cancelled -= gone
