"""What a conversion has found out and the user should know: said on the screen and in JSON."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Told:
    """A sentence for people, and a code for programs, as notices of answers have."""

    code: str
    text: str


def listed(names: list[str], most: int = 3) -> str:
    """Some of many names, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
