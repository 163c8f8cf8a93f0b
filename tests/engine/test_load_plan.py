"""What is decided before a load, on invented machines; and what the user is told of it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from edge_med import _platform, native
from edge_med.config import LoadOptions
from edge_med.engine import load_plan
from edge_med.engine.llama import devices
from edge_med.engine.load_plan import LoadPlan, plan_load
from edge_med.errors import MemoryShortError, UsageError
from edge_med.library.registry import registry
from edge_med.planner import memory_plan
from edge_med.planner.machine import parse_machine
from edge_med.planner.model_spec import spec_of
from edge_med.planner.placement import place
from edge_med.planner.placement_types import CPU

FOUR = spec_of(registry()["medgemma-4b-it"], "Q4_K_M")
BIG = spec_of(registry()["medgemma-27b-it"], "Q4_K_M")

COPIES = ("CPU_REPACK",)
"""Of the CPU's weights, whatever this processor is."""

Decide = Callable[..., LoadPlan]


@pytest.fixture
def on(monkeypatch: pytest.MonkeyPatch) -> Decide:
    """Decides for a model on a machine that is described."""

    def decided(described: str, subject: Any = FOUR, **wanted: Any) -> LoadPlan:
        machine = parse_machine(described)
        monkeypatch.setattr(devices, "gpus", lambda: machine.devices)
        monkeypatch.setattr(devices, "backends", lambda: ("CPU",))
        monkeypatch.setattr(_platform, "available_memory", lambda: machine.free_memory)
        monkeypatch.setattr(
            load_plan, "this_machine", lambda found: replace(machine, devices=found)
        )
        return plan_load(subject, LoadOptions(copies=COPIES, **wanted))

    return decided


def gpu_layers(decided: LoadPlan) -> int:
    return decided.placements[0].gpu_layers if decided.placements else 0


def test_without_a_gpu_everything_is_as_the_memory_plan_has_it(on: Decide) -> None:
    decided = on("16GB")
    assert decided.options == LoadOptions(copies=COPIES)
    assert decided.plan == memory_plan.plan(FOUR.text, decided.options, FOUR.projector)
    assert (decided.placements, decided.notices) == ((), ())


def test_kv_type_that_does_not_fit_is_refused_without_gpu(on: Decide) -> None:
    """Not made smaller by itself: the wish can be kept nowhere but here."""
    with pytest.raises(MemoryShortError, match="weights"):
        on("4GB")


def test_everything_goes_to_a_gpu_that_holds_it_without_a_word(on: Decide) -> None:
    decided = on("16GB,gpu=8GB")
    assert gpu_layers(decided) == 35
    assert (decided.options.gpu_layers, decided.options.projector_device) == (35, "GPU0")
    assert decided.notices == ()


@pytest.mark.parametrize(
    ("machine", "subject", "told"),
    [
        ("16GB,gpu=4GB", FOUR, "projector stays on the CPU"),
        ("32GB,gpu=12GB", BIG, "Of 63 layers"),
        ("28GB,gpu=6GB", BIG, "KV cache is q8_0"),
    ],
)
def test_what_gives_way_is_told_with_the_reason(
    machine: str, subject: Any, told: str, on: Decide
) -> None:
    decided = on(machine, subject, context=131_072 if "q8_0" in told else 8192)
    (notice,) = decided.notices
    assert notice.code == "placement"
    assert told in notice.text
    assert "needs" in notice.text


@pytest.mark.parametrize(
    "wanted",
    [
        {"gpu_layers": 5},
        {"gpu_layers": 0, "projector_device": "GPU0"},
        {"projector_device": "cpu"},
        {"device": "gpu0"},
        {"kv": "q8_0"},
    ],
    ids=str,
)
def test_what_is_asked_for_is_kept(wanted: dict[str, Any], on: Decide) -> None:
    decided = on("16GB,gpu=8GB", **wanted)
    for name, value in wanted.items():
        kept = getattr(decided.options, name)
        assert kept == value or str(kept).lower() == value
    assert gpu_layers(decided) == wanted.get("gpu_layers", 35)
    assert decided.notices == ()


