"""After a crash an engine is started anew, for what waits and for what comes."""

from __future__ import annotations

import dataclasses
import threading
from pathlib import Path

import pytest

from edge_med.answers import Tokens
from edge_med.config import Options
from edge_med.engine.service.client import Client
from edge_med.engine.service.host import Deliver
from edge_med.engine.service.link import Link
from edge_med.engine.service.protocol import (
    Cancel,
    CountRequest,
    EngineClosed,
    EngineSpec,
    Leave,
    Reply,
    RequestFailed,
    Submit,
    TokenizeRequest,
)
from edge_med.engine.service.wire import Packer
from edge_med.engine.tasks.generate import GenerateRequest
from edge_med.errors import ArtifactError, CancelledError, EngineError, PromptError, UsageError
from edge_med.question import Question
from tests.engine.service.transport import COUNT, CRASH, OPENED, SPEC, Transport


def test_a_crash_fails_what_was_running_and_the_next_call_starts_an_engine(
    client: Client, transport: Transport
) -> None:
    transport.answers = False
    replies: list[Reply] = []
    with client.cancellable() as call:
        client.submit(COUNT, replies.append, call)
        transport.deliver(EngineClosed(CRASH))
    assert replies == [RequestFailed(CRASH)]
    assert not client.alive
    transport.answers = True
    assert client.reply(COUNT) == Tokens(1, 0)
    assert [notice.code for notice in transport.specs[-1].notices] == ["restarted"]


def test_what_had_waited_is_asked_of_the_next_engine(client: Client, transport: Transport) -> None:
    transport.answers = False
    first: list[Reply] = []
    second: list[Reply] = []
    with client.cancellable() as one, client.cancellable() as two:
        client.submit(COUNT, first.append, one)
        transport.begins = False
        client.submit(COUNT, second.append, two)
        transport.answers = transport.begins = True
        transport.deliver(EngineClosed(CRASH))
    assert (first, second) == ([RequestFailed(CRASH)], [Tokens(1, 0)])


def test_what_was_cancelled_while_it_waited_is_not_asked_again(
    client: Client, transport: Transport
) -> None:
    transport.answers = False
    replies: list[Reply] = []
    with client.cancellable() as one, client.cancellable() as two:
        client.submit(COUNT, lambda _reply: None, one)
        transport.begins = False
        client.submit(COUNT, replies.append, two)
        client.cancel()
        transport.deliver(EngineClosed(CRASH))
    assert [type(reply.error) for reply in replies if isinstance(reply, RequestFailed)] == [
        CancelledError
    ]
    assert len(transport.specs) == 1, "nobody waits, so nothing is started"


def test_a_question_that_has_crashed_twice_is_refused(client: Client, transport: Transport) -> None:
    def question() -> GenerateRequest:
        return GenerateRequest(Question((), Options()))

    for _ in range(2):
        transport.answers = False
        with client.cancellable() as call:
            client.submit(question(), lambda _reply: None, call)
            transport.deliver(EngineClosed(CRASH, by_itself=True))
    transport.answers = True
    with pytest.raises(EngineError, match="twice"):
        next(client.events(question()))
    other = CountRequest(Question((), Options(max_new_tokens=7)))
    assert client.reply(other) == Tokens(1, 0)


def test_a_question_whose_engine_was_ended_from_outside_is_asked_again(
    client: Client, transport: Transport
) -> None:
    for _ in range(3):
        transport.answers = False
        with client.cancellable() as call:
            client.submit(COUNT, lambda _reply: None, call)
            transport.deliver(EngineClosed(CRASH))
        client.connection.pause = lambda _seconds: None
    transport.answers = True
    assert client.reply(COUNT) == Tokens(1, 0)


def test_an_engine_that_ends_right_after_it_was_opened_is_an_error() -> None:
    class Short(Transport):
        def start(self, _spec: EngineSpec, deliver: Deliver) -> Link:
            deliver(OPENED)
            deliver(EngineClosed(CRASH))
            return Link(self.send, lambda: None, lambda: None)

    with pytest.raises(EngineError, match="SIGSEGV"):
        Client(SPEC, Short().start)


