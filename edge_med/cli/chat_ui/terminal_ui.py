"""The chat in a terminal: edited lines, answers in Markdown, a status line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.status import Status
from rich.text import Text

from edge_med import _platform
from edge_med.answers import Piece
from edge_med.artifacts.safe_text import safe_line, safe_text
from edge_med.cli.chat_ui.line_editor import session
from edge_med.cli.chat_ui.pipe_ui import AGAIN, show_error
from edge_med.cli.render.markdown import Page
from edge_med.cli.render.streaming import interruptible
from edge_med.errors import EdgeMedError


class TerminalUI:
    """A terminal on stdin and stdout."""

    private = True

    def __init__(self, *, quiet: bool) -> None:
        """With `quiet` there is no progress and no notice."""
        self._quiet = quiet
        self._out = Console(highlight=False, markup=False, emoji=False)
        self._err = Console(highlight=False, markup=False, emoji=False, stderr=True)
        self._lines = session()
        self._status: Status | None = None
        self._page = Page(self._out)
        self._thinking = False
        self._pressed = False
        self._owed = False  # to say what a second Ctrl-C does

    def read(self, prompt: str, *, status: str = "", text: str = "") -> str | None:
        """A line that can be edited, with the status below it."""
        self._quieten()
        if self._owed:
            self.notice(AGAIN)
        self._owed = False
        toolbar = safe_line(status) or None
        while True:
            try:
                line = self._lines.prompt(safe_line(prompt), default=text, bottom_toolbar=toolbar)
            except EOFError:
                return None
            except KeyboardInterrupt:
                if self._pressed and not self._lines.default_buffer.text:
                    raise  # with something in the line it only throws that away
                self._pressed = True
                self.notice(AGAIN)
            else:
                self._pressed = False
                return line

    def say(self, text: str) -> None:
        """To stdout."""
        self._quieten()
        self._out.print(Text(safe_text(text)))

    def notice(self, text: str, *, always: bool = False) -> None:
        """To stderr."""
        from edge_med.cli.shared.hints import in_flags

        self._quieten()
        if always or not self._quiet:
            self._err.print(Text(safe_text(in_flags(text)), style="dim"))

    def fail(self, error: EdgeMedError) -> None:
        """Show two lines; the chat continues."""
        self._quieten()
        show_error(error)

    def progress(self, text: str) -> None:
        """Show a line that disappears before other output."""
        if self._quiet:
            return
        shown = Text(safe_line(text))
        if self._status is None:
            self._page.close()
            self._status = self._err.status(shown)
            self._status.start()
        self._status.update(shown)

    def piece(self, piece: Piece) -> None:
        """The answer as Markdown, a thought as it is."""
        self._calm()
        if piece.kind == "thought":
            self._thinking = True
            self._err.print(Text(safe_text(piece.text), style="dim italic"), end="", soft_wrap=True)
            return
        self._end_thought()
        self._page.add(piece.text)

    @contextmanager
    def answering(self, cancel: Callable[[], bool]) -> Iterator[None]:
        """An answer that Ctrl-C ends."""
        self._page = Page(self._out)

        def stop() -> bool:
            self._pressed = True
            return cancel()

        with interruptible(stop), _platform.unseen_typing():
            try:
                yield
            finally:
                self._quieten()
                self._end_thought()
                self._page.close()
        self._owed = self._pressed  # said once it is said how the answer ended

    def confirm(self, question: str, *, otherwise: bool) -> bool:
        """Asks."""
        reply = self.read(f"{question} [y/n] ")
        return (reply or "").strip().lower() in ("y", "yes")

    def _quieten(self) -> None:
        """End what is redrawn: the line of progress, and the block that is being written."""
        self._calm()
        self._page.close()

    def _calm(self) -> None:
        """Take the line of progress away."""
        if self._status is not None:
            self._status.stop()
            self._status = None

    def _end_thought(self) -> None:
        if self._thinking:
            self._err.print()
            self._thinking = False
