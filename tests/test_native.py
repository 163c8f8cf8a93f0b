"""The line that builds llama-cpp-python anew keeps the GPUs that the present one was built for."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_med import _platform, native


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of libraries, with one of llama.cpp's in it."""
    monkeypatch.setattr(_platform, "SYSTEM", "linux")
    monkeypatch.setattr(native, "native_library", lambda name: tmp_path / f"lib{name}.so")
    (tmp_path / "libllama.so").touch()
    (tmp_path / "libggml-cpu.so").touch()
    return tmp_path


@pytest.mark.usefixtures("library")
def test_a_build_for_the_cpu_stays_one() -> None:
    assert native.rebuilt("-DX=on") == native.built_with("-DX=on")


@pytest.mark.parametrize("kind", native.GPUS)
def test_a_build_for_a_gpu_stays_one(kind: str, library: Path) -> None:
    (library / f"libggml-{kind}.so").touch()
    assert native.rebuilt("-DX=on") == native.built_with(f"-DX=on {native.GPUS[kind]}")
