"""Calls may be begun, cancelled and left from any thread and from a signal's handler."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from edge_med.answers import Tokens
from edge_med.artifacts.gguf import Header
from edge_med.config import LoadOptions, Options
from edge_med.engine.service.client import Client
from edge_med.engine.service.host import Deliver
from edge_med.engine.service.link import Link
from edge_med.engine.service.protocol import (
    Answered,
    Begun,
    Cancel,
    Close,
    Closed,
    CountRequest,
    EngineSpec,
    EngineStatus,
    Failed,
    Leave,
    Opened,
    Refused,
    Reply,
    Submit,
    ToEngine,
)
from edge_med.engine.tasks.generate import GenerateRequest, ModelIdentity
from edge_med.errors import CancelledError, EngineError, UsageError
from edge_med.models.memory import Plan
from edge_med.models.shares import Subject
from edge_med.question import Question

SUBJECT = Subject("text", "F32", Header(3, {}, (), 0, 0))
SPEC = EngineSpec(Path("text"), None, SUBJECT, ModelIdentity(None, None, "F32", 4), LoadOptions())
OPENED = Opened(EngineStatus(LoadOptions(context=77)), Plan(1, 0, 1, 1), "as built")
CRASH = EngineError("llama.cpp's process has ended (SIGSEGV).", "Ask again.")
COUNT = CountRequest(Question((), Options()))


class Transport:
    """An engine that counts one token, and remembers what it was sent."""

    def __init__(self) -> None:
        self.sent: list[ToEngine] = []
        self.specs: list[EngineSpec] = []
        self.begins = self.answers = True
        self.deliver: Any = None

    def start(self, spec: EngineSpec, deliver: Deliver) -> Link:
        self.specs.append(spec)
        self.deliver = deliver
        deliver(OPENED)
        return Link(self.send, lambda: None, lambda: None)

    def send(self, message: ToEngine) -> None:
        self.sent.append(message)
        if isinstance(message, Submit):
            if self.begins:
                self.deliver(Begun(message.number))
            if self.answers:
                self.deliver(Answered(message.number, Tokens(1, 0)))


@pytest.fixture
def transport() -> Transport:
    return Transport()


@pytest.fixture
def client(transport: Transport) -> Iterator[Client]:
    made = Client(SPEC, transport.start)
    yield made
    made.close()


def test_a_request_has_its_reply_and_its_call_is_left(client: Client, transport: Transport) -> None:
    assert client.reply(COUNT) == Tokens(1, 0)
    assert [type(message) for message in transport.sent] == [Submit, Leave]


def test_the_status_is_as_the_engine_told_it_last(client: Client, transport: Transport) -> None:
    assert client.status.options.context == 77
    transport.deliver(Answered(0, Tokens(1, 0), EngineStatus(LoadOptions(context=88))))
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
        transport.deliver(Closed())
        with pytest.raises(EngineError, match="has ended"):
            client.reply(COUNT)
    assert len(replies) == 1


def test_an_engine_that_cannot_be_opened_says_why() -> None:
    class Refusing(Transport):
        def start(self, _spec: EngineSpec, deliver: Deliver) -> Link:
            deliver(Refused(EngineError("It can't be loaded.", "Look.")))
            return Link(self.send, lambda: None, lambda: None)

    with pytest.raises(EngineError, match="can't be loaded"):
        Client(SPEC, Refusing().start)


def test_replies_that_nobody_waits_for_are_passed_over(
    client: Client, transport: Transport
) -> None:
    transport.deliver(Answered(123, Tokens(1, 0)))
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
        transport.deliver(Closed())
    assert [type(reply) for reply in replies] == [Failed]


def test_a_sink_that_fails_ends_its_call(client: Client, transport: Transport) -> None:
    def fail(_reply: Reply) -> None:
        raise RuntimeError

    with client.cancellable() as call:
        client.submit(COUNT, fail, call)
        assert Cancel(call.number) in transport.sent


def test_an_engine_that_ends_before_it_was_open_is_an_error() -> None:
    class Dying(Transport):
        def start(self, _spec: EngineSpec, deliver: Deliver) -> Link:
            deliver(Closed())
            return Link(self.send, lambda: None, lambda: None)

    with pytest.raises(EngineError, match="has ended"):
        Client(SPEC, Dying().start)


def test_nothing_is_sent_to_an_engine_that_has_ended(client: Client, transport: Transport) -> None:
    transport.deliver(Closed())
    with pytest.raises(EngineError, match="has ended"):
        client.reply(COUNT)
    assert not [message for message in transport.sent if isinstance(message, Submit)]


def test_a_crash_fails_what_was_running_and_the_next_call_starts_an_engine(
    client: Client, transport: Transport
) -> None:
    transport.answers = False
    replies: list[Reply] = []
    with client.cancellable() as call:
        client.submit(COUNT, replies.append, call)
        transport.deliver(Closed(CRASH))
    assert replies == [Failed(CRASH)]
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
        transport.deliver(Closed(CRASH))
    assert (first, second) == ([Failed(CRASH)], [Tokens(1, 0)])


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
        transport.deliver(Closed(CRASH))
    assert [type(reply.error) for reply in replies if isinstance(reply, Failed)] == [CancelledError]
    assert len(transport.specs) == 1, "nobody waits, so nothing is started"


def test_a_question_that_has_crashed_twice_is_refused(client: Client, transport: Transport) -> None:
    def question() -> GenerateRequest:
        return GenerateRequest(Question((), Options()))

    for _ in range(2):
        transport.answers = False
        with client.cancellable() as call:
            client.submit(question(), lambda _reply: None, call)
            transport.deliver(Closed(CRASH))
    transport.answers = True
    with pytest.raises(EngineError, match="twice"):
        next(client.events(question()))
    other = CountRequest(Question((), Options(max_new_tokens=7)))
    assert client.reply(other) == Tokens(1, 0)


def test_an_engine_that_ends_right_after_it_was_opened_is_an_error() -> None:
    class Short(Transport):
        def start(self, _spec: EngineSpec, deliver: Deliver) -> Link:
            deliver(OPENED)
            deliver(Closed(CRASH))
            return Link(self.send, lambda: None, lambda: None)

    with pytest.raises(EngineError, match="SIGSEGV"):
        Client(SPEC, Short().start)


def test_crashes_in_a_row_are_followed_by_longer_pauses(
    client: Client, transport: Transport
) -> None:
    paused: list[float] = []
    client._connection.pause = paused.append
    transport.answers = False
    for number in range(1, 6):
        with client.cancellable() as call:
            request = CountRequest(Question((), Options(max_new_tokens=number)))
            client.submit(request, lambda _reply: None, call)
            transport.deliver(Closed(CRASH))
    assert paused == [0.0, 1.0, 5.0, 30.0]


def test_a_request_that_no_engine_lives_to_begin_fails_in_the_end(
    client: Client, transport: Transport
) -> None:
    transport.begins = transport.answers = False
    client._connection.pause = lambda _seconds: None
    replies: list[Reply] = []
    with client.cancellable() as call:
        client.submit(COUNT, replies.append, call)
        for _ in range(3):
            transport.deliver(Closed(CRASH))
    assert replies == [Failed(CRASH)]
    assert len(transport.specs) == 3


def test_a_call_that_is_cancelled_while_an_engine_is_started_is_cancelled_there(
    client: Client, transport: Transport
) -> None:
    transport.deliver(Closed(CRASH))
    with client.cancellable() as call:
        client.cancel()
        client.submit(COUNT, lambda _reply: None, call)
    kinds = [type(message) for message in transport.sent]
    assert kinds == [Cancel, Submit, Leave]
