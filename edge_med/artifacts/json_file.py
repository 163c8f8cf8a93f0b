"""Read a JSON object that somebody else has written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from edge_med.artifacts import lfs
from edge_med.errors import CheckpointError

MAX_JSON = 256 << 20  # Gemma 3's tokenizer.json has 33 MB

DAMAGED = "Download or copy the checkpoint again."


def refuse_pointer(path: Path) -> None:
    """Refuse what stands for a file that Git LFS has never fetched.

    Raises:
        CheckpointError: it is such a pointer.
    """
    if lfs.is_pointer(path):
        raise CheckpointError(lfs.words(path.name), lfs.NEXT)


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        CheckpointError: the file is too large, isn't JSON, or holds something else.
    """
    refuse_pointer(path)
    try:
        if path.stat().st_size > MAX_JSON:
            raise CheckpointError(f"{path.name} is far too large.", DAMAGED)
        data = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path.name} can't be read: {_reason(error)}.", DAMAGED) from None
    if not isinstance(data, dict):
        raise CheckpointError(f"{path.name} doesn't hold a JSON object.", DAMAGED)
    return data


def _reason(error: Exception) -> str:
    return (error.strerror or "unreadable") if isinstance(error, OSError) else "it isn't JSON"
