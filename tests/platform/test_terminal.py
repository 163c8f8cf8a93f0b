"""What a terminal can do, and that it shows nothing of what is typed meanwhile."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

import pytest

from edge_med import _platform


@pytest.mark.parametrize(
    ("system", "term", "dumb"),
    [
        ("linux", "xterm-256color", False),
        ("linux", "dumb", True),
        ("linux", None, True),
        ("win32", None, False),
        ("win32", "dumb", True),
    ],
)
def test_dumb_terminals(
    system: str, term: str | None, dumb: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_platform, "SYSTEM", system)
    monkeypatch.delenv("TERM", raising=False)
    if term is not None:
        monkeypatch.setenv("TERM", term)
    assert _platform.is_dumb_terminal() is dumb


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo terminals are Unix's")
def test_typing_is_unseen_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    import pty
    import termios

    outer, inner = pty.openpty()
    with os.fdopen(inner) as stdin, os.fdopen(outer):
        monkeypatch.setattr(sys, "stdin", stdin)

        def echoes() -> bool:
            return bool(termios.tcgetattr(stdin)[3] & termios.ECHO)

        assert echoes()
        with _platform.unseen_typing():
            assert not echoes()
        assert echoes()


def test_without_a_terminal_nothing_is_done(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "x").write_text("")
    with (tmp_path / "x").open() as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        with _platform.unseen_typing():
            pass


@pytest.mark.skipif(sys.platform == "win32", reason="Windows ends the read itself")
def test_ctrl_c_ends_the_wait_for_a_line() -> None:
    waiting, _never = os.pipe()
    before = signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # jobs behind a shell have none
    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
    try:
        with pytest.raises(KeyboardInterrupt):
            _platform.await_line(waiting)
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows ends the read itself")
def test_other_signals_leave_the_wait_as_it_is() -> None:
    waiting, typed = os.pipe()
    came: list[int] = []
    before = signal.signal(signal.SIGUSR1, lambda number, _frame: came.append(number))
    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGUSR1)).start()
    threading.Timer(0.5, os.write, (typed, b"line\n")).start()
    try:
        _platform.await_line(waiting)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert came == [signal.SIGUSR1]
    assert os.read(waiting, 9) == b"line\n"
