"""What llama.cpp is told of devices, and what is made of its answer; the devices are invented."""

from __future__ import annotations

import ctypes
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edge_med.artifacts.gguf import Header, read_header
from edge_med.config import LoadOptions
from edge_med.engine.engine import Engine
from edge_med.engine.llama import devices, loader
from edge_med.engine.llama import text_model as model
from edge_med.engine.llama.bindings import llama_cpp
from edge_med.engine.llama.context import Context
from edge_med.engine.llama.memory_log import Buffer, MemoryLog
from edge_med.engine.llama.offload import (
    attention,
    device_of,
    device_usage,
    offload,
    used,
    with_projector,
)
from edge_med.errors import EngineError
from edge_med.planner.machine import Device, Machine
from edge_med.planner.placement import place
from edge_med.planner.placement_types import CPU, DeviceUsage, ModelSpec, Placement, devices_of
from edge_med.units import GIB
from tests.conftest import Models

OPTIONS = LoadOptions(context=300, batch=64, threads=1)
HEADER = Header(3, {}, (), 0, 0)
HANDLES = {"GPU0": 0x1000, "GPU1": 0x2000}


HANDLE = devices.handle


@pytest.fixture(autouse=True)
def invented(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "handle", HANDLES.__getitem__)


@pytest.fixture
def text(model: Models) -> Path:
    return model("text", "F32") / "text-F32.gguf"


def placement(text: Path, *free: int, **wanted: Any) -> Placement:
    """A tiny text model on a machine with GPUs of so many free bytes."""
    gpus = tuple(Device(f"GPU{number}", "gpu", size) for number, size in enumerate(free))
    machine = Machine("invented", 64 * GIB, 60 * GIB, devices=gpus)
    spec = ModelSpec("text", "F32", read_header(text))
    return place(spec, machine, replace(OPTIONS, **wanted))


def told(where: Placement | None) -> tuple[list[int], list[float], Any]:
    """The devices, the split and the parameters that llama.cpp gets."""
    api = llama_cpp()
    params = api.llama_model_default_params()
    kept = offload(api, params, HEADER, where)
    listed = ctypes.cast(params.devices, ctypes.POINTER(ctypes.c_void_p))
    names: list[int] = []
    while listed[len(names)]:
        names.append(int(listed[len(names)] or 0))
    assert kept
    return names, [params.tensor_split[n] for n in range(len(names))], params


def test_on_the_cpu_alone_llama_cpp_gets_a_list_without_devices() -> None:
    names, split, params = told(None)
    assert (names, split, params.n_gpu_layers) == ([], [], 0)
    assert params.devices


def test_all_layers_and_the_head_go_to_a_gpu_that_holds_them(text: Path) -> None:
    where = placement(text, 8 * GIB)
    names, split, params = told(where)
    assert names == [HANDLES["GPU0"]]
    assert split == [where.layers] == [params.n_gpu_layers]
    assert params.split_mode == 1  # LLAMA_SPLIT_MODE_LAYER (llama.h)


def test_two_gpus_get_as_many_layers_as_each_was_given(text: Path) -> None:
    full = placement(text, 8 * GIB).devices[0].total
    where = placement(text, int(full * 0.7), 8 * GIB)
    names, split, params = told(where)
    assert names == [HANDLES["GPU0"], HANDLES["GPU1"]]
    assert tuple(split) == where.split
    assert min(split) > 0
    assert params.n_gpu_layers == where.gpu_layers == where.layers


def test_a_gpu_without_layers_is_not_told_of(text: Path) -> None:
    names, _split, params = told(placement(text, 8 * GIB, gpu_layers=0))
    assert (names, params.n_gpu_layers) == ([], 0)


def test_flash_attention_is_left_to_the_devices_where_there_are_any(text: Path) -> None:
    header = read_header(text)
    assert attention(header, OPTIONS, None) == 0
    assert attention(header, replace(OPTIONS, kv="q8_0"), None) == 1
    assert attention(header, OPTIONS, placement(text, 8 * GIB)) == -1
    assert attention(header, OPTIONS, placement(text, 8 * GIB, gpu_layers=0)) == 0


def test_overrides_reach_llama_cpp_as_a_list_with_an_end(
    text: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "buffer_type", {CPU: 0x30, "GPU1": 0x40}.__getitem__)
    wanted = (r"blk\.0\.ffn_.*=cpu", r"blk\.0\..*=gpu1")
    where = placement(text, 8 * GIB, 8 * GIB, tensor_overrides=wanted)
    params = llama_cpp().llama_model_default_params()
    kept = offload(llama_cpp(), params, read_header(text), where)
    words = ctypes.cast(params.tensor_buft_overrides, ctypes.POINTER(ctypes.c_void_p))
    told = [(ctypes.string_at(words[n] or 0), words[n + 1]) for n in (0, 2)]
    assert told == [(rb"blk\.0\.ffn_.*", 0x30), (rb"blk\.0\..*", 0x40)]
    assert (words[4], words[5]) == (None, None)
    assert [share.device for share in used(where)] == ["GPU0", "GPU1"]  # it has tensors, no layers
    assert kept


def test_the_cpus_memory_is_a_place_for_tensors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "handle", HANDLE)
    assert devices.buffer_type(CPU)


@pytest.mark.parametrize(
    ("buffer", "device"),
    [
        ("CUDA0", "CUDA0"),
        ("CUDA10", "CUDA10"),
        ("MTL0_Mapped", "MTL0"),
        ("Vulkan_Host", CPU),
        ("CPU_Mapped", CPU),
        ("CPU_REPACK", CPU),
    ],
)
def test_a_buffer_belongs_to_the_device_that_it_is_named_after(buffer: str, device: str) -> None:
    assert device_of(buffer, ["CUDA0", "CUDA1", "CUDA10", "MTL0", "Vulkan0"]) == device


