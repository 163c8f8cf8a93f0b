"""The doctor finds what could be better, names the line that makes it so, and tells no secrets."""

from __future__ import annotations

import dataclasses
import getpass
import json
import platform
import shutil
from pathlib import Path

import pytest

from edge_med import _platform, doctor
from edge_med.doctor import Report, examine
from edge_med.engine import bandwidth, devices
from edge_med.engine.builds import BUILDS, why_no_gpu
from edge_med.engine.devices import Hardware
from edge_med.errors import EngineError
from tests.conftest import Models

CPU = Hardware("CPU", "a processor", "cpu", 1 << 34, 1 << 34)
GPU = Hardware("CUDA0", "a card", "gpu", 1 << 33, 1 << 33)


@pytest.fixture
def home(tmp_path: Path, model: Models, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EDGE_MED_HOME", str(tmp_path))
    shutil.copytree(model("text", "Q8_0"), tmp_path / "models/mine")
    monkeypatch.setattr(_platform, "graphics", lambda: ())
    return tmp_path


def cures(report: Report) -> list[str]:
    return [finding.cure for finding in report.findings]


@pytest.mark.parametrize("maker", BUILDS)
def test_a_gpu_that_llama_cpp_was_not_built_for_has_its_line(maker: str) -> None:
    (found,) = why_no_gpu(("CPU",), (CPU,), (maker,))
    backend, flags, _ = BUILDS[maker]
    assert f"without {backend}" in found.what
    assert found.cure == _platform.built_with(flags)
    assert f"{_platform.LLAMA_CPP_PYTHON}" in found.cure


def test_of_two_makers_the_card_is_preferred_to_the_processors_own() -> None:
    (found,) = why_no_gpu(("CPU",), (CPU,), ("intel", "nvidia"))
    assert "CUDA" in found.what


def test_a_build_for_a_gpu_that_finds_none_is_about_the_driver() -> None:
    (found,) = why_no_gpu(("CUDA", "CPU"), (CPU,), ("nvidia",))
    assert "finds no device" in found.what
    assert found.cure == "Install or update what it needs: NVIDIA's driver."


@pytest.mark.parametrize(
    ("found", "graphics"), [((CPU, GPU), ("nvidia",)), ((CPU,), ()), ((CPU,), ("matrox",))]
)
def test_a_gpu_that_is_used_or_not_there_is_no_finding(
    found: tuple[Hardware, ...], graphics: tuple[str, ...]
) -> None:
    assert list(why_no_gpu(("CPU",), found, graphics)) == []


@pytest.mark.usefixtures("home")
def test_it_measures_and_says_what_to_expect() -> None:
    report = examine()
    assert set(report.rates) == set(bandwidth.TYPES)
    assert all(1e7 < rate < 1e13 for rate in report.rates.values())
    speeds = {speed.model: speed.tokens_per_second for speed in report.speeds}
    assert speeds["mine"] > speeds.get("medgemma-4b-it", 0)
    assert report.models == ("mine",)


@pytest.mark.usefixtures("home")
def test_without_measuring_it_says_nothing_of_speed() -> None:
    report = examine(measure=False)
    assert (report.rates, report.speeds) == ({}, ())


@pytest.mark.usefixtures("home")
def test_no_speed_is_told_of_what_does_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bandwidth, "measure", lambda: dict.fromkeys(bandwidth.TYPES, 1e10))
    monkeypatch.setattr(_platform, "available_memory", lambda: 1 << 20)
    report = examine()
    assert report.models == ("mine",)
    assert report.speeds == ()


@pytest.mark.usefixtures("home")
def test_nothing_in_it_is_personal(home: Path) -> None:
    told = json.dumps(dataclasses.asdict(examine(measure=False)))
    for secret in (str(home), str(Path.home()), platform.node(), f"/{getpass.getuser()}"):
        assert secret not in told


@pytest.mark.usefixtures("home")
def test_a_processor_that_can_more_than_the_build_uses(monkeypatch: pytest.MonkeyPatch) -> None:
    can = frozenset({"AVX", "AVX2", "AVX512"})
    monkeypatch.setattr(_platform, "cpu_features", lambda: can)
    monkeypatch.setattr(devices, "features", lambda: {"AVX": True, "AVX2": True, "AVX512": False})
    report = examine(measure=False)
    assert report.unused == ("AVX512",)
    assert cures(report) == [_platform.built_with("-DGGML_NATIVE=on")]
    assert "built without AVX512" in report.findings[0].what


@pytest.mark.usefixtures("home")
def test_a_build_that_needs_more_than_the_processor_can(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_platform, "cpu_features", lambda: frozenset({"AVX"}))
    monkeypatch.setattr(devices, "features", lambda: {"AVX": True, "AVX2": True, "FMA": True})
    (found,) = examine(measure=False).findings
    assert "with AVX2, which this one hasn't" in found.what


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("told", [None, frozenset[str]()])
def test_a_system_that_tells_nothing_of_its_processor_is_no_finding(
    told: frozenset[str] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_platform, "cpu_features", lambda: told)
    assert examine(measure=False).findings == ()


@pytest.mark.usefixtures("home")
def test_a_missing_engine_is_the_one_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> dict[str, bool]:
        raise EngineError("llama-cpp-python isn't installed.", "pip install it")

    monkeypatch.setattr(devices, "features", missing)
    report = examine()
    assert report.llama_cpp_python is None
    assert [f.what for f in report.findings] == ["llama-cpp-python isn't installed."]
    assert report.rates == {}


@pytest.mark.usefixtures("home")
def test_a_library_that_cannot_be_loaded_is_one_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> dict[str, bool]:
        raise OSError("libcudart.so.12: cannot open shared object file")

    monkeypatch.setattr(devices, "features", broken)
    assert "libraries can't be loaded" in examine().findings[0].what


@pytest.mark.usefixtures("home")
def test_a_full_disk_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_free_disk", lambda: 1 << 30)
    assert "1.0 GiB of disk are free" in examine(measure=False).findings[-1].what


def test_the_line_is_in_the_words_of_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_platform, "SYSTEM", "win32")
    assert _platform.built_with("-DX=on").startswith('$env:CMAKE_ARGS="-DX=on"; pip install')
    monkeypatch.setattr(_platform, "SYSTEM", "linux")
    assert _platform.built_with("-DX=on").startswith('CMAKE_ARGS="-DX=on" pip install')
