"""Draw a sheet of phantoms with their findings: docs/pictures/phantoms.png.

python -m devtools.micro.sheet docs/pictures/phantoms.png
"""

from __future__ import annotations

import argparse
from pathlib import Path

from PIL import Image

from devtools.micro.questions import LOCATED, place_of
from edge_med.demo.drawing import pixels
from edge_med.demo.phantom import phantom
from edge_med.imaging.boxes import PixelBox, draw

COLUMNS, ROWS, SIDE = 4, 2, 224


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("picture", type=Path)
    sheet = Image.new("RGB", (COLUMNS * SIDE, ROWS * SIDE))
    for number in range(COLUMNS * ROWS):
        sheet.paste(boxed(number), (number % COLUMNS * SIDE, number // COLUMNS * SIDE))
    sheet.save(parser.parse_args().picture, optimize=True)


def boxed(seed: int) -> Image.Image:
    """A phantom with a box around all that can be asked for."""
    drawn = phantom(seed)
    boxes = []
    for name in LOCATED:
        if place := place_of(drawn, name):
            y0, x0, y1, x1 = (share * SIDE for share in place)
            boxes.append(PixelBox(name, x0, y0, x1, y1))
    return draw(Image.fromarray(pixels(drawn, SIDE)), boxes)


if __name__ == "__main__":
    main()
