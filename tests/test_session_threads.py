"""A conversation that several use: one answer at a time, and no turn is lost in silence."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge_med import BusyError, Conversation, MedGemma, Options
from tests.conftest import Models

SHORT = Options(max_new_tokens=4, stop_loops=False)


@pytest.fixture(scope="module")
def tiny(model: Models) -> Iterator[MedGemma]:
    with MedGemma.load(model("text", "F32"), context=512, threads=1) as loaded:
        yield loaded


@pytest.fixture
def chat(tiny: MedGemma) -> Conversation:
    chat = tiny.chat(options=SHORT)
    chat.send("the ribs")
    return chat


def test_of_several_threads_each_has_its_turn_or_an_error(chat: Conversation) -> None:
    said: list[str] = []
    refused: list[BusyError] = []

    def send(number: int) -> None:
        try:
            chat.send(f"question {number}")
            said.append(f"question {number}")
        except BusyError as error:
            refused.append(error)

    threads = [threading.Thread(target=send, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    asked = [message.text for message in chat.messages if message.role == "user"]
    assert sorted(asked[1:]) == sorted(said)
    assert len(said) + len(refused) == 8


CHANGES: dict[str, Callable[[Conversation], object]] = {
    "send": lambda chat: chat.send("the lungs"),
    "regenerate": lambda chat: chat.regenerate(),
    "edit": lambda chat: chat.edit(0, "the lungs"),
    "undo": lambda chat: chat.undo(),
    "instruct": lambda chat: chat.instruct("be brief"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_nothing_is_changed_while_a_stream_is_unfinished(
    change: Callable[[Conversation], object], chat: Conversation
) -> None:
    stream = chat.stream("the heart")
    next(stream)
    with pytest.raises(BusyError, match="being written"):
        change(chat)
    list(stream)
    assert [message.text for message in chat.messages][2] == "the heart"
    change(chat)


def test_another_conversation_is_not_loaded_meanwhile(chat: Conversation, tmp_path: Path) -> None:
    chat.save(tmp_path / "chat.json")
    stream = chat.stream("the heart")
    next(stream)
    with pytest.raises(BusyError):
        chat.load(tmp_path / "chat.json")


@pytest.mark.parametrize("leave", [lambda stream: stream.close(), lambda _: None])
def test_a_stream_that_was_left_is_over(
    leave: Callable[[object], None], chat: Conversation
) -> None:
    stream = chat.stream("the heart")
    next(stream)
    leave(stream)
    del stream
    gc.collect()
    chat.send("the lungs")
    assert len(chat.messages) == 4


def test_session_streams_are_turns_in_the_order_of_their_begin(
    chat: Conversation,
) -> None:
    first, second = chat.stream("the heart"), chat.stream("the lungs")
    list(second)
    list(first)
    asked = [message.text for message in chat.messages if message.role == "user"]
    assert asked == ["the ribs", "the lungs", "the heart"]
