"""An answer in Markdown while it is written: whole blocks stay, the last one is redrawn."""

from __future__ import annotations

import re
import time

from markdown_it import MarkdownIt
from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.markdown import Markdown
from rich.segment import Segment
from rich.style import Style

from edge_med.artifacts.safe_text import safe_text

_GAP = re.compile(r"\n[ \t]*\n(?=\S)")
"""Between blocks; what goes on indented belongs to the block before, such as a list's."""

_FENCE = re.compile(r"^ {0,3}(```|~~~)", re.MULTILINE)

_PARSER = (
    MarkdownIt("commonmark", {"html": False})
    .enable(["strikethrough", "table"])
    .disable(["entity", "image", "reference"])
)
"""Rich's, but for what would leave out words of the model's: `<x and y>`, `![x](y)`, `[x]: y`."""

REDRAWN = 0.1
"""Seconds between two drawings."""


class SafeMarkdown:
    """Markdown that shows what it holds, and does nothing else: no links, no control characters."""

    def __init__(self, text: str, last: int | None = None) -> None:
        """Of a text, all lines or only so many of the last."""
        self._text = text
        self._last = last

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        markdown = Markdown("", hyperlinks=False, code_theme="ansi_dark")
        markdown.parsed = _PARSER.parse(self._text)
        lines = console.render_lines(markdown, options, pad=False)
        for line in lines[-self._last :] if self._last else lines:
            safe = [_safe(segment) for segment in line if not segment.control]
            yield from Segment.adjust_line_length(safe, options.max_width, pad=False)
            yield Segment.line()


def _safe(segment: Segment) -> Segment:
    style = segment.style
    if style is not None and style.link:
        style = style.update_link(None)
    return Segment(safe_text(segment.text).replace("\n", ""), style or Style.null())


class Page:
    """An answer, as it comes in pieces, on a console; `close` it in any case."""

    def __init__(self, console: Console) -> None:
        """Nothing is shown yet."""
        self._console = console
        self._open = ""
        self._gap = False
        self._live: Live | None = None
        self._drawn = 0.0

    def add(self, text: str) -> None:
        """Show the next piece."""
        self._open += safe_text(text)
        while (block := _first_block(self._open)) is not None:
            self._settle(block)
            self._open = self._open[len(block) :].lstrip("\n")
        now = time.monotonic()
        if self._open.strip() and now - self._drawn >= REDRAWN:
            self._drawn = now
            self._draw()

    def close(self) -> None:
        """Leave everything as it is; what is added then begins a block of its own."""
        self._settle(self._open)
        self._open = ""

    def _draw(self) -> None:
        if self._live is None:
            self._part()
            self._live = Live(console=self._console, auto_refresh=False, transient=True)
            self._live.start()
        self._live.update(SafeMarkdown(self._open, self._console.height - 2), refresh=True)

    def _settle(self, block: str) -> None:
        """Write a block for good."""
        if self._live is not None:
            self._live.stop()
            self._live = None
        if block.strip():
            self._part()
            self._console.print(SafeMarkdown(block))
            self._gap = True

    def _part(self) -> None:
        """Leave a line between two blocks."""
        if self._gap:
            self._console.print()
        self._gap = False


def _first_block(text: str) -> str | None:
    """The text before the first gap that isn't within fences."""
    for gap in _GAP.finditer(text):
        if len(_FENCE.findall(text[: gap.start()])) % 2 == 0:
            return text[: gap.end()]
    return None
