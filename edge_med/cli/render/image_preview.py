"""A picture in the terminal: two pixels a character, or its shades where there is no colour."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from rich.console import Console
    from rich.text import Text

    Pixels = npt.NDArray[np.uint8]

WIDTH = 56
"""Columns: enough to make out what is in a chest X-ray, and less than any terminal has."""

RAMP = " .:-=+*#%@"
"""From dark to bright."""


def show(pixels: Pixels, console: Console, width: int = WIDTH) -> None:
    """Print a picture, so many columns wide or as many as there are.

    Args:
        pixels: grey levels of shape (height, width), or RGB of shape (height, width, 3).
        console: console to print to, in colours if it has some.
        width: number of columns.
    """
    from rich.text import Text

    columns = max(2, min(width, console.width))
    rows = max(1, round(columns * pixels.shape[0] / pixels.shape[1] / 2))
    grey = pixels if pixels.ndim == 2 else pixels.mean(axis=2)
    small = _shrunk(grey, 2 * rows, columns)
    colours = console.color_system and not console.no_color
    lines = _blocks(small) if colours else map(Text, _characters(small))
    for line in lines:
        console.print(line, soft_wrap=True)


def _shrunk(grey: npt.NDArray[Any], rows: int, columns: int) -> npt.NDArray[Any]:
    """The means of the parts that fall into each cell."""
    import numpy as np

    height, width = grey.shape
    down, across = (np.arange(n) * size // n for n, size in ((rows, height), (columns, width)))
    sums = np.add.reduceat(np.add.reduceat(grey.astype(np.float64), down, 0), across, 1)
    counts = np.diff(down, append=height)[:, None] * np.diff(across, append=width)[None, :]
    means: npt.NDArray[Any] = (sums / np.maximum(counts, 1)).astype(int)
    return means


def _blocks(small: npt.NDArray[Any]) -> list[Text]:
    """Half blocks: the upper pixel is the ink, the lower one the ground."""
    from rich.text import Text

    lines = []
    for upper, lower in zip(small[::2], small[1::2], strict=True):
        line = Text()
        for a, b in zip(upper, lower, strict=True):
            line.append("▀", f"rgb({a},{a},{a}) on rgb({b},{b},{b})")
        lines.append(line)
    return lines


def _characters(small: npt.NDArray[Any]) -> list[str]:
    """One character for two pixels, since it is about twice as high as wide."""
    both = (small[::2] + small[1::2]) // 2
    return ["".join(RAMP[value * len(RAMP) // 256] for value in row).rstrip() for row in both]
