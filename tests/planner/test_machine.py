"""A machine is read from a line, or asked about itself."""

from __future__ import annotations

import pytest

from edge_med import _platform
from edge_med.errors import UsageError
from edge_med.planner.machine import Device, parse_machine, this_machine
from edge_med.units import GIB, parse_size


def test_a_laptop_keeps_some_memory_for_its_system() -> None:
    assert parse_machine("16GB").free_memory == 12 * GIB
    assert parse_machine("8GB").free_memory == 6 * GIB
    assert parse_machine("64 GB").free_memory == 60 * GIB


def test_gpus_come_in_their_order_and_keep_a_margin() -> None:
    machine = parse_machine("32GB, gpu=12GB, gpu=2GB, cores=8, bandwidth=60GB/s")
    assert [(d.name, d.kind, d.free) for d in machine.devices] == [
        ("GPU0", "gpu", 12 * GIB),
        ("GPU1", "gpu", 2 * GIB),
    ]
    assert [device.budget for device in machine.devices] == [11 * GIB, 7 * GIB // 4]
    assert (machine.cores, machine.bandwidth, machine.unified) == (8, 60e9, False)


@pytest.mark.parametrize(("memory", "lent"), [(8, 5.33), (16, 10.67), (64, 48.0)])
def test_a_mac_lends_its_gpu_a_share_of_its_memory(memory: int, lent: float) -> None:
    machine = parse_machine(f"{memory}GB,unified")
    (device,) = machine.devices
    assert machine.unified
    assert device.kind == "igpu"
    assert device.free / GIB == pytest.approx(lent, abs=0.01)


def test_the_share_of_unified_memory_can_be_told() -> None:
    assert parse_machine("32GB,unified,gpu=24GB").devices[0].free == 24 * GIB


@pytest.mark.parametrize(
    ("text", "size"), [("512MB", GIB // 2), ("1.5 GiB", 3 * GIB // 2), ("2", 2 * GIB)]
)
def test_sizes_are_powers_of_two(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "text",
    [
        "",
        "much",
        "0GB",
        "-4GB",
        "16GB,gpu",
        "16GB,gpu=8GB@fast",
        "16GB,disk=1TB",
        "16GB,cores=few",
        "16GB,cores=2.5",
        "16GB,cores=0",
        "16GB,cores=4,cores=8",
        "16GB,unified=yes",
        "16GB,unified,gpu=4GB,gpu=4GB",
        "16GB,bandwidth=nan",
        "16GB,gpu=inf",
        "gpu=4GB",
    ],
)
def test_what_is_no_machine_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_machine(text)
    assert "16GB,gpu=12GB" in caught.value.hint


def test_this_machine_has_no_more_room_than_memory() -> None:
    gpu = Device("CUDA0", "gpu", 8 * GIB)
    machine = this_machine((gpu,), bandwidth=2e10)
    assert machine is not None
    assert 0 < machine.free_memory <= machine.memory
    assert (machine.devices, machine.bandwidth, machine.unified) == ((gpu,), 2e10, False)


def test_a_machine_that_tells_nothing_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_platform, "available_memory", lambda: None)
    assert this_machine() is None
