"""Requests wait for the engine thread, which may end, and are cancelled from anywhere."""

from __future__ import annotations

import signal
import threading
from contextlib import ExitStack

import pytest

from edge_med.engine.service.inbox import Inbox
from edge_med.errors import UsageError


def test_what_was_put_is_taken_in_order_and_then_the_end() -> None:
    inbox: Inbox[int] = Inbox()
    inbox.put(1)
    inbox.put(2)
    inbox.close()
    assert [inbox.take() for _ in range(3)] == [1, 2, None]


def test_a_closed_inbox_takes_nothing() -> None:
    inbox: Inbox[int] = Inbox()
    inbox.close()
    with pytest.raises(UsageError, match="closed"):
        inbox.put(1)


def test_what_nobody_takes_any_more_is_given_back() -> None:
    inbox: Inbox[int] = Inbox()
    inbox.put(1)
    assert inbox.empty() == [1]
    with pytest.raises(UsageError, match="closed"):
        inbox.put(2)


def test_closing_cancels() -> None:
    inbox: Inbox[int] = Inbox()
    with inbox.cancellable() as call:
        inbox.close()
        assert call.is_set()


def test_cancelling_says_whether_there_was_something() -> None:
    inbox: Inbox[int] = Inbox()
    assert not inbox.cancel()
    with inbox.cancellable():
        assert inbox.cancel()
    assert not inbox.cancel(), "a call that was left is forgotten"


def test_leaving_a_call_cancels_it() -> None:
    with Inbox[int]().cancellable() as call:
        assert not call.is_set()
    assert call.is_set()


def test_calls_may_begin_while_all_are_cancelled() -> None:
    inbox: Inbox[int] = Inbox()
    ended = threading.Event()
    with ExitStack() as many:
        for _ in range(1000):
            many.enter_context(inbox.cancellable())

        def begin() -> None:
            while not ended.is_set():
                with inbox.cancellable():
                    pass

        other = threading.Thread(target=begin)
        other.start()
        try:
            for _ in range(200):
                inbox.cancel()
        finally:
            ended.set()
            other.join()


def test_a_signal_may_cancel_while_its_thread_puts_something_in() -> None:
    inbox: Inbox[int] = Inbox()
    before = signal.signal(signal.SIGINT, lambda *_: inbox.cancel())
    try:
        with inbox._lock, inbox.cancellable() as call:
            signal.raise_signal(signal.SIGINT)
            assert call.is_set()
    finally:
        signal.signal(signal.SIGINT, before)
