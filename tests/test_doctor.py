"""The doctor finds what could be better, names the line that makes it so, and tells no secrets."""

from __future__ import annotations

import dataclasses
import getpass
import json
import platform
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edge_med import _platform, doctor, native
from edge_med.doctor import MachineReport, examine
from edge_med.engine.llama import cpu_benchmark, examination
from edge_med.engine.llama.cpu.code_levels import AS_BUILT, PLAIN, WITHOUT_AMX, CodeVerdict, Level
from edge_med.engine.llama.devices import Hardware
from edge_med.engine.llama.examination import Examination
from edge_med.engine.llama.gpu_help import BUILDS, why_no_gpu
from edge_med.errors import EngineError
from tests.conftest import Models

CPU = Hardware("CPU", "a processor", "cpu", 1 << 34, 1 << 34)
GPU = Hardware("CUDA0", "a card", "gpu", 1 << 33, 1 << 33)


@pytest.fixture
def home(tmp_path: Path, model: Models, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EDGE_MED_HOME", str(tmp_path))
    shutil.copytree(model("text", "Q8_0"), tmp_path / "models/mine")
    monkeypatch.setattr(_platform, "graphics", lambda: ())
    monkeypatch.setattr(_platform, "load", lambda: 0.1)
    monkeypatch.setattr(doctor, "_free_disk", lambda: 1 << 40)
    return tmp_path


SOUND = Examination(
    version=native.LLAMA_CPP_PYTHON,
    backends=("CPU",),
    devices=(CPU,),
    features=frozenset({"AVX", "AVX2"}),
    rates=dict.fromkeys(cpu_benchmark.TYPES, 1e10),
    verdict=CodeVerdict(AS_BUILT, ("CPU_REPACK",)),
)


def found(monkeypatch: pytest.MonkeyPatch, **told: Any) -> MachineReport:
    """The report where the child has told this, of a processor that can no more."""
    seen = dataclasses.replace(SOUND, **told)
    monkeypatch.setattr(examination, "examine", lambda *, measure: seen)
    return examine()


@pytest.mark.usefixtures("home")
def test_a_busy_machine_is_told_as_its_speeds_are_too_low(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_platform, "load", lambda: 3.2)
    monkeypatch.setattr(_platform, "performance_cores", lambda: 2)
    told = {finding.problem: finding.cure for finding in found(monkeypatch).findings}
    what = "Other programs were busy (load 3.2 on 2 cores): the speeds are too low."
    assert told[what] == "Run it again when the machine is idle."


def test_that_there_is_no_model_is_told(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "models/mine").rename(home / "models/micro")
    told = [finding.problem for finding in found(monkeypatch).findings]
    assert "There is no MedGemma on this machine." in told


def test_a_model_that_is_named_elsewhere_is_one(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "models/mine").rename(home / "elsewhere")
    monkeypatch.setenv("EDGE_MED_MODEL", str(home / "elsewhere"))
    told = [finding.problem for finding in found(monkeypatch).findings]
    assert "There is no MedGemma on this machine." not in told


def cures(report: MachineReport) -> list[str]:
    return [finding.cure for finding in report.findings]


@pytest.mark.parametrize("maker", BUILDS)
def test_a_gpu_that_llama_cpp_was_not_built_for_has_its_line(maker: str) -> None:
    (found,) = why_no_gpu(("CPU",), (CPU,), (maker,))
    backend, flags, _ = BUILDS[maker]
    assert f"without {backend}" in found.problem
    assert found.cure == native.built_with(flags)
    assert f"{native.LLAMA_CPP_PYTHON}" in found.cure


def test_of_two_makers_the_card_is_preferred_to_the_processors_own() -> None:
    (found,) = why_no_gpu(("CPU",), (CPU,), ("intel", "nvidia"))
    assert "CUDA" in found.problem


def test_a_build_for_a_gpu_that_finds_none_is_about_the_driver() -> None:
    (found,) = why_no_gpu(("CUDA", "CPU"), (CPU,), ("nvidia",))
    assert "finds no device" in found.problem
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
    assert set(report.rates) == set(cpu_benchmark.TYPES)
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
    monkeypatch.setattr(_platform, "available_memory", lambda: 1 << 20)
    report = found(monkeypatch)
    assert report.models == ("mine",)
    assert report.speeds == ()


@pytest.mark.usefixtures("home")
def test_nothing_in_it_is_personal(home: Path) -> None:
    told = json.dumps(dataclasses.asdict(examine(measure=False)))
    for secret in (str(home), str(Path.home()), platform.node(), f"/{getpass.getuser()}"):
        assert secret not in told


@pytest.fixture
def can(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Set what the processor can do."""

    def set_features(*names: str) -> None:
        monkeypatch.setattr(_platform, "cpu_features", lambda: frozenset(names) or None)

    set_features("AVX", "AVX2")
    return set_features


@pytest.mark.usefixtures("home")
def test_a_processor_that_can_more_than_the_build_uses(
    can: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    can("AVX", "AVX2", "AVX512")
    report = found(monkeypatch)
    assert report.unused == ("AVX512",)
    assert cures(report) == [native.built_with("-DGGML_NATIVE=on")]
    assert "built without AVX512" in report.findings[0].problem


@pytest.mark.usefixtures("home")
def test_doctor_keeps_amx_stores_in_a_wider_build(
    can: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_platform, "SYSTEM", "linux")
    can("AVX", "AVX2", "AMX_INT8")
    report = found(monkeypatch)
    assert cures(report) == [native.built_with(f"{native.NATIVE} {native.WHOLE_STORES}")]


@pytest.mark.usefixtures("home")
def test_a_build_that_needs_more_than_the_processor_can(
    can: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    can("AVX")
    (finding,) = found(monkeypatch).findings
    assert "with AVX2, which this one lacks" in finding.problem


@pytest.mark.usefixtures("home")
def test_a_system_that_tells_nothing_of_its_processor_is_no_finding(
    can: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    can()
    assert found(monkeypatch).findings == ()


@pytest.mark.usefixtures("home", "can")
@pytest.mark.parametrize(
    ("level", "flags"),
    [(WITHOUT_AMX, f"{native.NATIVE} {native.WHOLE_STORES}"), (PLAIN, native.GENERIC)],
    ids=str,
)
def test_code_that_is_left_out_is_a_finding_with_the_line_that_mends_it(
    level: Level, flags: str, can: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_platform, "SYSTEM", "linux")
    can("AVX", "AVX2", "AMX_INT8")
    report = found(
        monkeypatch,
        features=frozenset({"AVX", "AVX2", "AMX_INT8"}),
        verdict=CodeVerdict(level, (), "it crashes (SIGSEGV)"),
    )
    assert report.cpu_code == level.name
    assert level.meaning in report.findings[0].problem
    assert cures(report) == [native.built_with(flags)]


@pytest.mark.usefixtures("home", "can")
def test_code_that_could_not_be_tested_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    untried = CodeVerdict(WITHOUT_AMX, None, "no process can be started", tried=False)
    report = found(monkeypatch, verdict=untried)
    assert report.cpu_code == "without AMX, not tested"
    assert "couldn't be tested here: no process can be started" in report.findings[0].problem


@pytest.mark.usefixtures("home", "can")
def test_a_build_that_is_sound_at_no_level_still_has_a_report(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fault = EngineError("llama.cpp can't compute on this processor: SIGILL.", "Build it here: …")
    report = found(monkeypatch, verdict=None, rates={}, faults=(fault,))
    assert report.cpu_code is None
    assert report.speeds == ()
    assert [(one.problem, one.cure) for one in report.findings] == [(fault.message, fault.hint)]
    assert report.devices == (CPU,)


@pytest.mark.usefixtures("home")
def test_a_missing_engine_is_the_one_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_name: str) -> Path:
        raise EngineError("llama-cpp-python isn't installed.", "pip install it")

    monkeypatch.setattr(native, "native_library", missing)
    monkeypatch.setattr(examination, "_report_of_child", lambda **_: ({}, missing_again()))
    report = examine()
    assert report.llama_cpp_python is None
    assert [f.problem for f in report.findings] == ["llama-cpp-python isn't installed."]
    assert report.rates == {}


def missing_again() -> EngineError:
    return EngineError("llama-cpp-python isn't installed.", "pip install it")


@pytest.mark.usefixtures("home")
def test_a_full_disk_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_free_disk", lambda: 1 << 30)
    assert "1.00 GiB are free on the disk" in examine(measure=False).findings[-1].problem


def test_the_line_is_in_the_words_of_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_platform, "SYSTEM", "win32")
    assert native.built_with("-DX=on").startswith('$env:CMAKE_ARGS="-DX=on"; pip install')
    monkeypatch.setattr(_platform, "SYSTEM", "linux")
    assert native.built_with("-DX=on").startswith('CMAKE_ARGS="-DX=on" pip install')
