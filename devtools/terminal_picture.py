"""A terminal's screen as a picture in SVG, without fonts or scripts of anybody's."""

from __future__ import annotations

import re
from xml.sax.saxutils import escape

_SIZE, _LINE, _MARGIN, _BAR = 14, 20, 18, 34
"""Pixels: of the letters, from line to line, around the text, of the bar above it."""

_WIDTH = 0.6
"""Of a letter, in shares of its height: a little more than of common monospaced fonts."""

_GROUND, _TEXT, _ENTERED, _ASIDE = "#1d2326", "#d5dbdc", "#8fe0c8", "#8b979b"

_PROMPT = re.compile(r"(\$|(?:\[[^\]]*\] )?\d+>)( .*)?")
_NOTICE = re.compile(
    r"For research|It can be|A toy|about a real|micro-|MedGemma was|Image \d|Drawn in"
)


def picture(text: str) -> str:
    """The lines of a screen, those that were entered in another colour."""
    lines = text.splitlines()
    width = round(max(map(len, lines)) * _SIZE * _WIDTH) + 2 * _MARGIN
    height = len(lines) * _LINE + _MARGIN + _BAR
    rows = "".join(
        f'<text x="{_MARGIN}" y="{_BAR + (at + 1) * _LINE - 6}" fill="{_colour(line)}"'
        f' xml:space="preserve">{escape(line)}</text>\n'
        for at, line in enumerate(lines)
    )
    dots = "".join(
        f'<circle cx="{_MARGIN + 5 + 18 * at}" cy="17" r="5" fill="#4a5559"/>\n' for at in range(3)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}"'
        f' height="{height}" font-family="ui-monospace, Menlo, Consolas, monospace"'
        f' font-size="{_SIZE}">\n'
        f'<rect width="{width}" height="{height}" rx="8" fill="{_GROUND}"/>\n{dots}{rows}</svg>\n'
    )


def _colour(line: str) -> str:
    if _PROMPT.fullmatch(line):
        return _ENTERED
    return _ASIDE if _NOTICE.match(line) else _TEXT
