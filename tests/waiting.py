"""Waiting for what sends no event: bounded, and it says what wasn't seen."""

from __future__ import annotations

import time
from collections.abc import Callable


def until(condition: Callable[[], bool], what: str, seconds: float = 20) -> None:
    """Look until something is so; on a busy machine that takes its time.

    Where an event, a queue or a thread's end can be waited for, wait for that instead.
    """
    over = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < over, f"not seen in {seconds} s: {what}"
        time.sleep(0.005)
