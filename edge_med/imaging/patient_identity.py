"""A patient's identity, compared without being shown: hashes that mean nothing elsewhere."""

from __future__ import annotations

import hashlib
import re
import secrets
import unicodedata
from collections.abc import Iterable

KEY = secrets.token_hex(16)
"""Of this run of the program. Without it nobody can try names against the words, and it is written
nowhere."""

_BETWEEN = re.compile(r"[ -&(-/:-@\[-_{-~]+")
"""What may stand between the parts of a name: ASCII's signs, but for the apostrophes."""

_QUOTES = re.compile("['`\u2019]")
"""How apostrophes are written, or left out."""


def word(values: Iterable[str], key: str) -> str:
    """A word that is the same for the same values; empty if all of them are."""
    parts = [value.strip() for value in values]
    if not any(parts):
        return ""
    data = "\0".join(parts).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(data, key=key.encode(), digest_size=12).hexdigest()


def bare(name: str) -> str:
    """A name's parts, of any script: systems differ in case, and in what stands between them.

    The parts stay apart, since names that stand for others may be numbers: 1-11 isn't 11-1.
    """
    plain = unicodedata.normalize("NFKC", _QUOTES.sub("", name)).casefold()
    return _BETWEEN.sub(" ", plain).strip()


def figures(date: str) -> str:
    """A date's figures: old files have points between them."""
    return "".join(filter(str.isdecimal, date))
