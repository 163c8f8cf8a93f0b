"""Requests that an engine hasn't answered to the end, and who waits for their replies."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from edge_med.answers import End, Score, Tokens
from edge_med.engine.service.protocol import Reply, RequestFailed, Submit, TokenIds
from edge_med.engine.tasks.raw_generate import RawEnd
from edge_med.errors import CancelledError, EdgeMedError

TRIES = 3
"""Engines that a request is sent to which none has begun to work on."""

LAST = (End, Tokens, Score, TokenIds, RawEnd, RequestFailed)
"""Replies after which nothing follows."""

Sink = Callable[[Reply], None]


@dataclass(slots=True)
class _Pending:
    submit: Submit
    sink: Sink | None
    begun: bool = False
    cancelled: bool = False
    tries: int = 1


class PendingRequests:
    """In the order in which they were sent; all methods may be called in any thread."""

    def __init__(self, lock: threading.RLock, unwanted: Callable[[int], None]) -> None:
        """None yet.

        Args:
            lock: the lock of whoever sends requests; no sink is called under it.
            unwanted: called with a call that nobody listens to any more.
        """
        self._lock, self._unwanted = lock, unwanted
        self._all: dict[int, _Pending] = {}

    def __len__(self) -> int:
        return len(self._all)

    @property
    def submits(self) -> list[Submit]:
        """All of them."""
        return [one.submit for one in self._all.values()]

    @property
    def begun(self) -> list[Submit]:
        """Those that the engine works on."""
        return [one.submit for one in self._all.values() if one.begun]

    def add(self, submit: Submit, sink: Sink) -> None:
        """A request that is about to be sent."""
        self._all[submit.number] = _Pending(submit, sink)

    def remove(self, number: int) -> None:
        """A request that couldn't be sent."""
        del self._all[number]

    def begin(self, number: int) -> None:
        """The engine works on a request."""
        with self._lock:
            if pending := self._all.get(number):
                pending.begun = True

    def cancel(self, call: int) -> None:
        """End a call."""
        for pending in self._all.values():
            pending.cancelled = pending.cancelled or pending.submit.call == call

    def forget(self, number: int) -> None:
        """Nobody waits for the replies to a request any more."""
        with self._lock:
            if pending := self._all.get(number):
                pending.sink = None

    def pass_on(self, number: int, reply: Reply) -> None:
        """Give a reply to whoever waits for it; what that raises ends the call."""
        last = isinstance(reply, LAST)
        with self._lock:
            pending = self._all.pop(number, None) if last else self._all.get(number)
        if pending is None or pending.sink is None:
            return
        try:
            pending.sink(reply)
        except BaseException:  # noqa: BLE001 - it has nobody behind it; the others must have theirs
            pending.sink = None
            self._unwanted(pending.submit.call)

    def fail(self, number: int, error: EdgeMedError) -> None:
        """A request ends with an error."""
        self.pass_on(number, RequestFailed(error))

    def fail_all(self, error: EdgeMedError) -> None:
        """All of them do."""
        for number in list(self._all):
            self.fail(number, error)

    def fail_hopeless(self, error: EdgeMedError) -> None:
        """End the requests that go to no other engine: left, cancelled, or tried often."""
        for number, one in list(self._all.items()):
            if one.cancelled or one.sink is None:
                self.fail(number, CancelledError("Stopped before it was begun.", "Ask again."))
            elif one.tries == TRIES:
                self.fail(number, error)
            one.tries += 1