def test_crashes_in_a_row_are_followed_by_longer_pauses(
    client: Client, transport: Transport
) -> None:
    paused: list[float] = []
    client.connection.pause = paused.append
    transport.answers = False
    for number in range(1, 6):
        with client.cancellable() as call:
            request = CountRequest(Question((), Options(max_new_tokens=number)))
            client.submit(request, lambda _reply: None, call)
            transport.deliver(EngineClosed(CRASH))
    assert paused == [0.0, 1.0, 5.0, 30.0]


def test_closing_while_an_engine_is_started_leaves_none(
    client: Client, transport: Transport
) -> None:
    transport.answers = False
    replies: list[Reply] = []
    with client.cancellable() as one, client.cancellable() as two:
        client.submit(COUNT, lambda _reply: None, one)
        transport.begins = False
        client.submit(COUNT, replies.append, two)
        client.connection.pause = lambda _seconds: client.close()
        transport.deliver(EngineClosed(CRASH))
    assert [type(reply) for reply in replies] == [RequestFailed]
    assert not client.alive
    with pytest.raises(UsageError, match="closed"):
        client.reply(COUNT)


def test_closing_while_an_engine_opens_ends_it_without_the_lock(
    client: Client, transport: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader of the engine's may want the lock before it ends."""
    free: list[bool] = []

    def abort() -> None:
        other = threading.Thread(target=take)
        other.start()
        other.join()

    def take() -> None:
        free.append(lock.acquire(timeout=5))
        lock.release()

    def start(_spec: EngineSpec, deliver: Deliver) -> Link:
        client.close()
        deliver(OPENED)
        return Link(transport.send, lambda: None, abort)

    lock = client.connection._lock
    transport.deliver(EngineClosed(CRASH))
    monkeypatch.setattr(client.connection, "_start", start)
    with pytest.raises(UsageError, match="closed"):
        client.reply(COUNT)
    assert free == [True]


def test_cancel_in_the_pause_before_a_restart_ends_the_call(
    client: Client, transport: Transport
) -> None:
    transport.deliver(EngineClosed(CRASH))
    client.connection.pause = lambda _seconds: client.cancel()
    with client.cancellable() as call:
        client.submit(COUNT, lambda _reply: None, call)
    kinds = [type(message) for message in transport.sent]
    assert kinds == [Cancel, Submit, Leave], "so that it is cancelled where it would be begun"


def test_files_that_were_replaced_are_not_loaded_under_the_old_names(tmp_path: Path) -> None:
    file = tmp_path / "model.gguf"
    file.write_bytes(b"1")
    transport = Transport()
    client = Client(dataclasses.replace(SPEC, text=file), transport.start)
    other = tmp_path / "other"
    other.write_bytes(b"2")
    other.replace(file)
    transport.deliver(EngineClosed(CRASH))
    with pytest.raises(ArtifactError, match="replaced"):
        client.reply(COUNT)


def test_half_a_character_is_refused_and_leaves_nothing(
    client: Client, transport: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    def send(message: object) -> None:
        Packer().pack(message)

    monkeypatch.setattr(client.connection, "_link", Link(send, lambda: None, lambda: None))
    with client.cancellable() as call, pytest.raises(PromptError, match="half a character"):
        client.submit(TokenizeRequest("\ud800"), lambda _reply: None, call)
    assert not client.connection.waiting


def test_a_request_that_no_engine_lives_to_begin_fails_in_the_end(
    client: Client, transport: Transport
) -> None:
    transport.begins = transport.answers = False
    client.connection.pause = lambda _seconds: None
    replies: list[Reply] = []
    with client.cancellable() as call:
        client.submit(COUNT, replies.append, call)
        for _ in range(3):
            transport.deliver(EngineClosed(CRASH))
    assert replies == [RequestFailed(CRASH)]
    assert len(transport.specs) == 3


def test_a_call_that_is_cancelled_before_an_engine_is_started_is_not_begun(
    client: Client, transport: Transport
) -> None:
    transport.deliver(EngineClosed(CRASH))
    with client.cancellable() as call:
        client.cancel()
        with pytest.raises(CancelledError):
            client.submit(COUNT, lambda _reply: None, call)
    assert not [message for message in transport.sent if isinstance(message, Submit)]
