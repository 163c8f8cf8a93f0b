"""Rows of text under each other, the first column to the left and the others to the right."""

from __future__ import annotations

from collections.abc import Sequence

Row = Sequence[str]


def columns(rows: Sequence[Row], left: int = 1) -> list[str]:
    """Lines of a table.

    Args:
        rows: rows of the same length, with the heading.
        left: number of columns that are aligned to the left.
    """
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
    return [
        "  ".join(
            cell.ljust(width) if n < left else cell.rjust(width)
            for n, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
