"""ggml tells its devices, and what its code for the CPU was built with."""

from __future__ import annotations

import pytest

from edge_med import _platform
from edge_med.engine.llama import devices
from edge_med.engine.llama.devices import Hardware, Kind, backends, features, gpus, hardware


def test_the_cpu_is_a_device_with_this_machines_memory() -> None:
    (cpu,) = [one for one in hardware() if one.kind == "cpu"]
    assert cpu.name == "CPU"
    assert cpu.description
    assert cpu.free <= cpu.memory
    assert cpu.memory > 1 << 28


def chosen(monkeypatch: pytest.MonkeyPatch, *kinds: Kind) -> list[tuple[str, str]]:
    """Name and kind of those that a model is placed on, of devices of these kinds."""
    found = tuple(Hardware(f"{kind}{n}", "", kind, 1, 2) for n, kind in enumerate(kinds))
    monkeypatch.setattr(devices, "hardware", lambda: found)
    return [(device.name, device.kind) for device in gpus()]


def test_only_gpus_are_devices_to_place_on(monkeypatch: pytest.MonkeyPatch) -> None:
    assert chosen(monkeypatch, "cpu", "accel") == []
    assert chosen(monkeypatch, "gpu", "cpu", "gpu") == [("gpu0", "gpu"), ("gpu2", "gpu")]


def test_an_integrated_gpu_is_used_where_there_is_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert chosen(monkeypatch, "igpu", "cpu") == [("igpu0", "igpu")]
    assert chosen(monkeypatch, "igpu", "gpu", "cpu") == [("gpu1", "gpu")]


def test_apples_gpu_shares_the_machines_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_platform, "graphics", lambda: ("apple",))
    assert chosen(monkeypatch, "gpu", "cpu") == [("gpu0", "igpu")]


def test_cpu_alone_is_what_this_build_has_if_it_finds_no_gpu() -> None:
    assert "CPU" in backends()
    assert "CPU" not in [device.name for device in gpus()]


def test_features_are_those_of_the_build() -> None:
    found = features()
    assert found["LLAMAFILE"] in (True, False)
    expected = {"x86_64": "SSE3", "amd64": "SSE3", "arm64": "NEON", "aarch64": "NEON"}
    name = expected.get(_platform.MACHINE)
    assert name is None or found[name]
