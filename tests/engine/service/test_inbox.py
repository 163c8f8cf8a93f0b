"""What comes for the engine waits in order, and calls end whenever it is said that they shall."""

from __future__ import annotations

import queue

import pytest

from edge_med.config import Options
from edge_med.engine.service.inbox import Inbox
from edge_med.engine.service.protocol import (
    Cancel,
    Close,
    CountRequest,
    Leave,
    Submit,
    ToEngine,
)
from edge_med.question import Question

COUNT = CountRequest(Question((), Options()))


@pytest.fixture
def arrivals() -> queue.SimpleQueue[ToEngine]:
    return queue.SimpleQueue()


@pytest.fixture
def inbox(arrivals: queue.SimpleQueue[ToEngine]) -> Inbox:
    return Inbox(arrivals)


def test_requests_are_taken_in_order_and_then_the_end(
    inbox: Inbox, arrivals: queue.SimpleQueue[ToEngine]
) -> None:
    sent: list[ToEngine] = [Submit(1, 1, COUNT), Submit(2, 1, COUNT)]
    for message in (*sent, Close()):
        arrivals.put(message)
    assert [inbox.take() for _ in range(3)] == [*sent, None]


def test_a_call_is_cancelled_by_what_arrives_while_it_is_worked_on(
    inbox: Inbox, arrivals: queue.SimpleQueue[ToEngine]
) -> None:
    arrivals.put(Submit(1, 7, COUNT))
    assert inbox.take()
    assert not inbox.is_cancelled(7)
    arrivals.put(Cancel(7))
    assert inbox.is_cancelled(7)
    assert not inbox.is_cancelled(8)


def test_what_waits_is_cancelled_with_its_call(
    inbox: Inbox, arrivals: queue.SimpleQueue[ToEngine]
) -> None:
    for message in (Submit(1, 7, COUNT), Leave(7)):
        arrivals.put(message)
    assert inbox.take()
    assert inbox.is_cancelled(7)


def test_closing_cancels_every_call(inbox: Inbox, arrivals: queue.SimpleQueue[ToEngine]) -> None:
    for message in (Submit(1, 7, COUNT), Submit(2, 8, COUNT), Close()):
        arrivals.put(message)
    assert inbox.take()
    assert inbox.is_cancelled(7)
    assert inbox.is_cancelled(8)


def test_a_call_that_was_left_is_forgotten_once_nothing_of_it_waits(
    inbox: Inbox, arrivals: queue.SimpleQueue[ToEngine]
) -> None:
    for number in range(1000):
        arrivals.put(Submit(number, number, COUNT))
        arrivals.put(Leave(number))
    arrivals.put(Close())
    while inbox.take() is not None:
        pass
    assert not inbox._cancelled
    assert not inbox._left


def test_a_call_that_is_cancelled_and_not_left_stays_so(
    inbox: Inbox, arrivals: queue.SimpleQueue[ToEngine]
) -> None:
    for message in (Submit(1, 7, COUNT), Cancel(7), Submit(2, 7, COUNT)):
        arrivals.put(message)
    for _ in range(2):
        assert inbox.take()
        assert inbox.is_cancelled(7)
