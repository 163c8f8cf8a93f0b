"""A call begins when it is wanted, keeps its model, and ends with its caller."""

from __future__ import annotations

import asyncio
import gc
import queue
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_med import MedGemma, Options, imaging
from edge_med.answers import Answer, End, Event, Piece
from edge_med.engine.service import host
from edge_med.engine.service.client import Client
from edge_med.engine.service.host import Host
from edge_med.engine.service.protocol import CountRequest, Reply, RequestFailed
from edge_med.engine.tasks.generate import GenerateRequest
from edge_med.errors import CancelledError, EdgeMedError, EngineError, ImageError, UsageError
from edge_med.messages import ImagePart, Message, TextPart
from edge_med.question import Question
from tests.conftest import Models
from tests.engine.llama.test_text_model import resident
from tests.waiting import until

SHORT = Options(max_new_tokens=5)
LONG = Options(max_new_tokens=8000, stop_loops=False, logit_bias={1: float("-inf")})


@pytest.fixture(scope="module")
def folder(model: Models) -> Path:
    return model("multimodal", "F32")


@pytest.fixture
def tiny(folder: Path) -> Iterator[MedGemma]:
    with MedGemma.load(folder, context=512, threads=1) as loaded:
        yield loaded


def client(model: MedGemma) -> Client:
    """What sends a model's requests, without the functions of `MedGemma` between."""
    return model._client


def end(events: list[Event]) -> Answer:
    last = events[-1]
    assert isinstance(last, End)
    return last.answer


def question(words: str = "x") -> tuple[Message, ...]:
    return (Message("user", (TextPart(words),)),)


def test_a_stream_keeps_its_model(folder: Path) -> None:
    events = list(MedGemma.load(folder, context=256, threads=1).stream("x", options=SHORT))
    assert end(events).usage.answer > 0


def test_a_stream_that_is_never_begun_computes_nothing(tiny: MedGemma) -> None:
    stream = tiny.stream("the heart", options=LONG)
    assert not tiny.cancel(), "nothing is waited for"
    del stream
    assert tiny.ask("x", options=SHORT).usage.cached <= 1, "nothing else was read"


def test_a_stream_says_at_once_what_is_wrong_with_its_arguments(tiny: MedGemma) -> None:
    with pytest.raises(ImageError):
        tiny.stream("x", image=b"nonsense")


def test_a_stream_of_a_model_that_was_closed_meanwhile_says_so(folder: Path) -> None:
    loaded = MedGemma.load(folder, context=256, threads=1)
    stream = loaded.stream("x")
    loaded.close()
    with pytest.raises(UsageError, match="closed"):
        next(stream)


def test_whoever_asks_while_the_model_is_closed_gets_an_answer_or_an_error(folder: Path) -> None:
    loaded = MedGemma.load(folder, context=256, threads=1)
    ended: list[object] = []

    def ask() -> None:
        try:
            while True:
                ended.append(loaded.ask("x", options=SHORT))
        except EdgeMedError as error:
            ended.append(error)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    loaded.close()
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()
    assert sum(isinstance(one, UsageError | CancelledError) for one in ended) == 8


def test_a_listener_that_fails_leaves_the_thread_to_the_others(tiny: MedGemma) -> None:
    def sink(_reply: Reply) -> None:
        raise RuntimeError("closed")

    with client(tiny).cancellable() as call:
        client(tiny).submit(GenerateRequest(Question(question(), LONG)), sink, call)
        assert tiny.ask("x", options=SHORT).usage.answer > 0


def test_a_closed_loop_leaves_the_thread_to_the_others(tiny: MedGemma) -> None:
    loop = asyncio.new_event_loop()
    stream = tiny.stream_async("the heart", options=LONG)
    loop.run_until_complete(anext(stream))
    loop.close()
    tiny.cancel()
    assert tiny.ask("x", options=SHORT).usage.answer > 0


def test_the_last_reference_may_go_in_the_engine_thread(folder: Path) -> None:
    others = threading.enumerate()
    loaded = MedGemma.load(folder, context=256, threads=1)
    (engine,) = (one for one in threading.enumerate() if one not in others)
    done = threading.Event()
    held = [loaded]

    def sink(reply: Reply) -> None:
        if isinstance(reply, End):
            held.clear()
            gc.collect()
            done.set()

    with client(loaded).cancellable() as call:
        client(loaded).submit(GenerateRequest(Question(question(), SHORT)), sink, call)
        del loaded
        assert done.wait(20)
    engine.join(20)
    assert not engine.is_alive()


