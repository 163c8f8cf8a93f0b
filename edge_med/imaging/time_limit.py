"""A decoder that takes too long is stopped, and an error is sent to its caller."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SECONDS = 0.5
"""Of computing, for a frame of any size; small ones take milliseconds."""

EACH = 1e-6
"""Seconds more for each number of it. JPEG 2000, the slowest, takes a twentieth of that."""

_SHORTEST = 0.02
"""Seconds between two looks at the clock."""

Report = Callable[[str], None]

_REPORT: list[Report] = []
"""Function that reports it and ends this process; none in a program that decodes by itself."""


def report_with(report: Report) -> None:
    """Say what is done with a reason to give up: it doesn't come back."""
    _REPORT[:] = [report]


@contextmanager
def within(numbers: int, what: str) -> Iterator[None]:
    """Let a frame of so many numbers be decoded for as long as one may take.

    A decoder can't be broken off, so this process ends with it.

    Args:
        numbers: number of values of the frame: pixels times colours.
        what: name of the image, for people.
    """
    if not _REPORT:
        yield
        return
    seconds, done, telling = SECONDS + numbers * EACH, threading.Event(), threading.Lock()
    watching = threading.Thread(
        target=_watch, args=(seconds, done, telling, what), daemon=True, name="patience"
    )
    watching.start()
    try:
        yield
    finally:
        with telling:  # or it has begun to tell, and this goes no further
            done.set()


def _watch(seconds: float, done: threading.Event, telling: threading.Lock, what: str) -> None:
    end = time.process_time() + seconds
    while not done.wait(max(_SHORTEST, end - time.process_time())):
        with telling:
            if time.process_time() >= end and not done.is_set():
                _REPORT[0](f"{what} takes more than {seconds:.1f} s to decode, so it was stopped.")
