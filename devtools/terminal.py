"""A real terminal for a test: pexpect types, and pyte shows what a user would see."""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyte

PATIENCE = 30.0
"""Seconds until something must be seen; a machine that is busy takes its time."""

PROMPT = re.compile(r"(\[.*\] )?\d+>")
"""Of the chat, with nothing entered yet."""


class Screen(pyte.Screen):  # type: ignore[misc]  # pyte has no types
    """A screen that remembers what nobody but a user should change."""

    def __init__(self, columns: int, lines: int) -> None:
        super().__init__(columns, lines)
        self.changed: list[str] = []
        self.replied: list[str] = []

    def write_process_input(self, data: str) -> None:
        """What the terminal says of itself when it is asked."""
        self.replied.append(data)

    def set_title(self, param: str) -> None:
        self.changed.append(f"title {param}")

    def set_icon_name(self, param: str) -> None:
        self.changed.append(f"icon {param}")


def feed(screen: Screen, text: str) -> None:
    """Show a text as a terminal does that ends lines by line feeds alone."""
    pyte.Stream(screen).feed(text.replace("\n", "\r\n"))


def _heed_ctrl_c() -> None:
    """As a terminal's programs do; those that a shell starts in the background don't."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Terminal:
    """`edge-med` in a pseudo terminal, ended with the block."""

    def __init__(
        self,
        *arguments: object,
        cwd: Path,
        term: str = "xterm-256color",
        size: tuple[int, int] = (100, 40),
        patience: float = PATIENCE,
    ) -> None:
        """Begin it.

        Args:
            arguments: of the command line.
            cwd: where it runs, and what EDGE_MED_HOME is.
            term: the terminal's name.
            size: columns and lines.
            patience: seconds until something must be seen.
        """
        import pexpect

        columns, lines = size
        self._patience = patience
        self.screen = Screen(columns, lines)
        self._stream = pyte.ByteStream(self.screen)
        self.raw = b""
        kept = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES")}
        self._child: Any = pexpect.spawn(
            sys.executable,
            ["-m", "edge_med", *map(str, arguments)],
            cwd=str(cwd),
            env={**kept, "TERM": term, "EDGE_MED_HOME": str(cwd), "PYTHONPATH": str(Path.cwd())},
            dimensions=(lines, columns),
            preexec_fn=_heed_ctrl_c,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._child.close(force=True)

    @property
    def text(self) -> str:
        """What is on the screen."""
        return "\n".join(line.rstrip() for line in self.screen.display).rstrip()

    @property
    def waits(self) -> bool:
        """Whether the cursor stands behind the chat's empty prompt."""
        return bool(PROMPT.fullmatch(self.screen.display[self.screen.cursor.y].strip()))

    def type(self, keys: str) -> None:
        """Press keys."""
        self._child.send(keys)

    def see(self, what: str | Callable[[str], bool]) -> str:
        """Wait until something is on the screen; returns all of it."""
        shown = what if callable(what) else lambda text: what in text
        until = time.monotonic() + self._patience
        while not shown(self.text):
            assert self._pump() or shown(self.text), f"it has ended:\n{self.text}"
            assert time.monotonic() < until, f"{what} isn't seen:\n{self.text}"
        return self.text

    def ended(self) -> int:
        """Wait for the end; returns the exit code."""
        until = time.monotonic() + self._patience
        while self._pump():
            assert time.monotonic() < until, f"it goes on:\n{self.text}"
        self._child.close()
        return int(self._child.exitstatus)

    def _pump(self) -> bool:
        """Take what has been written; whether it goes on."""
        import pexpect

        try:
            data = self._child.read_nonblocking(1 << 16, timeout=0.05)
        except pexpect.TIMEOUT:
            return True
        except pexpect.EOF:
            return False
        self.raw += data
        self._stream.feed(data)
        while self.screen.replied:
            self._child.send(self.screen.replied.pop(0))
        return True
