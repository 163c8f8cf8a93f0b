"""The chat's terminal: what is told amid an answer stands beside it, and not under it."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from devtools.terminal import Screen, feed
from edge_med.answers import Piece
from edge_med.cli.chat_ui import terminal_ui
from edge_med.cli.chat_ui.terminal_ui import TerminalUI
from edge_med.cli.render import markdown


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """What both consoles of a terminal write."""
    file = io.StringIO()

    def console(**how: object) -> Console:
        kept = {name: value for name, value in how.items() if name != "stderr"}
        return Console(file=file, force_terminal=True, width=60, height=30, **kept)  # type: ignore[arg-type]

    monkeypatch.setattr(terminal_ui, "Console", console)
    monkeypatch.setattr(terminal_ui, "session", lambda: None)
    monkeypatch.setattr(markdown, "REDRAWN", 0.0)
    return file


def test_a_notice_amid_an_answer_is_seen_and_every_word_of_the_answer_once(
    written: io.StringIO,
) -> None:
    shown = TerminalUI(quiet=False)
    with shown.answering(lambda: False):
        shown.piece(Piece("answer", "the heart " * 8, (1,)))
        shown.notice("The answer repeated itself.")
        shown.piece(Piece("answer", "the lungs", (1,)))
    screen = Screen(60, 30)
    feed(screen, written.getvalue())
    text = "\n".join(screen.display)
    assert text.index("heart") < text.index("The answer repeated itself.") < text.index("lungs")
    assert text.count("heart") == 8
    assert text.count("lungs") == 1
