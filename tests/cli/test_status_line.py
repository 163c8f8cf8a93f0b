"""The line that says what the model is doing, on a terminal that keeps what it is sent."""

from __future__ import annotations

import io

import pytest
import rich.console

from edge_med.answers import Progress
from edge_med.cli.render.status_line import StatusLine

ERASE, COLOUR = "\x1b[2K", "\x1b[3"


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """What a terminal on stderr gets."""
    sent, real = io.StringIO(), rich.console.Console
    monkeypatch.setenv("TERM", "xterm")

    def console(*, stderr: bool) -> rich.console.Console:
        assert stderr
        return real(file=sent, force_terminal=True, width=80)

    monkeypatch.setattr(rich.console, "Console", console)
    return sent


def test_progress_is_shown_with_the_time_that_is_left(terminal: io.StringIO) -> None:
    with StatusLine(hidden=False) as live:
        live.show(Progress("read", 512, 2048, 12.4))
    assert "reading, 512 of 2048 tokens, 12 s left" in terminal.getvalue()


def test_a_stage_of_one_step_has_no_numbers(terminal: io.StringIO) -> None:
    with StatusLine(hidden=False) as live:
        live.show(Progress("encode", 0, 1, None))
    assert "looking at the image" in terminal.getvalue()
    assert "tokens" not in terminal.getvalue()


def test_of_several_images_it_says_which_is_looked_at(terminal: io.StringIO) -> None:
    with StatusLine(hidden=False) as live:
        live.images = 3
        for _ in range(2):
            live.show(Progress("encode", 0, 1, None))
            live.show(Progress("encode", 1, 1, 0.0))
    assert "looking at image 3 of 3" in terminal.getvalue()


def test_the_line_is_erased_before_the_answer_begins(terminal: io.StringIO) -> None:
    with StatusLine(hidden=False) as live:
        live.show(Progress("load", 0, 1, None))
        before = len(terminal.getvalue())
        live.clear()
        assert ERASE in terminal.getvalue()[before:]


def test_no_color_leaves_out_colours(
    terminal: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    for no_color, coloured in (("", True), ("1", False)):
        monkeypatch.setenv("NO_COLOR", no_color)
        terminal.truncate(0)
        with StatusLine(hidden=False) as live:
            live.show(Progress("load", 0, 1, None))
        assert (COLOUR in terminal.getvalue()) is coloured


def test_quiet_shows_nothing(terminal: io.StringIO) -> None:
    with StatusLine(hidden=True) as live:
        live.show(Progress("read", 512, 2048, 12.4))
    assert terminal.getvalue() == ""
