"""A thread steps back behind all others, by each system's own means."""

from __future__ import annotations

import os
import sys
import threading
from types import SimpleNamespace

import pytest

from edge_med import _platform
from edge_med._platform import linux, macos, windows
from tests.platform.conftest import System


@pytest.mark.skipif(sys.platform != "linux", reason="Linux alone has a priority for each thread")
def test_on_linux_one_thread_steps_back_and_the_others_stay() -> None:
    found: list[int] = []

    def work() -> None:
        _platform.step_back()
        found.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))

    before = os.getpriority(os.PRIO_PROCESS, 0)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [max(before, linux.NICE)]
    assert os.getpriority(os.PRIO_PROCESS, 0) == before


def test_on_macos_the_system_is_told_that_it_works_in_the_background(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[int, int]] = []
    library = SimpleNamespace(
        pthread_set_qos_class_self_np=lambda kind, below: asked.append((kind.value, below.value))
    )
    monkeypatch.setattr(macos, "library", lambda: library)
    system("darwin")
    _platform.step_back()
    assert asked == [(0x09, 0)]


def test_on_windows_the_system_is_told_that_it_works_in_the_background(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[int | None, int]] = []

    class This:
        restype: object = None

        def __call__(self) -> int:
            return 77

    library = SimpleNamespace(
        GetCurrentThread=This(),
        SetThreadPriority=lambda thread, mode: asked.append((thread.value, mode)),
    )
    monkeypatch.setattr(windows, "kernel", lambda: library)
    system("win32")
    _platform.step_back()
    assert asked == [(77, 0x00010000)]