class Death(BaseException):
    """What ends a thread."""


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_who_waits_for_a_thread_that_dies_is_told(
    tiny: MedGemma, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go = threading.Event(), threading.Event()
    engines = [one for one in threading.enumerate() if one.name == "edge-med engine"]

    def die(*_: object) -> None:
        begun.set()
        go.wait(20)
        raise Death

    monkeypatch.setattr(Host, "_work", die)
    replies: queue.SimpleQueue[Reply] = queue.SimpleQueue()
    with client(tiny).cancellable() as call:
        for _ in range(3):
            client(tiny).submit(CountRequest(Question(question(), Options())), replies.put, call)
        assert begun.wait(20)
        go.set()
        assert [type(replies.get(timeout=20)) for _ in range(3)] == [RequestFailed] * 3
    with pytest.raises(EngineError, match="has ended"):
        tiny.ask("x")
    client(tiny).connection.close()
    until(lambda: not all(thread.is_alive() for thread in engines), "the end of a thread")


def test_a_count_heeds_its_cancellation(tiny: MedGemma) -> None:
    with client(tiny).cancellable() as call:
        tiny.cancel()
        with pytest.raises(CancelledError):
            client(tiny).reply(CountRequest(Question(question(), Options())), call)


def test_a_chat_that_is_cancelled_while_it_counts_writes_nothing(
    tiny: MedGemma, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = host.count

    def cancelled(*arguments: Any) -> Any:
        tiny.cancel()
        return counted(*arguments)

    monkeypatch.setattr(host, "count", cancelled)
    chat = tiny.chat()
    with pytest.raises(CancelledError):
        chat.send("the heart", options=LONG)
    assert chat.messages == ()


def test_cancelled_answer_has_the_usage_of_its_prompt(
    tiny: MedGemma,
) -> None:
    with client(tiny).cancellable() as call:
        tiny.cancel()
        last = list(
            client(tiny).events(GenerateRequest(Question(question("the heart"), SHORT)), call)
        )
    assert end(last).finish_reason == "cancelled"
    assert end(last).usage.prompt == tiny.count("the heart").prompt


def test_cancelling_ends_calls_that_wait(tiny: MedGemma) -> None:
    streams = [tiny.stream("the heart", options=LONG) for _ in range(2)]
    next(event for event in streams[0] if isinstance(event, Piece))
    waiting: list[Event] = []
    other = threading.Thread(target=lambda: waiting.extend(streams[1]))
    other.start()
    until(lambda: client(tiny).calls == 2, "the second call")
    tiny.cancel()
    other.join(20)
    assert end(waiting).finish_reason == end(list(streams[0])).finish_reason == "cancelled"


def test_a_full_context_that_ends_an_answer_is_told(folder: Path) -> None:
    with MedGemma.load(folder, context=32, threads=1) as narrow:
        answer = narrow.ask("x", options=LONG)
    assert answer.finish_reason == "length"
    assert [notice.code for notice in answer.notices] == ["research_only", "context_full"]


def test_a_limit_that_ends_an_answer_is_no_news(tiny: MedGemma) -> None:
    answer = tiny.ask("x", options=Options(max_new_tokens=2))
    assert answer.finish_reason == "length"
    assert "context_full" not in [notice.code for notice in answer.notices]


@pytest.mark.parametrize("side", [55, 112])
def test_a_picture_of_another_size_than_the_models_is_refused(side: int, tiny: MedGemma) -> None:
    picture = imaging.open(np.zeros((8, 8, 3), np.uint8), side=side)
    with pytest.raises(ImageError, match="56 x 56"):
        tiny.ask("x", image=picture)
    with pytest.raises(ImageError, match="56 x 56"):
        tiny.ask([Message("user", (ImagePart(picture), TextPart("x")))])


def test_the_projector_takes_its_own_size_only(tiny: MedGemma) -> None:
    picture = imaging.open(np.zeros((8, 8, 3), np.uint8), side=112)
    messages = (Message("user", (ImagePart(picture), TextPart("x"))),)
    with pytest.raises(ImageError, match="56 x 56"):
        list(client(tiny).events(GenerateRequest(Question(messages, SHORT))))


def test_an_image_is_counted_as_it_is_asked(tiny: MedGemma) -> None:
    pixels = np.zeros((56, 56, 3), np.uint8)
    assert tiny.count("x", image=pixels) == tiny.count("x", images=[pixels])


@pytest.mark.parametrize("given", [{"options": {"seed": 1}}, {"images": None}, {"images": "a.png"}])
def test_an_argument_of_another_kind_is_refused(given: dict[str, Any], tiny: MedGemma) -> None:
    with pytest.raises(UsageError, match=next(iter(given))):
        tiny.ask("x", **given)


def test_a_stop_token_that_the_model_has_not_got_is_refused(tiny: MedGemma) -> None:
    with pytest.raises(UsageError, match="stop_ids names token 1000000000"):
        tiny.ask("x", options=Options(stop_ids=(10**9,)))


@pytest.mark.parametrize("given", [{"adapters": None}, {"adapters": 5}, {"model": None}])
def test_files_of_another_kind_are_refused(given: dict[str, Any], folder: Path) -> None:
    with pytest.raises(UsageError, match=r"isn't a list of files|neither a text nor a path"):
        MedGemma.load(**{"model": folder, **given})


LOADS, WARM = 25, 5
LEAK = 4 << 20
"""Bytes; a load that left its KV cache of 512 tokens would leave 40 MB after so many."""


def test_loading_and_asking_again_and_again_leaks_nothing(folder: Path) -> None:
    pixels = np.zeros((56, 56, 3), np.uint8)

    def load() -> None:
        with MedGemma.load(folder, context=512, threads=1) as loaded:
            loaded.ask("x", image=pixels, options=Options(max_new_tokens=1))

    def grown() -> int:
        before = resident()
        for _ in range(LOADS):
            load()
        return resident() - before

    for _ in range(WARM):
        load()
    # What leaks does so every time; what the allocator keeps for once doesn't.
    assert any(grown() < LEAK for _ in range(3))
