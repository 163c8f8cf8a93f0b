"""Another system than this one, for the time of a test."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from edge_med import _platform

FOLDER = 7
"""The descriptor of every folder that is opened."""


class Calls:
    """Stands in for `fcntl` and `msvcrt`: notes what it is asked for, and may refuse some of it."""

    # As in the systems' own headers.
    LOCK_EX, LOCK_NB, F_FULLFSYNC = 2, 4, 51
    LK_UNLCK, LK_NBLCK = 0, 2

    def __init__(self) -> None:
        self.made: list[tuple[object, ...]] = []
        self.refused: dict[str, OSError] = {}

    def flock(self, _descriptor: int, how: int) -> None:
        self.note("flock", how)

    def locking(self, _descriptor: int, how: int, count: int) -> None:
        self.note("locking", how, count)

    def fcntl(self, descriptor: int, command: int) -> None:
        self.note("fcntl", descriptor, command)

    def fsync(self, descriptor: int) -> None:
        self.note("fsync", descriptor)

    def open(self, path: Path, _flags: int) -> int:
        self.note("open", path)
        return FOLDER

    def close(self, descriptor: int) -> None:
        self.note("close", descriptor)

    def note(self, name: str, *arguments: object) -> None:
        self.made.append((name, *arguments))
        if name in self.refused:
            raise self.refused[name]


System = Callable[[str], Calls]


@pytest.fixture
def system(monkeypatch: pytest.MonkeyPatch) -> System:
    """Pretend to be on another system; what it is asked for is noted."""

    def pretend(name: str) -> Calls:
        calls = Calls()
        monkeypatch.setattr(_platform, "SYSTEM", name)
        monkeypatch.setattr(_platform, "_calls", calls)
        monkeypatch.setattr(os, "fsync", calls.fsync)
        monkeypatch.setattr(os, "open", calls.open)
        monkeypatch.setattr(os, "close", calls.close)
        return calls

    return pretend
