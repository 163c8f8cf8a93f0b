"""Findings of a conversion for the user: shown on the screen, in JSON and in the manifest."""

from __future__ import annotations


def listed(names: list[str], most: int = 3) -> str:
    """Some of many names, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