def test_what_llama_cpp_tells_is_summed_up_for_each_device(text: Path) -> None:
    where = placement(text, 8 * GIB, gpu_layers=2)
    heard = MemoryLog(
        [
            Buffer("CPU_Mapped", "model", 100),
            Buffer("GPU0", "model", 50),
            Buffer("GPU0", "KV", 7),
            Buffer("GPU0", "KV", 3),
            Buffer("CPU", "KV", 20),
            Buffer("GPU0", "compute", 5),
            Buffer("GPU_Host", "compute", 4),
            Buffer("CPU", "output", 1),
        ],
        {0: "CPU", 1: "GPU0", 2: "GPU0"},
    )
    assert device_usage(heard, where) == (
        DeviceUsage("GPU0", layers=2, weights=50, projector=0, kv=10, compute=5),
        DeviceUsage(CPU, layers=1, weights=100, projector=0, kv=20, compute=5),
    )


@pytest.mark.parametrize(
    ("layers", "weights", "told"),
    [
        ((3, 0), (9, 1), "GPU0"),
        ((2, 1), (6, 4), "GPU0+cpu"),
        ((0, 3), (2, 9), "GPU0+cpu"),
        ((0, 3), (0, 9), "cpu"),
    ],
)
def test_what_computes_is_told_by_layers_and_by_tensors_on_gpus(
    layers: tuple[int, int], weights: tuple[int, int], told: str
) -> None:
    parts = zip(("GPU0", CPU), layers, weights, strict=True)
    assert devices_of(DeviceUsage(name, n, size, 0, 0, 0) for name, n, size in parts) == told


def test_a_projector_is_counted_where_it_stays() -> None:
    alone = (DeviceUsage(CPU, 3, 9, 0, 9, 9),)
    both = MemoryLog([Buffer("GPU0", "projector", 8), Buffer("CPU", "projector", 8)])
    assert with_projector(alone, both, CPU) == (replace(alone[0], projector=8),)
    assert with_projector(alone, both, "GPU0") == (DeviceUsage("GPU0", 0, 0, 8, 0, 0), alone[0])


def test_a_model_tells_where_its_layers_are(text: Path) -> None:
    engine = Engine(text, None, OPTIONS)
    engine.close()
    (cpu,) = engine.usage
    header = read_header(text)
    assert cpu.device == engine.device == CPU
    assert cpu.layers == (header.integer("gemma3.block_count") or 0) + 1
    assert cpu.weights >= sum(tensor.size for tensor in header.tensors) - 8192  # pages, rounded
    assert min(cpu.kv, cpu.compute) > 0


class Flaky:
    """llama.cpp, but that its devices are the CPU, and the first ones fail to take a model."""

    def __init__(self, failures: int) -> None:
        self._real = llama_cpp()
        self.failures = failures
        self.layers: list[int] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def llama_model_load_from_file(self, path: bytes, params: Any) -> Any:
        self.layers.append(params.n_gpu_layers)
        if len(self.layers) <= self.failures:
            return None
        params.n_gpu_layers = 0
        params.devices = ctypes.addressof(nothing := (ctypes.c_void_p * 1)(None))
        opened = self._real.llama_model_load_from_file(path, params)
        assert nothing[0] is None
        return opened


@pytest.fixture
def flaky(monkeypatch: pytest.MonkeyPatch) -> Flaky:
    fake = Flaky(1)
    monkeypatch.setattr(model, "llama_cpp", lambda: fake)
    return fake


def test_a_load_that_fails_is_tried_once_more_with_less_and_told(text: Path, flaky: Flaky) -> None:
    first, second = placement(text, 8 * GIB), placement(text, 8 * GIB, gpu_layers=1)
    engine = Engine(text, None, OPTIONS, placements=(first, second))
    engine.close()
    assert flaky.layers == [first.layers, 1]
    assert engine.options == replace(second.options, copies=engine.options.copies)
    (notice,) = engine.notices
    assert notice.code == "back_off"
    assert f"{first.layers} on GPU0" in notice.text
    assert "1 on GPU0" in notice.text
    assert engine.fallbacks == [notice.text.removesuffix(".")]


def test_a_second_failure_is_an_error(text: Path, flaky: Flaky) -> None:
    flaky.failures = 2
    where = placement(text, 8 * GIB), placement(text, 8 * GIB, gpu_layers=1)
    with pytest.raises(EngineError, match="can't load"):
        Engine(text, None, OPTIONS, placements=where)
    assert len(flaky.layers) == 2


def test_a_load_that_may_not_take_less_fails_with_what_to_do(text: Path, flaky: Flaky) -> None:
    with pytest.raises(EngineError, match="on GPU0") as caught:
        Engine(text, None, OPTIONS, placements=(placement(text, 8 * GIB),))
    assert "`gpu_layers`" in caught.value.hint
    assert len(flaky.layers) == 1


def test_a_context_that_fails_on_a_device_frees_the_model(
    text: Path, flaky: Flaky, monkeypatch: pytest.MonkeyPatch
) -> None:
    flaky.failures = 0
    turns: list[Any] = []

    def context(model: Any, options: LoadOptions, where: Placement | None) -> Any:
        turns.append(model)
        if len(turns) == 1:
            raise EngineError("No room.", "Wait.")
        return Context(model, options, where)

    monkeypatch.setattr(loader, "Context", context)
    where = placement(text, 8 * GIB), placement(text, 8 * GIB, gpu_layers=0)
    engine = Engine(text, None, OPTIONS, placements=where)
    engine.close()
    assert turns[0].handle is None
    assert engine.notices[0].code == "back_off"
