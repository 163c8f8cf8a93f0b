"""A picture in the terminal: two pixels a character, or its shades where there is no colour."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL import Image
    from rich.console import Console
    from rich.text import Text

WIDTH = 56
"""Columns: enough to make out what is in a chest X-ray, and less than any terminal has."""

RAMP = " .:-=+*#%@"
"""From dark to bright."""


def show(picture: Image.Image, console: Console, width: int = WIDTH) -> None:
    """Print a picture, so many columns wide or as many as there are."""
    from rich.text import Text

    columns = max(2, min(width, console.width))
    height = max(2, round(columns * picture.height / picture.width / 2) * 2)
    small = picture.convert("L").resize((columns, height))
    paint = _blocks if console.color_system else _characters
    for line in paint(small):
        console.print(line if isinstance(line, Text) else Text(line), soft_wrap=True)


def _blocks(small: Image.Image) -> list[Text]:
    """Half blocks: the upper pixel is the ink, the lower one the ground."""
    from rich.text import Text

    lines = []
    for y in range(0, small.height, 2):
        line = Text()
        for x in range(small.width):
            upper, lower = _grey(small, x, y), _grey(small, x, y + 1)
            line.append("▀", f"rgb({upper},{upper},{upper}) on rgb({lower},{lower},{lower})")
        lines.append(line)
    return lines


def _characters(small: Image.Image) -> list[str]:
    """Every other row, since a character is about twice as high as wide."""
    return [
        "".join(RAMP[_grey(small, x, y) * len(RAMP) // 256] for x in range(small.width)).rstrip()
        for y in range(0, small.height, 2)
    ]


def _grey(small: Image.Image, x: int, y: int) -> int:
    value: Any = small.getpixel((x, y))
    return int(value)
