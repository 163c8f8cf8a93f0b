"""What pages that are written out of the sources have in common."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]

BEGIN = "<!-- made by: python -m scripts.pages -->"
"""Everything below this line of a page is made."""

MARKS = re.compile(r"\\(?!\|)|[<*\[$~]|\b_|_\b")
"""What would be Markdown or HTML."""


def made(path: Path) -> str:
    """What a page has below its mark."""
    return path.read_text("utf-8").partition(BEGIN)[2].strip()


def renew(path: Path, text: str) -> None:
    """Replace what a page has below its mark."""
    before = path.read_text("utf-8").partition(BEGIN)[0]
    path.write_text(f"{before}{BEGIN}\n\n{text.strip()}\n", "utf-8")


def cell(text: str) -> str:
    """A text in a table: what stands between backticks is code, and nothing else is Markdown."""
    flat = " ".join(text.split()).replace("|", "\\|")
    parts = re.split(r"(`[^`]*`)", flat)
    return "".join(part if at % 2 else MARKS.sub(r"\\\g<0>", part) for at, part in enumerate(parts))
