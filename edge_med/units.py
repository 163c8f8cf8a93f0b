"""Sizes of memory and files: powers of two, in GiB wherever they are shown."""

from __future__ import annotations

import re

from edge_med.errors import UsageError

GIB = 1 << 30
"""Bytes of a gibibyte."""

SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(MB|MIB|M|GB|GIB|G)?", re.IGNORECASE)
"""A size as people write it."""


def parse_size(text: str) -> int:
    """A size in bytes, such as 16GB or 512MB. Memory is sold in powers of two: 16GB are 16 GiB.

    Raises:
        UsageError: it is none.
    """
    found = SIZE.fullmatch(text)
    if not found or float(found[1]) <= 0:
        raise UsageError(f"'{text}' isn't a size of memory.", "Write it as 16GB or 512MB.")
    small = (found[2] or "G").upper().startswith("M")
    return int(float(found[1]) * ((1 << 20) if small else GIB))
