"""On a real model an answer ends soon after somebody says so, wherever it is."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge_med import MedGemma, Options
from edge_med.answers import End, Event, Piece, Progress

pytestmark = pytest.mark.real

LONG = "The heart pumps blood through the body. " * 700


@pytest.fixture(scope="module")
def gemma(real_model: Callable[[str], Path]) -> Iterator[MedGemma]:
    with MedGemma.load(real_model("Q8_0"), context=8192) as model:
        yield model


def seconds_to_end(model: MedGemma, prompt: str, kind: type[Event]) -> tuple[float, End]:
    """Cancel a moment after the first event of a kind; how long it takes until the end."""
    pressed: list[float] = []

    def press() -> None:
        pressed.append(time.perf_counter())
        model.cancel()

    for event in model.stream(prompt, options=Options(max_new_tokens=4000, stop_loops=False)):
        if isinstance(event, kind) and not pressed:
            threading.Timer(0.3, press).start()
        if isinstance(event, End):
            return time.perf_counter() - pressed[0], event
    raise AssertionError


def test_reading_ends_within_a_second_and_what_was_read_is_kept(gemma: MedGemma) -> None:
    seconds, end = seconds_to_end(gemma, LONG, Progress)
    assert end.answer.finish_reason == "cancelled"
    assert seconds < 1
    again = gemma.ask(LONG, options=Options(max_new_tokens=1))
    assert 0 < again.usage.cached < again.usage.prompt


def test_writing_ends_within_a_token(gemma: MedGemma) -> None:
    seconds, end = seconds_to_end(gemma, "The heart", Piece)
    assert end.answer.finish_reason == "cancelled"
    assert end.answer.usage.answer > 1
    assert seconds < 3 / end.answer.timings.tokens_per_second + 0.1
