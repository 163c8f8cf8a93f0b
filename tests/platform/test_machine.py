"""The system's own calls, llama-cpp-python's libraries, and the cores that may be used."""

from __future__ import annotations

import importlib.machinery
import importlib.metadata
import importlib.util
import os
import runpy
import sys
import types
from collections.abc import Callable
from pathlib import Path

import pytest

from edge_med import _platform, native
from edge_med._platform import linux
from edge_med.errors import EngineError
from tests.platform.conftest import System

INSTALL = 'pip install "llama-cpp-python==0.3.36"'


@pytest.mark.parametrize(
    ("name", "module"), [("linux", "fcntl"), ("darwin", "fcntl"), ("win32", "msvcrt")]
)
def test_each_system_is_called_through_its_own_module(
    name: str, module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = types.ModuleType(module)
    monkeypatch.setitem(sys.modules, module, calls)
    monkeypatch.setattr(sys, "platform", name)
    names = runpy.run_path(_platform.__file__)
    assert (names["SYSTEM"], names["_calls"]) == (name, calls)


def test_a_missing_llama_cpp_python_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", missing)
    with pytest.raises(EngineError, match=r"llama-cpp-python isn't installed\.") as caught:
        native.require_llama_cpp_python()
    assert caught.value.hint == f"Install it with: {INSTALL}"


@pytest.mark.parametrize(
    "function",
    [native.require_llama_cpp_python, lambda: native.native_library("ggml-base")],
    ids=["before an import", "before a library is opened"],
)
def test_another_version_is_refused(
    function: Callable[[], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.metadata, "version", lambda _: "0.3.99")
    with pytest.raises(EngineError, match=r"0\.3\.99 is installed, but .* 0\.3\.36 only") as caught:
        function()
    assert caught.value.hint == f"Install it with: {INSTALL}"


@pytest.mark.parametrize("origin", [None, "namespace"])
def test_a_package_without_a_place_is_refused(
    origin: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = importlib.machinery.ModuleSpec("llama_cpp", None) if origin else None
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: spec)
    with pytest.raises(EngineError, match="can't be found"):
        native.native_library("ggml-base")


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A llama_cpp with an empty folder of libraries."""
    spec = importlib.machinery.ModuleSpec(
        "llama_cpp", None, origin=str(tmp_path / "llama_cpp/__init__.py")
    )
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: spec)
    (tmp_path / "llama_cpp/lib").mkdir(parents=True)
    return tmp_path / "llama_cpp/lib"


LIBRARIES = {"win32": "ggml-base.dll", "darwin": "libggml-base.dylib", "linux": "libggml-base.so"}


@pytest.mark.parametrize("name", LIBRARIES)
def test_a_library_is_called_as_its_system_calls_it(
    name: str, package: Path, system: System
) -> None:
    (package / LIBRARIES[name]).touch()
    system(name)
    assert native.native_library("ggml-base") == package / LIBRARIES[name]


@pytest.mark.parametrize("name", LIBRARIES)
def test_a_missing_library_says_how_to_install_it_again(
    name: str, package: Path, system: System
) -> None:
    system(name)
    with pytest.raises(EngineError, match=f"has no {LIBRARIES[name]}") as caught:
        native.native_library("ggml-base")
    again = INSTALL.replace("install", "install --force-reinstall")
    assert caught.value.hint == f"Install it again: {again}"


@pytest.mark.parametrize(("quota", "cores"), [(None, 3), (2, 2), (8, 3)])
def test_cores_are_those_of_the_affinity_within_the_quota(
    quota: int | None, cores: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 2, 5}, raising=False)
    monkeypatch.setattr(_platform, "_container_cores", lambda: quota)
    assert _platform.usable_cores() == cores


@pytest.mark.parametrize(("count", "cores"), [(6, 6), (None, 1)])
def test_without_an_affinity_all_cores_count(
    count: int | None, cores: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: count)
    monkeypatch.setattr(_platform, "_container_cores", lambda: None)
    assert _platform.usable_cores() == cores


QUOTA, PERIOD = "cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us"
GROUPS: dict[str, tuple[dict[str, str], int | None]] = {
    "v2": ({"cpu.max": "200000 100000\n"}, 2),
    "v2, part of a core": ({"cpu.max": "150000 100000\n"}, 2),
    "v2, unlimited": ({"cpu.max": "max 100000\n"}, None),
    "v2, garbage": ({"cpu.max": "many 100000\n"}, None),
    "v2, empty": ({"cpu.max": ""}, None),
    "v1": ({QUOTA: "400000\n", PERIOD: "100000\n"}, 4),
    "v1, part of a core": ({QUOTA: "50000\n", PERIOD: "100000\n"}, 1),
    "v1, unlimited": ({QUOTA: "-1\n", PERIOD: "100000\n"}, None),
    "v1, garbage": ({QUOTA: "\n", PERIOD: "100000\n"}, None),
    "v1, no period": ({QUOTA: "50000\n"}, None),
    "none": ({}, None),
}


@pytest.mark.parametrize("case", GROUPS)
def test_the_quota_of_a_control_group(case: str, tmp_path: Path) -> None:
    files, cores = GROUPS[case]
    (tmp_path / "cpu").mkdir()
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    membership = tmp_path / "membership"
    membership.write_text("4:cpu,cpuacct:/\n0::/\n")
    assert linux.container_cores(tmp_path, membership) == cores
    assert linux.container_cores(tmp_path, tmp_path / "absent") in (cores, None)


def test_the_quota_of_any_group_around_holds(tmp_path: Path) -> None:
    (tmp_path / "user.slice/session").mkdir(parents=True)
    (tmp_path / "user.slice/cpu.max").write_text("300000 100000\n")
    (tmp_path / "user.slice/session/cpu.max").write_text("max 100000\n")
    (tmp_path / "membership").write_text("0::/user.slice/session\n")
    assert linux.container_cores(tmp_path, tmp_path / "membership") == 3
