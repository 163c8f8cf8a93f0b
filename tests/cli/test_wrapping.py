"""Sentences on a terminal break at blanks; in a pipe they don't break at all."""

from __future__ import annotations

import os
from collections.abc import Callable

import click
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_med.cli.commands.verify import _print_run
from edge_med.cli.render import wrapping
from edge_med.engine.tasks.selftest import SelfTest
from tests.cli.conftest import Run

WORDS = st.lists(
    st.text("abcxyz-_/.é", min_size=1, max_size=30) | st.just("x" * 120), min_size=1, max_size=60
)


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.get_terminal_size", lambda **_: os.terminal_size((80, 24)))


@settings(max_examples=200)
@given(words=WORDS, used=st.integers(0, 20))
def test_no_word_is_broken_and_none_is_lost(words: list[str], used: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("shutil.get_terminal_size", lambda **_: os.terminal_size((80, 24)))
        shown = wrapping.wrapped(" ".join(words), used)
    assert shown.split() == words
    first, *rest = shown.splitlines()
    assert len(first) + used <= 80 or " " not in first.strip()
    assert all(len(line) <= 80 or " " not in line for line in rest)


@pytest.mark.usefixtures("narrow")
def test_a_line_that_fits_stays_as_it_is() -> None:
    assert wrapping.wrapped("two  blanks") == "two  blanks"


@pytest.mark.usefixtures("narrow")
def test_a_pipe_gets_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    wrapping.say("word " * 40, first="error: ")
    assert capsys.readouterr().err == f"error: {'word ' * 40}\n"


@pytest.mark.usefixtures("narrow")
def test_wrapping_counts_the_words_before_the_first_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    wrapping.say("word " * 40, first=click.style("error:", "red") + " ")
    lines = click.unstyle(capsys.readouterr().err).splitlines()
    assert len(lines) > 1
    assert all(len(line) <= 80 for line in lines)


@pytest.mark.usefixtures("narrow")
def test_what_is_found_of_a_model_is_told_in_lines_of_the_terminals_width(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for stream in ("stdout", "stderr"):
        monkeypatch.setattr(f"sys.{stream}.isatty", lambda: True, raising=False)
    _print_run(
        "medgemma-4b-it-Q4_K_M.gguf", SelfTest("cpu", True, 1.0, 0.0, True, None, ("word " * 40,))
    )
    shown = capsys.readouterr()
    assert shown.out.startswith("runs ")
    assert shown.err.startswith("note: medgemma-4b-it-Q4_K_M.gguf: word ")
    assert all(len(line) <= 80 for line in (shown.out + shown.err).splitlines())


def test_an_error_in_a_pipe_is_two_lines(edge_med: Callable[..., Run]) -> None:
    assert edge_med("plan", "a-model-that-is-nowhere").err.count("\n") == 2
