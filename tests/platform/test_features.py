"""What a processor can do, and whose graphics there are, in each system's words."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

import pytest

from edge_med import _platform
from edge_med._platform import linux, macos, windows
from tests.platform.conftest import System

X86 = "processor\t: 0\nflags\t\t: fpu pni ssse3 avx avx2 fma f16c avx512f\nprocessor\t: 1\n"
ARM = "processor\t: 0\nFeatures\t: fp asimd asimddp i8mm\n"


@pytest.mark.parametrize(
    ("text", "features"),
    [
        (X86, {"SSE3", "SSSE3", "AVX", "AVX2", "FMA", "F16C", "AVX512"}),
        (ARM, {"NEON", "ARM_FMA", "DOTPROD", "MATMUL_INT8"}),
        ("processor\t: 0\nisa\t: rv64\n", None),
        ("", None),
    ],
    ids=["x86", "arm", "another", "nothing"],
)
def test_features_of_linux(text: str, features: set[str] | None, tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text(text)
    assert linux.cpu_features(tmp_path / "cpuinfo") == features
    assert linux.cpu_features(tmp_path / "absent") is None


def test_graphics_of_linux_are_display_controllers_of_known_makers(tmp_path: Path) -> None:
    cards = {
        "0000:00:02.0": ("0x030000", "0x8086"),
        "0000:01:00.0": ("0x030200", "0x10de"),
        "0000:02:00.0": ("0x020000", "0x1002"),  # a network card
        "0000:03:00.0": ("0x030000", "0x1a03"),  # a server's own, which can't compute
    }
    for name, (kind, vendor) in cards.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "class").write_text(f"{kind}\n")
        (tmp_path / name / "vendor").write_text(f"{vendor}\n")
    (tmp_path / "0000:04:00.0").mkdir()
    absent = tmp_path / "absent"
    assert linux.graphics(tmp_path, absent) == ("intel", "nvidia")
    assert linux.graphics(absent, absent) == ()


def test_a_linux_inside_windows_has_windows_driver(tmp_path: Path) -> None:
    (tmp_path / "libcuda.so.1").write_bytes(b"")
    assert linux.graphics(tmp_path / "absent", tmp_path) == ("nvidia",)


class Kernel:
    """Stands in for the libraries of macOS and Windows."""

    def __init__(self, has: set[str] | set[int], folder: Path | None = None) -> None:
        self.has = has
        self.folder = folder

    def sysctlbyname(self, name: bytes, value: Any, _size: Any, *_new: object) -> int:
        value.contents.value = 1 if name.decode() in self.has else 0
        return 0 if name.decode() in self.has else -1

    def IsProcessorFeaturePresent(self, number: Any) -> int:  # noqa: N802 - Windows calls it so
        return int(number.value in self.has)

    def GetSystemDirectoryW(self, buffer: Any, _size: ctypes.c_uint32) -> int:  # noqa: N802
        buffer.value = str(self.folder)
        return len(buffer.value)


def test_features_and_graphics_of_macos(monkeypatch: pytest.MonkeyPatch) -> None:
    has = {"hw.optional.arm64", "hw.optional.AdvSIMD", "hw.optional.arm.FEAT_DotProd"}
    monkeypatch.setattr(macos, "library", lambda: Kernel(has))
    assert macos.cpu_features() == frozenset({"NEON", "ARM_FMA", "DOTPROD"})
    assert macos.graphics() == ("apple",)
    monkeypatch.setattr(macos, "library", lambda: Kernel({"hw.optional.avx2_0"}))
    assert macos.cpu_features() == frozenset({"AVX2"})
    assert macos.graphics() == ()


def test_features_and_graphics_of_windows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "nvcuda.dll").write_bytes(b"")
    monkeypatch.setattr(windows, "kernel", lambda: Kernel({13, 36, 39, 40}, tmp_path))
    assert windows.cpu_features() == frozenset({"SSE3", "SSSE3", "AVX", "AVX2"})
    assert windows.graphics() == ("nvidia",)


@pytest.mark.parametrize(
    ("name", "module"), [("linux", linux), ("darwin", macos), ("win32", windows)]
)
def test_each_system_is_asked_in_its_own_words(
    name: str, module: object, system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    system(name)
    monkeypatch.setattr(module, "cpu_features", lambda: frozenset({"AVX"}))
    monkeypatch.setattr(module, "graphics", lambda: ("nvidia",))
    assert _platform.cpu_features() == frozenset({"AVX"})
    assert _platform.graphics() == ("nvidia",)
