"""`edge-med doctor` prints one screen."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from edge_med import _platform, doctor, native
from edge_med.engine.llama.cpu import probe
from edge_med.engine.llama.cpu.code_levels import AS_BUILT, CodeVerdict
from tests.cli.conftest import Run
from tests.conftest import Models

EdgeMed = Callable[..., Run]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGE_MED_HOME", str(tmp_path))


def test_a_screen_has_the_facts_and_the_line_to_type(
    edge_med: EdgeMed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_platform, "graphics", lambda: ("nvidia",))
    monkeypatch.setattr(_platform, "cpu_features", lambda: None)
    run = edge_med("doctor")
    assert run.code == 0
    assert "GPU              none is used, though this machine has graphics from nvidia" in run.out
    assert f"of llama-cpp-python {native.LLAMA_CPP_PYTHON}" in run.out
    assert "could be better: This machine has a GPU of nvidia" in run.out
    assert native.built_with("-DGGML_CUDA=on") in run.out
    assert "in tokens of the answer a second" in run.out


def test_where_all_is_well_it_says_so(
    edge_med: EdgeMed, tmp_path: Path, model: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_platform, "graphics", lambda: ())
    monkeypatch.setattr(_platform, "cpu_features", lambda: None)
    monkeypatch.setattr("edge_med.doctor.LEAST_DISK", 0)
    monkeypatch.setattr(probe, "verdict", lambda **_: CodeVerdict(AS_BUILT, ()))
    monkeypatch.setattr(_platform, "load", lambda: None)
    shutil.copytree(model("text", "Q8_0"), tmp_path / "models/chest")
    run = edge_med("doctor")
    assert run.out.rstrip().endswith("Nothing needs to be done.")


def test_that_the_machine_was_busy_or_has_no_model_is_told(
    edge_med: EdgeMed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_platform, "load", lambda: 3.2)
    monkeypatch.setattr(_platform, "performance_cores", lambda: 2)
    run = edge_med("doctor")
    assert "could be better: Other programs were busy (load 3.2 on 2 cores)" in run.out
    assert "could be better: There is no MedGemma on this machine." in run.out
    assert "Estimated speed on the CPU, in tokens of the answer a second" in run.out
    assert "Nothing needs to be done" not in run.out


def test_the_same_in_json(edge_med: EdgeMed) -> None:
    report = json.loads(edge_med("doctor", "--json").out)
    assert report["llama_cpp_python"] == native.LLAMA_CPP_PYTHON
    assert [rate["type"] for rate in report["rates"]] == ["Q4_K", "Q6_K", "Q8_0", "F16"]


def test_a_terminal_gets_no_line_that_it_would_break(
    edge_med: EdgeMed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.get_terminal_size", lambda **_: os.terminal_size((80, 24)))
    real = doctor.examine()
    many = dataclasses.replace(real, built_with=("AVX512_VNNI",) * 20, speeds=(), findings=())
    monkeypatch.setattr(doctor, "examine", lambda: many)
    piped = edge_med("doctor").out
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    shown = edge_med("doctor").out
    assert shown.split() == piped.split()
    assert max(map(len, piped.splitlines())) > 80 >= max(map(len, shown.splitlines()))
