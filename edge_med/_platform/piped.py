"""What waits on an input that nobody reads."""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any

_INT = 4
"""Bytes of what FIONREAD writes (ioctl_tty(2))."""


def waiting(descriptor: int) -> int:
    """Bytes that could be read from a pipe or a file now; none are taken, and none are waited for.

    0 as well where that can't be asked, as on Windows.
    """
    try:
        fcntl: Any = importlib.import_module("fcntl")
        asked: int = importlib.import_module("termios").FIONREAD
        if os.isatty(descriptor):
            return 0
        return int.from_bytes(fcntl.ioctl(descriptor, asked, bytes(_INT)), sys.byteorder)
    except (ImportError, OSError):
        return 0
