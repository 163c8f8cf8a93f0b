"""While an answer is written: its pieces are shown, and Ctrl-C ends it."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from types import FrameType
from typing import TYPE_CHECKING

import click

from edge_med.artifacts.safe_text import safe_text
from edge_med.cli.render.wrapping import say

if TYPE_CHECKING:
    from edge_med.answers import Answer, Event, Piece, PieceKind
    from edge_med.cli.render.status_line import StatusLine


def show_answer(
    events: Iterator[Event],
    live: StatusLine,
    *,
    shown: bool,
    thoughts: bool,
    codes: Callable[[str], bool] = lambda _code: False,
) -> Answer:
    """The whole answer at the end of a stream.

    Args:
        events: events of the stream.
        live: status line, which shows what the model is doing.
        shown: whether pieces of the answer go to stdout at once.
        thoughts: whether pieces of the thought go to stderr.
        codes: function that says of a notice's code whether it goes to stderr.
    """
    from edge_med.answers import End, Notice, Piece, Progress

    page = _Page(live, {"answer": shown, "thought": thoughts})
    with closing(page):
        for event in events:
            match event:
                case Progress():
                    live.show(event)
                case Piece():
                    page.add(event)
                case Notice(code, text) if codes(code):
                    page.close()
                    say(text)
                case End(answer):
                    return answer
    raise AssertionError("a stream ends with End")


def abort_if_cancelled(answer: Answer) -> Answer:
    """The answer, where one that Ctrl-C ended ends all.

    Raises:
        click.Abort: it did.
    """
    if answer.finish_reason == "cancelled":
        raise click.Abort
    return answer


def speed(answer: Answer) -> str:
    """How fast it was written."""
    rate = answer.timings.tokens_per_second
    return f"wrote {rate:.0f} tokens/s" if rate >= 10 else f"wrote {rate:.1f} tokens/s"


class _Page:
    """Pieces as they come: the answer to stdout, thoughts to stderr, each ended by a line feed."""

    def __init__(self, live: StatusLine, visible: Mapping[PieceKind, bool]) -> None:
        self._live = live
        self._visible = visible
        self._open: PieceKind | None = None

    def add(self, piece: Piece) -> None:
        if not self._visible[piece.kind]:
            self._live.write(piece.kind)
            return
        if self._open != piece.kind:
            self.close()
            self._open = piece.kind
        click.echo(safe_text(piece.text), nl=False, err=piece.kind == "thought")

    def close(self) -> None:
        self._live.clear()
        if self._open:
            click.echo(err=self._open == "thought")
        self._open = None


@contextmanager
def interruptible(cancel: Callable[[], bool]) -> Iterator[None]:
    """Let Ctrl-C end an answer between two steps of computing instead of in the midst of one.

    A second time interrupts at once, and so does the first while there is no answer.

    Args:
        cancel: function that ends the answers; true if there was one.
    """
    pressed: list[bool] = []

    def on_interrupt(_signal: int, _frame: FrameType | None) -> None:
        again = bool(pressed)
        pressed.append(True)
        if again or not cancel():
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, on_interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