def test_the_cpu_alone_is_used_if_that_is_asked_for(on: Decide) -> None:
    for wanted in ({"device": "cpu"}, {"gpu_layers": 0, "projector_device": "cpu"}):
        decided = on("16GB,gpu=8GB", **wanted)
        assert decided.placements == ()
        assert decided.notices == ()


@pytest.mark.parametrize(
    ("wanted", "flag"),
    [
        ({"device": "CUDA0"}, "-DGGML_CUDA=on"),
        ({"device": "Vulkan0"}, "-DGGML_VULKAN=on"),
        ({"projector_device": "MTL0"}, "-DGGML_METAL=on"),
        ({"gpu_layers": 3}, "-DGGML_CUDA=on"),
        ({"tensor_split": (1, 1)}, "-DGGML_CUDA=on"),
        ({"tensor_overrides": ("blk=Vulkan0",)}, "-DGGML_VULKAN=on"),
    ],
    ids=str,
)
def test_gpu_without_a_build_is_an_error_with_the_pip_line(
    wanted: dict[str, Any], flag: str, on: Decide, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_platform, "graphics", lambda: ("nvidia",))
    with pytest.raises(UsageError) as caught:
        on("16GB", **wanted)
    assert caught.value.hint.endswith(native.built_with(flag))


def test_a_gpu_that_is_missing_beside_others_is_an_error_that_names_those(on: Decide) -> None:
    with pytest.raises(UsageError, match="CUDA7") as caught:
        on("16GB,gpu=8GB", device="CUDA7")
    assert "GPU0" in caught.value.hint


def test_layers_on_a_gpu_and_the_cpu_as_the_device_contradict_each_other(on: Decide) -> None:
    with pytest.raises(UsageError, match="asks for layers on a GPU"):
        on("16GB,gpu=8GB", device="cpu", gpu_layers=3)


def test_the_rule_for_memory_is_kept(on: Decide, caplog: pytest.LogCaptureFixture) -> None:
    machine, wanted = "16GB,gpu=2GB", {"gpu_layers": 35}
    with pytest.raises(MemoryShortError, match="GPU0 needs"):
        on(machine, **wanted)
    assert gpu_layers(on(machine, memory="ignore", **wanted)) == 35
    assert not caplog.records
    with caplog.at_level(logging.WARNING):
        assert gpu_layers(on(machine, memory="warn", **wanted)) == 35
    assert "GPU0 needs" in caplog.text


def test_there_is_a_second_placement_with_fewer_layers(on: Decide) -> None:
    first, second = on("16GB,gpu=6GB").placements
    assert 0 <= second.gpu_layers < first.gpu_layers
    machine = parse_machine("16GB,gpu=6GB")
    halved = tuple(replace(one, free=one.free // 2) for one in machine.devices)
    assert second == place(FOUR, replace(machine, devices=halved), LoadOptions(copies=COPIES))


def test_a_number_of_layers_that_was_asked_for_is_not_backed_off_from(on: Decide) -> None:
    assert len(on("16GB,gpu=8GB", gpu_layers=35).placements) == 1


def test_adapters_are_given_room_wherever_layers_may_go(
    on: Decide, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = parse_machine("16GB,gpu=5GB")
    monkeypatch.setattr(load_plan, "this_machine", lambda found: replace(machine, devices=found))
    held = load_plan._machine(machine.devices, 1 << 30)
    assert held.free_memory == machine.free_memory - (1 << 30)
    assert [d.free for d in held.devices] == [d.free - (1 << 30) for d in machine.devices]


def test_where_the_system_tells_no_memory_the_gpu_is_used_all_the_same(
    on: Decide, monkeypatch: pytest.MonkeyPatch
) -> None:
    on("16GB,gpu=8GB")
    monkeypatch.setattr(load_plan, "this_machine", lambda _found: None)
    decided = plan_load(FOUR, LoadOptions())
    assert gpu_layers(decided) == 35


def test_two_gpus_share_a_model_that_one_cannot_hold(on: Decide) -> None:
    decided = on("64GB,gpu=12GB,gpu=12GB", BIG)
    first, second, cpu = decided.placements[0].devices
    assert min(first.layers, second.layers) > 0
    assert cpu.device == CPU
