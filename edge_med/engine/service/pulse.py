"""Whether the engine goes on: it beats at every step, and somebody watches that it does."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from edge_med import _platform

TICK = 0.5
"""Seconds between two looks, of a patience that is long enough for several."""

LOOKS = 20
"""At least, before it is called a standstill."""

LOCKED = 20.0
"""Seconds of all cores' computing without a look. What keeps Python's lock, as a regular expression
without end does, keeps this thread from looking too; the system ends the process then."""

JUMP = 5.0
"""Ticks that pass in one: the process was stopped, or the machine slept; time counts anew."""

OPENING = 6.0
"""Times the patience, for opening a model, which has no steps."""


class Pulse:
    """Steps of the engine; it is written in one thread, and read in another."""

    def __init__(self) -> None:
        self._beats = 0
        self._resting = False

    def beat(self) -> None:
        """A step is done."""
        self._beats += 1
        self._resting = False

    def rest(self) -> None:
        """There is nothing to do."""
        self._beats += 1
        self._resting = True

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Somebody else is waited for, however long that takes."""
        before, self._resting = self._resting, True
        try:
            yield
        finally:
            self._beats += 1
            self._resting = before

    def watch(self, patience: float, stalled: Callable[[], None]) -> None:
        """Watch in a thread for a standstill.

        Args:
            patience: seconds of this process's own running, without a step.
            stalled: called once.
        """
        threading.Thread(
            target=self._watch, args=(patience, stalled), name="pulse", daemon=True
        ).start()

    def _watch(self, patience: float, stalled: Callable[[], None]) -> None:
        tick, locked = min(TICK, patience / LOOKS), LOCKED * _platform.usable_cores()
        known, still, last = self._beats, 0.0, time.monotonic()
        while still < patience * (1 if self._beats else OPENING):
            _platform.end_after_computing(locked)
            time.sleep(tick)
            now = time.monotonic()
            passed, last = now - last, now
            if self._resting or self._beats != known or passed > JUMP * tick:
                known, still = self._beats, 0.0
            else:
                still += passed
        stalled()
