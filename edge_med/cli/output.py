"""Values as JSON that every reader takes."""

from __future__ import annotations

from typing import Any


def plain(value: Any) -> Any:
    """Without numbers that JSON doesn't know: a banned token has no finite log-probability."""
    if isinstance(value, dict):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in value]
    return None if value in (float("inf"), float("-inf")) else value
