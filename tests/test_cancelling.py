"""What a call that was cancelled gives: never an empty answer that looks like one."""

from __future__ import annotations

import asyncio
import copy
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from edge_med import CancelledError, End, MedGemma, Options, Piece
from edge_med.answers import Answer, Event, whole
from tests.conftest import Models
from tests.test_answers import ANSWER
from tests.waiting import until

LONG = Options(max_new_tokens=8000, stop_loops=False, logit_bias={1: float("-inf")})


@pytest.fixture(scope="module")
def tiny(model: Models) -> Iterator[MedGemma]:
    with MedGemma.load(model("multimodal", "F32"), context=4096, threads=1) as loaded:
        yield loaded


@pytest.fixture
def busy(tiny: MedGemma) -> Iterator[MedGemma]:
    """A model that writes an answer, so that others wait for theirs."""
    stream = tiny.stream("the heart", options=LONG)
    next(event for event in stream if isinstance(event, Piece))
    yield tiny
    tiny.cancel()
    assert [event for event in stream if isinstance(event, End)]


def cancelled(model: MedGemma, call: Callable[[], object]) -> CancelledError:
    """The error of a call that waits, and is cancelled then."""
    found: list[BaseException] = []

    def run() -> None:
        try:
            call()
        except CancelledError as error:
            found.append(error)

    before = model._client.calls
    thread = threading.Thread(target=run)
    thread.start()
    until(lambda: model._client.calls > before, "the call")
    model.cancel()
    thread.join(20)
    (error,) = found
    assert isinstance(error, CancelledError)
    return error


def test_a_question_that_waits_is_an_error_with_what_there_is(busy: MedGemma) -> None:
    error = cancelled(busy, lambda: busy.ask("the lungs", options=LONG))
    assert error.answer is not None
    assert (error.answer.text, error.answer.finish_reason) == ("", "cancelled")


def test_one_of_asyncio_likewise(busy: MedGemma) -> None:
    error = cancelled(busy, lambda: asyncio.run(busy.ask_async("the lungs", options=LONG)))
    assert error.answer is not None


def test_a_turn_that_waits_is_an_error_and_does_not_count(busy: MedGemma) -> None:
    chat = busy.chat(options=LONG)
    cancelled(busy, lambda: chat.send("the lungs"))
    assert chat.messages == ()


@pytest.mark.parametrize(
    "call",
    [
        lambda model: model.score("the heart", "is"),
        lambda model: model.choose("the heart", ["is", "was"]),
        lambda model: model.count("the heart"),
    ],
    ids=["score", "choose", "count"],
)
def test_others_are_errors_without_an_answer(
    call: Callable[[MedGemma], object], busy: MedGemma
) -> None:
    assert cancelled(busy, lambda: call(busy)).answer is None


def ended(answer: Answer, **options: Any) -> Answer:
    """What somebody gets who waits for an answer that is cancelled."""
    source = replace(answer.provenance, options=Options(**options))
    events: list[Event] = [End(replace(answer, finish_reason="cancelled", provenance=source))]
    return whole(iter(events))


def test_what_was_written_is_an_answer() -> None:
    assert ended(ANSWER).text == ANSWER.text


@pytest.mark.parametrize("form", [{"schema": {"type": "object"}}, {"grammar": 'root ::= "x"'}])
def test_an_answer_whose_form_is_not_complete_is_an_error(form: dict[str, Any]) -> None:
    with pytest.raises(CancelledError, match="before its form was complete") as caught:
        ended(ANSWER, **form)
    assert caught.value.answer is not None
    assert caught.value.answer.text == ANSWER.text


def test_spaces_are_no_answer() -> None:
    with pytest.raises(CancelledError, match="before a word"):
        ended(replace(ANSWER, text=" "))


def test_the_error_crosses_threads_whole(busy: MedGemma) -> None:
    error = cancelled(busy, lambda: busy.ask("the lungs", options=LONG))
    assert copy.copy(error).answer == error.answer
