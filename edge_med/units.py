"""Sizes of memory and files: powers of two, in GiB wherever they are shown."""

from __future__ import annotations

import re

from edge_med.errors import UsageError

MIB = 1 << 20
"""Bytes of a mebibyte."""

GIB = 1 << 30
"""Bytes of a gibibyte."""

SMALL = GIB // 10
"""Bytes below which two digits of a GiB say little: the files of micro have 0.002 GiB."""

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


def show_size(size: float) -> str:
    """A size with its unit: `3.10 GiB`, and below a tenth of a GiB `2.2 MiB`."""
    return f"{size / MIB:.1f} MiB" if abs(size) < SMALL else f"{size / GIB:.2f} GiB"


def gib(size: float, digits: int = 2) -> str:
    """The number alone, for a column or a sentence that names GiB; small ones have a digit more."""
    return f"{size / GIB:.{digits + (abs(size) < SMALL)}f}"
