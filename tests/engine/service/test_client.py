"""Calls may be begun, cancelled and left from any thread and from a signal's handler."""

from __future__ import annotations

import signal
import threading
from contextlib import ExitStack

import pytest

from edge_med.answers import Tokens
from edge_med.config import LoadOptions
from edge_med.engine.service.client import Client
from edge_med.engine.service.host import Deliver
from edge_med.engine.service.link import Link
from edge_med.engine.service.protocol import (
    Cancel,
    Close,
    EngineClosed,
    EngineRefused,
    EngineSpec,
    EngineStatus,
    Leave,
    Reply,
    RequestAnswered,
    RequestFailed,
    Submit,
)
from edge_med.errors import EngineError, UsageError
from tests.engine.service.transport import COUNT, SPEC, Transport


def test_a_request_has_its_reply_and_its_call_is_left(client: Client, transport: Transport) -> None:
    assert client.reply(COUNT) == Tokens(1, 0)
    assert [type(message) for message in transport.sent] == [Submit, Leave]


def test_the_status_is_as_the_engine_told_it_last(client: Client, transport: Transport) -> None:
    assert client.status.options.context == 77
    transport.deliver(RequestAnswered(0, Tokens(1, 0), EngineStatus(LoadOptions(context=88))))
    assert client.status.options.context == 88


def test_cancelling_says_whether_there_was_something(client: Client, transport: Transport) -> None:
    assert not client.cancel()
    with client.cancellable() as call:
        assert client.cancel()
    assert Cancel(call.number) in transport.sent
    assert not client.cancel(), "a call that was left is forgotten"


def test_a_closed_model_takes_no_request(client: Client, transport: Transport) -> None:
    client.close()
    client.close()
    assert [type(message) for message in transport.sent] == [Close]
    with pytest.raises(UsageError, match="closed"):
        client.reply(COUNT)


def test_an_engine_that_ends_fails_all_that_wait_and_come(
    client: Client, transport: Transport
) -> None:
    replies: list[Reply] = []
    transport.answers = False
    with client.cancellable() as call:
        client.submit(COUNT, replies.append, call)
        transport.deliver(EngineClosed())
        with pytest.raises(EngineError, match="has ended"):
            client.reply(COUNT)
    assert len(replies) == 1


def test_an_engine_that_cannot_be_opened_says_why() -> None:
    class Refusing(Transport):
        def start(self, _spec: EngineSpec, deliver: Deliver) -> Link:
            deliver(EngineRefused(EngineError("It can't be loaded.", "Look.")))
            return Link(self.send, lambda: None, lambda: None)

    with pytest.raises(EngineError, match="can't be loaded"):
        Client(SPEC, Refusing().start)


def test_replies_that_nobody_waits_for_are_passed_over(
    client: Client, transport: Transport
) -> None:
    transport.deliver(RequestAnswered(123, Tokens(1, 0)))
    assert client.reply(COUNT) == Tokens(1, 0)


def test_calls_may_begin_while_all_are_cancelled(client: Client) -> None:
    ended = threading.Event()
    with ExitStack() as many:
        for _ in range(1000):
            many.enter_context(client.cancellable())

        def begin() -> None:
            while not ended.is_set():
                with client.cancellable():
                    pass

        other = threading.Thread(target=begin)
        other.start()
        try:
            for _ in range(200):
                client.cancel()
        finally:
            ended.set()
            other.join()


def test_a_signal_may_cancel_while_its_thread_begins_a_call(
    client: Client, transport: Transport
) -> None:
    before = signal.signal(signal.SIGINT, lambda *_: client.cancel())
    try:
        with client.cancellable() as call, client._lock:
            signal.raise_signal(signal.SIGINT)
            assert Cancel(call.number) in transport.sent
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_sink_that_fails_costs_the_others_nothing(client: Client, transport: Transport) -> None:
    def fail(_reply: Reply) -> None:
        raise KeyboardInterrupt

    replies: list[Reply] = []
    transport.answers = False
    with client.cancellable() as call:
        client.submit(COUNT, fail, call)
        client.submit(COUNT, replies.append, call)
        transport.deliver(EngineClosed())
    assert [type(reply) for reply in replies] == [RequestFailed]


def test_a_sink_that_fails_ends_its_call(client: Client, transport: Transport) -> None:
    def fail(_reply: Reply) -> None:
        raise RuntimeError

    with client.cancellable() as call:
        client.submit(COUNT, fail, call)
        assert Cancel(call.number) in transport.sent


def test_an_engine_that_ends_before_it_was_open_is_an_error() -> None:
    class Dying(Transport):
        def start(self, _spec: EngineSpec, deliver: Deliver) -> Link:
            deliver(EngineClosed())
            return Link(self.send, lambda: None, lambda: None)

    with pytest.raises(EngineError, match="has ended"):
        Client(SPEC, Dying().start)


def test_nothing_is_sent_to_an_engine_that_has_ended(client: Client, transport: Transport) -> None:
    transport.deliver(EngineClosed())
    with pytest.raises(EngineError, match="has ended"):
        client.reply(COUNT)
    assert not [message for message in transport.sent if isinstance(message, Submit)]
