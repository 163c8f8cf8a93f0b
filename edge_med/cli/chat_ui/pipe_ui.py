"""The chat in plain text: in a pipe, or in a dumb terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

from edge_med import _platform, documents
from edge_med.answers import Piece
from edge_med.artifacts.safe_text import safe_line, safe_text
from edge_med.cli.render.streaming import interruptible
from edge_med.cli.render.wrapping import say
from edge_med.errors import EdgeMedError

AGAIN = "Press Ctrl-C again, or Ctrl-D, to leave."


class PipeUI:
    """Lines from stdin, answers and lists to stdout, everything else to stderr."""

    def __init__(self, *, quiet: bool) -> None:
        """With `quiet` there is no progress and no notice."""
        self._quiet = quiet
        self._asks = sys.stdin is not None and sys.stdin.isatty()
        self._streams = sys.stdout.isatty()
        self.private = self._asks and self._streams and sys.stderr.isatty()
        self._answer: list[str] = []
        self._stage = ""
        self._pressed = False

    def read(self, prompt: str, *, status: str = "", text: str = "") -> str | None:
        """The next line; none in a pipe after Ctrl-C, which ends all of them."""
        if self._pressed and not self._asks:
            raise KeyboardInterrupt
        while True:
            try:
                if self._asks:
                    if text:  # it can't stand in the line
                        click.echo(safe_text(f"So far: {text}"), err=True)
                    click.echo(safe_line(prompt), nl=False, err=True)
                    _platform.await_line(sys.stdin.fileno())
                line = sys.stdin.buffer.readline(documents.MOST_BYTES + 1) if sys.stdin else b""
            except KeyboardInterrupt:
                if self._pressed or not self._asks:
                    raise
                self._pressed = True
                self.notice(f"\n{AGAIN}")
            else:
                self._pressed = False
                return documents.decode(line).rstrip("\n") if line else None

    def say(self, text: str) -> None:
        """To stdout."""
        click.echo(safe_text(text))

    def notice(self, text: str, *, always: bool = False) -> None:
        """To stderr."""
        from edge_med.cli.shared.hints import in_flags

        if always or not self._quiet:
            click.echo(safe_text(in_flags(text)), err=True)

    def fail(self, error: EdgeMedError) -> None:
        """In a pipe an error ends all: the lines to come were written for what has failed."""
        if not self._asks:
            raise error
        show_error(error)

    def progress(self, text: str) -> None:
        """Once a stage."""
        stage = text.partition(",")[0]
        if stage != self._stage:
            self._stage = stage
            self.notice(text)

    def piece(self, piece: Piece) -> None:
        """At once, or to be written once it is whole."""
        if piece.kind == "thought":
            click.echo(safe_text(piece.text), nl=False, err=True)
        elif self._streams:
            click.echo(safe_text(piece.text), nl=False)
        self._answer.append(piece.text if piece.kind == "answer" else "")

    @contextmanager
    def answering(self, cancel: Callable[[], bool]) -> Iterator[None]:
        """An answer ends with a line feed; Ctrl-C ends it early."""
        self._answer, self._stage = [], ""

        def stop() -> bool:
            self._pressed = True
            return cancel()

        with interruptible(stop):
            try:
                yield
            finally:
                if self._answer:
                    click.echo("" if self._streams else safe_text("".join(self._answer)))

    def confirm(self, question: str, *, otherwise: bool) -> bool:
        """Asks where somebody types."""
        if not self._asks:
            return otherwise
        reply = self.read(f"{question} [y/n] ")
        return (reply or "").strip().lower() in ("y", "yes")


def show_error(error: EdgeMedError) -> None:
    """An error in two lines."""
    from edge_med.cli import styled
    from edge_med.cli.shared.hints import in_flags

    say(error.message, first=f"{styled('error:', 'red')} ")
    say(in_flags(error.hint), first=f"{styled('hint:', 'cyan')} ")
