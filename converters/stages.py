"""Where a conversion's time goes: seconds of work by stage, added up over all threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal, TypeVar, get_args

T = TypeVar("T")

Stage = Literal["read", "widen", "quantize", "hash", "write", "sync"]
STAGES: tuple[Stage, ...] = get_args(Stage)


class Stopwatch:
    """Adds up the seconds of each stage; any thread may use it.

    Work is measured in processor time of the thread, waiting for the disk in time of the clock.
    """

    def __init__(self) -> None:
        self._seconds: dict[Stage, float] = dict.fromkeys(STAGES, 0.0)
        self._lock = threading.Lock()

    @contextmanager
    def time(self, stage: Stage) -> Iterator[None]:
        """Count the block to a stage."""
        clock = _CLOCKS[stage]
        start = clock()
        try:
            yield
        finally:
            spent = clock() - start
            with self._lock:
                self._seconds[stage] += spent

    def timed(self, stage: Stage, work: Callable[[T], None], data: T) -> None:
        """Do something with data, and count it to a stage."""
        with self.time(stage):
            work(data)

    def seconds(self) -> dict[Stage, float]:
        """The seconds of every stage so far."""
        with self._lock:
            return dict(self._seconds)


_CLOCKS: dict[Stage, Callable[[], float]] = {
    "read": time.perf_counter,
    "widen": time.thread_time,
    "quantize": time.thread_time,
    "hash": time.thread_time,
    "write": time.perf_counter,
    "sync": time.perf_counter,
}
