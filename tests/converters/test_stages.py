"""Every stage's time is counted, whichever thread spends it."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from converters import stages
from converters.stages import STAGES, Stage, Stopwatch

WORK: tuple[Stage, ...] = ("widen", "quantize", "hash")
WAITING: tuple[Stage, ...] = ("read", "write", "sync")


def test_a_fresh_stopwatch_shows_nothing_for_every_stage() -> None:
    assert Stopwatch().seconds() == dict.fromkeys(STAGES, 0.0)
    assert {*WORK, *WAITING} == {*STAGES}


def test_times_add_up_over_threads() -> None:
    watch = Stopwatch()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: watch.timed("read", time.sleep, 0.02), range(8)))
    assert watch.seconds()["read"] >= 8 * 0.02
    assert watch.seconds()["write"] == 0


@pytest.mark.parametrize("stage", WORK)
def test_waiting_is_no_work(stage: Stage) -> None:
    watch = Stopwatch()
    watch.timed(stage, time.sleep, 0.1)
    assert watch.seconds()[stage] < 0.05


@pytest.mark.parametrize("stage", WAITING)
def test_waiting_for_the_disk_counts(stage: Stage) -> None:
    watch = Stopwatch()
    watch.timed(stage, time.sleep, 0.02)
    assert watch.seconds()[stage] >= 0.02


def test_time_before_an_error_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(stages._CLOCKS, "write", iter([10.0, 12.5]).__next__)
    watch = Stopwatch()
    with pytest.raises(OSError, match="full"), watch.time("write"):
        raise OSError("full")
    assert watch.seconds()["write"] == 2.5
