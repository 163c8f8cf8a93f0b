"""While an answer is written: Ctrl-C ends it, and llama.cpp's log is shown if that is wanted."""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from edge_med.artifacts.safe_text import safe_text

NOTICE = "For research and education; never for diagnosis or treatment."


@contextmanager
def interruptible(cancel: Callable[[], bool]) -> Iterator[None]:
    """Let Ctrl-C end an answer between two steps of computing instead of in the midst of one.

    A second time interrupts at once, and so does the first while there is no answer.

    Args:
        cancel: ends the answers that have begun, and says whether there was one.
    """
    pressed: list[bool] = []

    def on_interrupt(_signal: int, _frame: FrameType | None) -> None:
        again = bool(pressed)
        pressed.append(True)
        if again or not cancel():
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, on_interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


class _SafeFormatter(logging.Formatter):
    """llama.cpp prints what it finds in a file, and that may be anything."""

    def format(self, record: logging.LogRecord) -> str:
        return safe_text(super().format(record))


@contextmanager
def shown_log(verbose: bool) -> Iterator[None]:  # noqa: FBT001 - the flag of that name
    """Show what llama.cpp logs, on stderr, if that is wanted."""
    logger = logging.getLogger("edge_med.llama_cpp")
    handler = logging.StreamHandler() if verbose else logging.NullHandler()
    handler.setFormatter(_SafeFormatter("%(name)s: %(message)s"))
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO if verbose else level)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
