"""What is logged, on stderr: warnings of ours always, and what llama.cpp says if it is wanted."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from edge_med.artifacts.safe_text import safe_text

OURS, LLAMA_CPP = "edge_med", "edge_med.llama_cpp"


class _SafeFormatter(logging.Formatter):
    """llama.cpp prints what it finds in a file, and that may be anything."""

    def format(self, record: logging.LogRecord) -> str:
        return safe_text(super().format(record))


@contextmanager
def shown_warnings() -> Iterator[None]:
    """Show our own warnings, such as those of `--memory warn`."""
    handler = _handler("%(message)s")
    handler.setLevel(logging.WARNING)
    handler.addFilter(lambda record: record.name != LLAMA_CPP)
    logger = logging.getLogger(OURS)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


@contextmanager
def shown_log(verbose: bool) -> Iterator[None]:  # noqa: FBT001 - the flag of that name
    """Show what llama.cpp logs, if that is wanted."""
    if not verbose:
        yield
        return
    logger, handler = logging.getLogger(LLAMA_CPP), _handler("%(name)s: %(message)s")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


def _handler(form: str) -> logging.Handler:
    handler = logging.StreamHandler()
    handler.setFormatter(_SafeFormatter(form))
    return handler
