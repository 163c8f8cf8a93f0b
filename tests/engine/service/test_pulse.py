"""A process ends if its engine stands still, whatever keeps its watch from looking."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from edge_med.engine.service.ending import by_itself, died

WATCHED = """
import re, time
from edge_med.engine.service import pulse
pulse.LOCKED = 0.2
watched = pulse.Pulse()
watched.rest()
watched.watch(2, lambda: None)  # ten looks a second
time.sleep(0.2)
{}
"""
LOCKED = "re.match('(a+)+$', 'a' * 64 + 'b')"
BUSY = """
began = time.process_time()
while time.process_time() - began < 2:
    sum(range(99))
"""


def ended(code: str) -> int:
    """How a process ends that is watched and does something."""
    return subprocess.run(
        [sys.executable, "-c", WATCHED.format(code)], check=False, timeout=60
    ).returncode


@pytest.mark.skipif(sys.platform == "win32", reason="nothing counts its computing there")
def test_what_keeps_pythons_lock_for_ever_is_ended() -> None:
    assert ended(LOCKED) == -signal.SIGVTALRM


def test_what_only_computes_for_long_goes_on() -> None:
    assert ended(BUSY) == 0


def test_both_ends_of_a_standstill_read_the_same() -> None:
    error = died(-signal.SIGVTALRM, [])
    assert error.message == died(79, []).message
    assert "no step" in error.message


def test_a_standstill_is_the_fault_of_the_process_itself() -> None:
    assert by_itself(-signal.SIGVTALRM)
