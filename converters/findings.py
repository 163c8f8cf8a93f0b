"""Lists in the messages of a conversion, cut after a few names."""

from __future__ import annotations


def listed(names: list[str], most: int = 3) -> str:
    """Some of many names, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
