"""Memory of native libraries that was freed, given back to the system."""

from __future__ import annotations

import ctypes
from contextlib import suppress


def give_back() -> None:
    """Have glibc give the system what was freed; other C libraries do that without being asked."""
    with suppress(OSError, TypeError, AttributeError):  # none of that name, or none of that kind
        ctypes.CDLL(None).malloc_trim(0)
