"""What of a stream goes where while it runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import cast

import click
import pytest

from edge_med.answers import Answer, End, Event, Piece, Progress
from edge_med.cli.render.status_line import StatusLine
from edge_med.cli.render.streaming import abort_if_cancelled, show_answer, speed
from edge_med.errors import SchemaError

ANSWER = cast(Answer, object())

Show = Callable[..., tuple[str, str]]


def stream(*, fails: bool = False) -> Iterator[Event]:
    yield Progress("read", 0, 1, None)
    yield Piece("thought", "let me", (1,))
    yield Piece("thought", " see\x1b[2J", (2,))
    yield Piece("answer", "yes", (3,))
    yield Piece("answer", "\x1b[2J.", (4,))
    if fails:
        raise SchemaError("It doesn't fit.", "Ask again.")
    yield End(ANSWER)


@pytest.fixture
def show(capsys: pytest.CaptureFixture[str]) -> Show:
    """What comes on stdout and stderr."""

    def run(*, shown: bool, thoughts: bool) -> tuple[str, str]:
        with StatusLine(hidden=True) as live:
            assert show_answer(stream(), live, shown=shown, thoughts=thoughts) is ANSWER
        out, err = capsys.readouterr()
        return out, err

    return run


def test_an_answer_is_shown_as_it_comes_and_made_safe(show: Show) -> None:
    assert show(shown=True, thoughts=False) == ("yes\\x1b[2J.\n", "")


def test_a_thought_goes_to_stderr_if_it_is_wanted(show: Show) -> None:
    assert show(shown=False, thoughts=True) == ("", "let me see\\x1b[2J\n")
    assert show(shown=True, thoughts=True) == ("yes\\x1b[2J.\n", "let me see\\x1b[2J\n")


def test_nothing_is_shown_of_what_comes_whole(show: Show) -> None:
    assert show(shown=False, thoughts=False) == ("", "")


def test_an_error_begins_on_a_line_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    with StatusLine(hidden=True) as live, pytest.raises(SchemaError):
        show_answer(stream(fails=True), live, shown=True, thoughts=False)
    assert capsys.readouterr().out == "yes\\x1b[2J.\n"


@pytest.mark.parametrize(
    ("rate", "told"), [(2373.4, "wrote 2373 tokens/s"), (0.42, "wrote 0.4 tokens/s")]
)
def test_a_slow_answer_is_told_to_a_tenth(rate: float, told: str) -> None:
    answer = SimpleNamespace(timings=SimpleNamespace(tokens_per_second=rate))
    assert speed(cast(Answer, answer)) == told


def test_an_answer_that_ctrl_c_ended_ends_all_where_it_is_one_of_several() -> None:
    whole = cast(Answer, SimpleNamespace(finish_reason="stop"))
    assert abort_if_cancelled(whole) is whole
    with pytest.raises(click.Abort):
        abort_if_cancelled(cast(Answer, SimpleNamespace(finish_reason="cancelled")))
