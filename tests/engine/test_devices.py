"""ggml tells its devices, and what its code for the CPU was built with."""

from __future__ import annotations

from edge_med import _platform
from edge_med.engine.devices import features, gpus, hardware


def test_the_cpu_is_a_device_with_this_machines_memory() -> None:
    (cpu,) = [one for one in hardware() if one.kind == "cpu"]
    assert cpu.name == "CPU"
    assert cpu.description
    assert cpu.free <= cpu.memory
    assert cpu.memory > 1 << 28


def test_only_gpus_are_devices_to_place_on() -> None:
    kinds = {one.name: one.kind for one in hardware()}
    assert all(kinds[device.name] in ("gpu", "igpu") for device in gpus())
    assert "CPU" not in [device.name for device in gpus()]


def test_features_are_those_of_the_build() -> None:
    found = features()
    assert found["LLAMAFILE"] in (True, False)
    expected = {"x86_64": "SSE3", "amd64": "SSE3", "arm64": "NEON", "aarch64": "NEON"}
    name = expected.get(_platform.MACHINE)
    assert name is None or found[name]
