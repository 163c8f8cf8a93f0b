"""Only cores that are worth a thread count, as far as each system tells them apart."""

from __future__ import annotations

import ctypes
import os
import struct
from pathlib import Path
from typing import Any

import pytest

from edge_med import _platform
from edge_med._platform import linux, macos, windows
from tests.platform.conftest import System

Machine = tuple[dict[str, str], set[int], int]
"""Files below /sys/devices, the processors that this process may use, and the cores that count."""


def siblings(*cores: str) -> dict[str, str]:
    """What the kernel tells of cores, each named by its processors, such as `0-1` or `0,8`."""
    return {
        f"system/cpu/cpu{n}/topology/thread_siblings_list": f"{core}\n"
        for core in cores
        for n in core.replace("-", ",").split(",")
    }


def capacities(*numbers: int) -> dict[str, str]:
    """What the kernel tells of how much each processor does, 1024 for the fastest."""
    return {f"system/cpu/cpu{n}/cpu_capacity": f"{c}\n" for n, c in enumerate(numbers)}


# Two fast cores of two threads each, and four slow ones.
HYBRID = {"cpu_core/cpus": "0-3\n", "cpu_atom/cpus": "4-7\n"} | siblings(
    "0-1", "2-3", "4", "5", "6", "7"
)

MACHINES: dict[str, Machine] = {
    "cores of one kind": (siblings("0", "1", "2", "3"), {0, 1, 2, 3}, 4),
    "two threads a core": (siblings("0,2", "1,3"), {0, 1, 2, 3}, 2),
    "one thread of each core": (siblings("0,2", "1,3"), {2, 3}, 2),
    "fast and slow cores": (HYBRID, set(range(8)), 2),
    "one fast core and some slow ones": (HYBRID, {2, 3, 4, 5}, 1),
    "slow cores alone": (HYBRID, {4, 5, 6}, 3),
    "four big, four little": (
        capacities(1024, 1024, 1024, 1024, 414, 414, 414, 414),
        {*range(8)},
        4,
    ),
    "one prime, three big, four little": (
        capacities(1024, 870, 870, 870, 320, 320, 320, 320),
        set(range(8)),
        4,
    ),
    "two big, six little": (capacities(1024, 1024, 480, 480, 480, 480, 480, 480), {*range(8)}, 8),
    "little cores alone": (capacities(1024, 1024, 414, 414), {2, 3}, 2),
    "a capacity that isn't told": (capacities(1024, 1024, 414), {0, 1, 2, 3}, 4),
    "nothing told": ({}, {0, 5}, 2),
    "garbage": ({"cpu_core/cpus": "all\n"} | siblings("0", "1"), {0, 1}, 2),
}


@pytest.mark.parametrize("name", MACHINES)
def test_cores_of_linux(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files, allowed, cores = MACHINES[name]
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: allowed, raising=False)
    assert linux.performance_cores(tmp_path) == cores


def test_without_an_affinity_nothing_is_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    assert linux.performance_cores() is None


class Kernel:
    """Stands in for the libraries of macOS and Windows."""

    def __init__(self, numbers: dict[str, int] | None = None, records: bytes = b"") -> None:
        self.numbers = numbers or {}
        self.records = records

    def sysctlbyname(self, name: bytes, value: Any, size: Any, *_new: object) -> int:
        if (number := self.numbers.get(name.decode())) is None:
            return -1
        data = struct.pack("<I", number)  # all that we ask for have 32 bits
        assert size.contents.value >= len(data)
        ctypes.memmove(value, data, len(data))
        size.contents.value = len(data)
        return 0

    def GetLogicalProcessorInformationEx(self, kind: int, buffer: Any, size: Any) -> int:  # noqa: N802
        assert kind == 0  # RelationProcessorCore
        room, size.contents.value = size.contents.value, len(self.records)
        if room < len(self.records) or not self.records:
            return 0
        ctypes.memmove(buffer, self.records, len(self.records))
        return 1


@pytest.mark.parametrize(
    ("numbers", "cores"),
    [
        ({"hw.perflevel0.physicalcpu": 4, "hw.perflevel1.physicalcpu": 6, "hw.physicalcpu": 10}, 4),
        ({"hw.physicalcpu": 8, "hw.logicalcpu": 16}, 8),
        ({}, None),
    ],
    ids=["Apple silicon", "Intel", "nothing told"],
)
def test_cores_of_macos(
    numbers: dict[str, int], cores: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(macos, "library", lambda: Kernel(numbers))
    assert macos.performance_cores() == cores


def record(efficiency: int, *, threads: int = 1) -> bytes:
    """A PROCESSOR_RELATIONSHIP of 64-bit Windows: 48 bytes, of which the tenth is the class."""
    return struct.pack("<IIBB20xHQH6x", 0, 48, threads > 1, efficiency, 1, (1 << threads) - 1, 0)


@pytest.mark.parametrize(
    ("records", "cores"),
    [
        (8 * record(0, threads=2), 8),
        (6 * record(1, threads=2) + 8 * record(0), 6),
        (2 * record(0) + 8 * record(1) + 6 * record(2), 6),
        (3 * record(0) + bytes(48), 4),
        (b"", None),
    ],
    ids=["two threads a core", "two classes", "three classes", "a record without a size", "none"],
)
def test_cores_of_windows(
    records: bytes, cores: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(windows, "kernel", lambda: Kernel(records=records))
    assert windows.performance_cores() == cores


MODULES = {"linux": linux, "freebsd14": linux, "darwin": macos, "win32": windows}


@pytest.mark.parametrize("name", MODULES)
@pytest.mark.parametrize(
    ("usable", "told", "cores"), [(8, 4, 4), (2, 4, 2), (6, None, 6)], ids=["fast", "few", "equal"]
)
def test_performance_cores_are_within_the_usable_ones(
    name: str,
    usable: int,
    told: int | None,
    cores: int,
    system: System,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    system(name)
    monkeypatch.setattr(_platform, "usable_cores", lambda: usable)
    monkeypatch.setattr(MODULES[name], "performance_cores", lambda: told)
    assert _platform.performance_cores() == cores


def test_this_machine_has_some() -> None:
    assert 1 <= _platform.performance_cores() <= _platform.usable_cores()
