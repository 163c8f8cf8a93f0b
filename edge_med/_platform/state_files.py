"""Small JSON files of our state: what they hold only saves work, so none of them is an error."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any


def read(path: Path) -> Any:
    """What a file holds; None if there is none, or none that can be read."""
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return None


def write(path: Path, value: object) -> None:
    """Write a file that only its owner can read, and its folder; not at all if that can't be."""
    from edge_med import _platform

    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        _platform.write_private(path, json.dumps(value, indent=1).encode())
