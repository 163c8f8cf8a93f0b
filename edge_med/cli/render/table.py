"""Rows of text under each other, in columns as wide as a terminal shows them."""

from __future__ import annotations

from collections.abc import Collection, Sequence

Row = Sequence[str]


def columns(rows: Sequence[Row], left: Collection[int] = (0,)) -> list[str]:
    """Lines of a table; rich's would be cut at a width, and a pipe has none.

    Args:
        rows: rows of the same length, with the heading.
        left: numbers of the columns that are aligned to the left; the others are to the right.
    """
    from rich.cells import cell_len  # a Chinese character takes two places of a terminal

    widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]

    def cells(row: Row) -> list[str]:
        blanks = [" " * (width - cell_len(cell)) for cell, width in zip(row, widths, strict=True)]
        pairs = enumerate(zip(row, blanks, strict=True))
        return [cell + blank if n in left else blank + cell for n, (cell, blank) in pairs]

    return ["  ".join(cells(row)).rstrip() for row in rows]
