"""Draw micro's learning curve from the log of its training.

python -m devtools.micro.curve models/micro/log.jsonl docs/pictures/micro-curve.svg
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

WIDTH, HEIGHT, MARGIN = 720, 320, 48
FLOOR, TOP = 0.02, 4.0
"""Losses at the lower and upper edge; their scale is logarithmic."""

HEAD = f"""\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif"
 font-size="12" stroke-width="1.2"><rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>"""

COLOURS = {"eyes": "gray", "words": "darkorange", "all": "steelblue", "boxes": "seagreen"}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("log", type=Path)
    parser.add_argument("picture", type=Path)
    options = parser.parse_args()
    lines = [json.loads(line) for line in options.log.read_text("utf-8").splitlines()]
    options.picture.write_text(picture([line for line in lines if "loss" in line]), "utf-8")


def picture(lines: Sequence[dict[str, Any]]) -> str:
    """The curve as SVG: the loss of all stages over the minutes of training."""
    minutes = timed(lines)
    last = max(minutes)
    parts = [HEAD, *[grid(loss) for loss in (0.03, 0.1, 0.3, 1.0, 3.0)]]
    together = zip(minutes, lines, strict=True)
    for stage, run in itertools.groupby(together, key=lambda pair: pair[1]["stage"]):
        points = [f"{across(minute / last):.1f},{down(line['loss']):.1f}" for minute, line in run]
        colour = COLOURS[stage]
        parts.append(f'<polyline fill="none" stroke="{colour}" points="{" ".join(points)}"/>')
    legend = ", ".join(f"{colour}: {stage}" for stage, colour in COLOURS.items())
    parts.append(
        f'<text x="{MARGIN}" y="{HEIGHT - 12}">loss over {last:.0f} minutes; {legend}</text>'
    )
    return "\n".join([*parts, "</svg>\n"])


def timed(lines: Sequence[dict[str, Any]]) -> list[float]:
    """Minutes since the beginning; seconds go back with each stage and where one goes on."""
    minutes: list[float] = []
    before = gone = 0.0
    for line in lines:
        if line["seconds"] < before:
            gone += before - line["seconds"]
        before = line["seconds"]
        minutes.append((gone + before) / 60)
    return minutes


def across(share: float) -> float:
    return MARGIN + share * (WIDTH - 2 * MARGIN)


def down(loss: float) -> float:
    share = math.log(min(max(loss, FLOOR), TOP) / FLOOR) / math.log(TOP / FLOOR)
    return HEIGHT - MARGIN - share * (HEIGHT - 2 * MARGIN)


def grid(loss: float) -> str:
    y = down(loss)
    return (
        f'<line x1="{MARGIN}" x2="{WIDTH - MARGIN}" y1="{y:.1f}" y2="{y:.1f}" stroke="#dddddd"/>'
        f'<text x="8" y="{y + 4:.1f}">{loss:g}</text>'
    )


if __name__ == "__main__":
    main()
