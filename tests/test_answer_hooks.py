"""A program gets figures of each answer: how long it took, and nothing of what it says."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Iterator

import pytest

from edge_med import ContextOverflowError, MedGemma, Options, Piece
from edge_med.answer_hooks import Measured
from tests.conftest import Models

SHORT = Options(max_new_tokens=4, stop_loops=False)
LONG = Options(max_new_tokens=300, stop_loops=False, logit_bias={1: float("-inf")})
SECRET = "heart"


@pytest.fixture(scope="module")
def loaded(model: Models) -> Iterator[MedGemma]:
    with MedGemma.load(model("text", "F32"), context=512, threads=1) as loaded:
        yield loaded


@pytest.fixture
def found(loaded: MedGemma) -> Iterator[list[Measured]]:
    measured: list[Measured] = []
    loaded.on_answer = measured.append
    yield measured
    loaded.on_answer = None


def test_an_answer_is_measured_once(loaded: MedGemma, found: list[Measured]) -> None:
    answer = loaded.ask(SECRET, options=SHORT)
    (one,) = found
    assert (one.finish_reason, one.usage) == (answer.finish_reason, answer.usage)
    assert (one.timings, one.error) == (answer.timings, None)
    assert one.seconds >= answer.timings.first_token


def test_one_of_asyncio_likewise(loaded: MedGemma, found: list[Measured]) -> None:
    answer = asyncio.run(loaded.ask_async(SECRET, options=SHORT))
    assert [one.usage for one in found] == [answer.usage]


def test_a_turn_likewise(loaded: MedGemma, found: list[Measured]) -> None:
    answer = loaded.chat(options=SHORT).send(SECRET)
    assert [one.usage for one in found] == [answer.usage]


def test_nothing_of_the_text_is_in_it(loaded: MedGemma, found: list[Measured]) -> None:
    answer = loaded.ask(SECRET, options=SHORT)
    assert answer.text
    assert answer.text not in repr(found)
    assert SECRET not in repr(found)


def test_an_error_has_its_name(loaded: MedGemma, found: list[Measured]) -> None:
    with pytest.raises(ContextOverflowError):
        loaded.ask(f"{SECRET} " * 2000)
    (one,) = found
    assert (one.error, one.usage) == ("ContextOverflowError", None)


def test_an_answer_that_was_left_is_measured(loaded: MedGemma, found: list[Measured]) -> None:
    stream = loaded.stream(SECRET, options=LONG)
    next(stream)
    del stream
    (one,) = found
    assert (one.finish_reason, one.error) == (None, None)


def test_a_hook_that_fails_costs_no_answer(
    loaded: MedGemma, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_measured: Measured) -> None:
        raise RuntimeError("the exporter is down")

    loaded.on_answer = fail
    try:
        assert loaded.ask(SECRET, options=SHORT).usage.answer
    finally:
        loaded.on_answer = None
    assert "the exporter is down" in caplog.text
    assert [record.levelno for record in caplog.records if "hook" in record.message] == [
        logging.ERROR
    ]


def test_who_waits_for_others_learns_how_long(loaded: MedGemma) -> None:
    stream = loaded.stream(SECRET, options=LONG)
    next(event for event in stream if isinstance(event, Piece))
    waits: list[float] = []
    other = threading.Thread(
        target=lambda: waits.append(loaded.ask(SECRET, options=SHORT).timings.wait)
    )
    other.start()
    (end,) = list(stream)[-1:]
    other.join()
    assert waits[0] > 0.01
    assert end.answer.timings.wait < waits[0]  # type: ignore[union-attr]


def test_a_stream_that_is_begun_late_has_not_waited(loaded: MedGemma) -> None:
    stream = loaded.stream(SECRET, options=SHORT)
    threading.Event().wait(0.5)
    assert list(stream)[-1].answer.timings.wait < 0.4  # type: ignore[union-attr]
