"""How Hugging Face splits 1,000+ real texts; made by scripts/make_golden_tokenizations.py."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache

from devtools import GOLDEN

PATH = GOLDEN / "tokenizations.jsonl"
"""A line about the file, then one for each text."""

NOTICES = PATH.with_name("tokenizations-notices.txt")
"""Copyright and licences of the packages that the texts come from."""

SPECIAL = "special"
"""The kind of those texts that are ours; all others come from a package."""


@dataclass(frozen=True, slots=True)
class Tokenization:
    """A text, what it is, the package that it comes from, and its ids."""

    kind: str
    source: str
    text: str
    ids: list[int]


@cache
def tokenizations() -> tuple[Tokenization, ...]:
    """All of them."""
    _, *lines = PATH.read_bytes().splitlines()  # of bytes: breaks at \n and \r, which JSON escapes
    return tuple(Tokenization(*json.loads(line)) for line in lines)
