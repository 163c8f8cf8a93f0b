"""How much memory this process can still take, as each system and each container tells it."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

import pytest

from edge_med import _platform
from edge_med._platform import linux, macos, windows
from tests.platform.conftest import System

GIB = 1 << 30
MEMINFO = "MemTotal:       16777216 kB\nMemFree:         1048576 kB\nMemAvailable:    8388608 kB\n"
STAT = f"anon {3 * GIB}\ninactive_file {GIB}\nactive_file {GIB}\nshmem {GIB}\n"
STAT_1 = f"inactive_file 1\ntotal_inactive_file {GIB}\ntotal_active_file {GIB}\n"
LIMIT, USED = "memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"

GROUPS: dict[str, tuple[dict[str, str], int | None]] = {
    "none": ({}, 8 * GIB),
    "v2": ({"memory.max": f"{4 * GIB}\n", "memory.current": f"{GIB}\n"}, 3 * GIB),
    "v2, cached files": (
        {"memory.max": f"{6 * GIB}\n", "memory.current": f"{5 * GIB}\n", "memory.stat": STAT},
        3 * GIB,
    ),
    "v2, wider than the machine": (
        {"memory.max": f"{64 * GIB}\n", "memory.current": "0\n"},
        8 * GIB,
    ),
    "v2, used up": ({"memory.max": f"{GIB}\n", "memory.current": f"{2 * GIB}\n"}, 0),
    "v2, unlimited": ({"memory.max": "max\n", "memory.current": f"{GIB}\n"}, 8 * GIB),
    "v2, garbage": ({"memory.max": "much\n", "memory.current": "\n"}, 8 * GIB),
    "v1": ({LIMIT: f"{4 * GIB}\n", USED: f"{3 * GIB}\n"}, GIB),
    "v1, cached files": (
        {LIMIT: f"{4 * GIB}\n", USED: f"{3 * GIB}\n", "memory/memory.stat": STAT_1},
        3 * GIB,
    ),
    "v1, unlimited": ({LIMIT: "9223372036854771712\n", USED: f"{GIB}\n"}, 8 * GIB),
}


@pytest.mark.parametrize("case", GROUPS)
def test_memory_of_linux_is_what_the_machine_and_the_container_leave(
    case: str, tmp_path: Path
) -> None:
    files, left = GROUPS[case]
    (tmp_path / "memory").mkdir()
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "meminfo").write_text(MEMINFO)
    (tmp_path / "membership").write_text("3:cpu,cpuacct:/\n2:memory:/\n0::/\n")
    found = linux.available_memory(tmp_path / "meminfo", tmp_path, tmp_path / "membership")
    assert found == left


def test_the_limit_of_any_group_around_holds(tmp_path: Path) -> None:
    (tmp_path / "user.slice/session").mkdir(parents=True)
    for group, limit in (("user.slice", 2 * GIB), ("user.slice/session", 3 * GIB)):
        (tmp_path / group / "memory.max").write_text(str(limit))
        (tmp_path / group / "memory.current").write_text(str(GIB))
    (tmp_path / "meminfo").write_text(MEMINFO)
    (tmp_path / "membership").write_text("0::/user.slice/session\n")
    found = linux.available_memory(tmp_path / "meminfo", tmp_path, tmp_path / "membership")
    assert found == GIB


@pytest.mark.parametrize(
    ("case", "total"),
    [("none", 16), ("v2", 4), ("v2, unlimited", 16), ("v2, wider than the machine", 16), ("v1", 4)],
)
def test_all_memory_of_linux_is_that_of_the_machine_or_of_the_container(
    case: str, total: int, tmp_path: Path
) -> None:
    files, _ = GROUPS[case]
    (tmp_path / "memory").mkdir()
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "meminfo").write_text(MEMINFO)
    (tmp_path / "membership").write_text("2:memory:/\n0::/\n")
    found = linux.total_memory(tmp_path / "meminfo", tmp_path, tmp_path / "membership")
    assert found == total * GIB


@pytest.mark.parametrize("text", ["", "MemFree: 5 kB\n", "MemAvailable:\n", "MemAvailable: x kB\n"])
def test_a_linux_that_tells_nothing(text: str, tmp_path: Path) -> None:
    (tmp_path / "meminfo").write_text(text)
    found = linux.available_memory(tmp_path / "meminfo", tmp_path, tmp_path / "absent")
    assert found is None
    assert linux.available_memory(tmp_path / "absent", tmp_path, tmp_path / "absent") is None


class Kernel:
    """Stands in for the libraries of macOS and Windows."""

    def __init__(
        self,
        numbers: dict[str, int] | None = None,
        available: int | None = None,
        physical: int | None = 0,
    ) -> None:
        self.numbers = numbers or {}
        self.available = available
        self.physical = physical

    def sysctlbyname(self, name: bytes, value: Any, size: Any, *_new: object) -> int:
        if name.decode() not in self.numbers:
            return -1
        size.contents.value = 4
        ctypes.memmove(value, self.numbers[name.decode()].to_bytes(4, "little"), 4)
        return 0

    def GlobalMemoryStatusEx(self, status: Any) -> int:  # noqa: N802 - Windows calls it so
        assert status.contents.length == 64  # sizeof(MEMORYSTATUSEX)
        if self.available is None or self.physical is None:
            return 0
        sizes = self.physical.to_bytes(8, "little") + self.available.to_bytes(8, "little")
        ctypes.memmove(ctypes.addressof(status.contents) + 8, sizes, 16)
        return 1


MACOS = {
    "vm.page_free_count": 1000,
    "vm.page_pageable_external_count": 20_000,
    "vm.page_purgeable_count": 300,
    "vm.page_pageable_internal_count": 500_000,
    "vm.pagesize": 16_384,
}


@pytest.mark.parametrize(
    ("numbers", "available"),
    [
        (MACOS, 21_300 * 16_384),
        ({"vm.page_free_count": 1000, "vm.pagesize": 4096}, 1000 * 4096),
        ({"vm.pagesize": 4096}, None),
        ({}, None),
    ],
    ids=["free and cached", "free alone", "only the page's size", "nothing told"],
)
def test_memory_of_macos_is_what_is_free_or_cached(
    numbers: dict[str, int], available: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(macos, "library", lambda: Kernel(numbers))
    assert macos.available_memory() == available


@pytest.mark.parametrize("available", [5 * GIB, 0, None])
def test_memory_of_windows_is_what_is_available_of_the_physical(
    available: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(windows, "kernel", lambda: Kernel(available=available))
    assert windows.available_memory() == available


def test_all_memory_of_macos(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(macos, "library", lambda: Kernel({"hw.memsize": 3 * GIB}))
    assert macos.total_memory() == 3 * GIB


@pytest.mark.parametrize("physical", [16 * GIB, None])
def test_all_memory_of_windows_is_the_physical(
    physical: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(windows, "kernel", lambda: Kernel(available=0, physical=physical))
    assert windows.total_memory() == physical


@pytest.mark.parametrize(
    ("name", "module"),
    [("linux", linux), ("freebsd14", linux), ("darwin", macos), ("win32", windows)],
)
def test_each_system_is_asked_in_its_own_words(
    name: str, module: object, system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    system(name)
    monkeypatch.setattr(module, "available_memory", lambda: 123)
    monkeypatch.setattr(module, "total_memory", lambda: 456)
    assert _platform.available_memory() == 123
    assert _platform.total_memory() == 456


def test_this_machine_tells_how_much_it_has() -> None:
    available = _platform.available_memory()
    assert available is not None
    assert 1 << 20 < available < 1 << 44
