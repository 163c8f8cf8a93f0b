"""How busy the machine is."""

from __future__ import annotations

import os


def load() -> float | None:
    """Programs that want to compute, on average of the last minute; None where it isn't known."""
    try:
        return os.getloadavg()[0]
    except (AttributeError, OSError):  # Windows has no such figure
        return None
