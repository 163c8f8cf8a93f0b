"""Whose an image is, compared without being told: words that mean nothing outside of a program."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable

KEY = secrets.token_hex(16)
"""Of this run of the program. Without it nobody can try names against the words, and it is written
nowhere."""


def word(values: Iterable[str], key: str) -> str:
    """A word that is the same for the same values; empty if all of them are."""
    given = [value.strip() for value in values]
    if not any(given):
        return ""
    told = "\0".join(given).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(told, key=key.encode(), digest_size=12).hexdigest()


def bare(name: str) -> str:
    """A name's letters and figures: systems differ in how they write the rest."""
    return "".join(filter(str.isalnum, name.upper()))
