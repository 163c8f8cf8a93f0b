"""Tests that aren't marked `gpu` compute on the CPU, whatever the machine has."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from edge_med import MedGemma
from edge_med.engine.llama import devices
from edge_med.engine.llama.devices import Hardware
from tests.conftest import HIDDEN, Models

CARD = Hardware("CUDA0", "a card", "gpu", 1 << 33, 1 << 33)


@pytest.fixture(scope="module")
def seen_by_a_fixture() -> object:
    return devices.gpus()


def test_a_machines_gpus_are_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "hardware", lambda: (CARD,))
    assert devices.gpus() == ()


def test_fixtures_of_a_whole_module_do_not_see_them_either(seen_by_a_fixture: object) -> None:
    assert seen_by_a_fixture == ()
    assert devices.gpus.__module__ != devices.__name__


def test_what_is_placed_automatically_is_on_the_cpu(
    model: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "hardware", lambda: (CARD,))
    with MedGemma.load(model("text", "F32"), context=256, threads=1) as loaded:
        assert loaded.info.device == "cpu"


def test_processes_that_a_test_starts_find_none() -> None:
    told = "from edge_med.engine.llama.devices import gpus; print(gpus())"
    run = subprocess.run(
        [sys.executable, "-c", told],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout == "()\n"
    assert {name: os.environ[name] for name in HIDDEN} == HIDDEN
