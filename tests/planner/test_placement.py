"""Every part of a model gets a place, by llama.cpp's rule, and as many layers as fit a device."""

from __future__ import annotations

import bisect
import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_med.config import KV, LoadOptions
from edge_med.errors import UsageError
from edge_med.library.registry import registry
from edge_med.planner import memory_plan, sizes
from edge_med.planner.machine import Device, Machine, parse_machine
from edge_med.planner.model_spec import spec_of
from edge_med.planner.placement import place, placements, split
from edge_med.planner.placement_types import CPU, ModelSpec, Placement
from edge_med.units import GIB

MODELS = {
    (name, quant): spec_of(registry()[name], quant)
    for name in ("medgemma-4b-it", "medgemma-27b-text-it", "medgemma-27b-it", "gemma-3-270m")
    for quant in ("F16", "Q8_0", "Q4_K_M", "IQ4_XS")
}
FOUR, BIG = MODELS["medgemma-4b-it", "Q4_K_M"], MODELS["medgemma-27b-it", "Q4_K_M"]

INVENTED = (
    *("8GB,unified", "16GB,unified", "64GB,unified", "8GB,cores=4", "16GB,cores=4"),
    *("16GB,gpu=6GB", "16GB,gpu=8GB", "32GB,gpu=12GB", "64GB,gpu=24GB"),
    *("32GB,gpu=8GB,gpu=8GB", "64GB,gpu=24GB,gpu=6GB", "16GB,gpu=2GB", "4GB,gpu=24GB"),
)


@st.composite
def machines(draw: st.DrawFn) -> Machine:
    """Any machine from 1 to 128 GiB, with up to three GPUs, or one that shares the memory."""
    if draw(st.booleans()):
        return parse_machine(draw(st.sampled_from(INVENTED)))
    some = st.integers(1 << 20, 128 * GIB)
    room = draw(some)
    sizes = draw(st.lists(some, max_size=3))
    unified = draw(st.booleans())
    kind = "igpu" if unified else "gpu"
    devices = [Device(f"D{n}", kind, size) for n, size in enumerate(sizes)]  # type: ignore[arg-type]
    return Machine("invented", room + 4 * GIB, room, devices=tuple(devices), unified=unified)


Key = tuple[str, str]
keys = st.sampled_from(sorted(MODELS))
wishes = st.builds(
    LoadOptions,
    context=st.sampled_from([512, 8192, 32_768, 131_072]),
    kv=st.sampled_from(["f16", "q8_0"]),
    parallel=st.sampled_from([1, 4]),
)


@given(keys, machines(), wishes)
def test_nothing_is_lost_and_nothing_is_there_twice(
    key: Key, machine: Machine, options: LoadOptions
) -> None:
    spec = MODELS[key]
    found = place(spec, machine, options)
    decided = found.options
    assert found.layers == (spec.text.integer("gemma3.block_count") or 0) + 1
    assert sum(s.kv for s in found.devices) == sizes.kv_bytes(spec.text, decided)
    twice = sizes.embedding_bytes(spec.text) if found.gpu_layers else 0
    weights = sizes.tensor_bytes(spec.text) + twice  # a tied head on a device is a second copy
    assert sum(s.weights for s in found.devices) == weights
    eyes = [s.device for s in found.devices if s.projector]
    assert eyes == ([decided.projector_device] if spec.projector else [])


@given(keys, machines(), wishes)
def test_what_fits_has_room_on_every_device(
    key: Key, machine: Machine, options: LoadOptions
) -> None:
    spec = MODELS[key]
    found = place(spec, machine, options)
    assert found.fits == all(share.total <= share.budget for share in found.devices)
    if found.fits and machine.unified:
        assert found.total <= machine.free_memory


@given(keys, machines(), wishes)
def test_whatever_the_cpu_can_hold_alone_is_placed(
    key: Key, machine: Machine, options: LoadOptions
) -> None:
    spec = MODELS[key]
    alone = memory_plan.plan(spec.text, options, spec.projector).needed
    if alone <= machine.free_memory:
        assert place(spec, machine, options).fits


@given(keys, machines(), wishes)
def test_it_is_never_worse_than_a_simple_rule(
    key: Key, machine: Machine, options: LoadOptions
) -> None:
    """The simple rule: layers of an average size, with what computes held back, on one device."""
    spec = MODELS[key]
    layers = sizes.layers(spec.text, options)
    average = max(layer.weights + layer.kv for layer in layers)
    largest = max(layer.largest for layer in layers)
    graph = sizes.graph_bytes(spec.text, options, flash=True)
    for device in machine.devices[:1]:
        simple = min(len(layers), max(0, device.budget - graph - largest) // average)
        wish = dataclasses.replace(options, gpu_layers=simple, projector_device=CPU)
        by_rule = place(spec, machine, wish, shrink_kv=False)
        ours = place(spec, machine, options)
        if by_rule.fits:
            assert ours.fits
            assert ours.options.kv == options.kv
            assert ours.gpu_layers >= by_rule.gpu_layers


@given(keys, machines(), wishes)
@settings(max_examples=30)
def test_the_first_that_fits_is_taken_and_the_nearest_if_none_does(
    key: Key, machine: Machine, options: LoadOptions
) -> None:
    spec = MODELS[key]
    found = place(spec, machine, options)
    every = list(placements(spec, machine, options))
    fitting = [one for one in every if one.fits]
    loadable = [one for one in every if not any(share.missing for share in one.devices[:-1])]
    nearest = min(loadable or every, key=lambda one: one.missing)
    assert found == (fitting[0] if fitting else nearest)


def by_llama_cpp(placement: Placement) -> list[int]:
    """Layers per device by llama.cpp's own arithmetic (llama-model.cpp, load_tensors)."""
    sums = np.cumsum(np.array(placement.split, np.float32), dtype=np.float32)
    splits = list(sums / sums[-1])
    counts = [0] * len(placement.split)
    for layer in range(placement.gpu_layers):
        counts[bisect.bisect_right(splits, np.float32(layer) / placement.gpu_layers)] += 1
    return counts


@given(keys, machines(), wishes)
def test_llama_cpp_splits_the_layers_as_planned(
    key: Key, machine: Machine, options: LoadOptions
) -> None:
    spec = MODELS[key]
    found = place(spec, machine, options)
    if found.gpu_layers:
        assert by_llama_cpp(found) == list(found.split)


def placed(spec: ModelSpec, machine: str, **options: object) -> Placement:
    return place(spec, parse_machine(machine), LoadOptions(**options))  # type: ignore[arg-type]


def test_on_the_cpu_it_takes_what_the_memory_plan_says() -> None:
    for spec in MODELS.values():
        for kv in ("f16", "q8_0"):
            options = LoadOptions(kv=kv, gpu_layers=0, projector_device=CPU)
            plan = memory_plan.plan(spec.text, options, spec.projector)
            assert place(spec, parse_machine("256GB"), options).total == plan.needed


def test_everything_goes_to_a_gpu_that_holds_it() -> None:
    found = placed(FOUR, "16GB,gpu=8GB")
    assert (found.gpu_layers, found.options.projector_device) == (35, "GPU0")
    assert found.devices[-1].layers == 0


def test_the_projector_gives_way_before_a_layer_does() -> None:
    found = placed(FOUR, "16GB,gpu=4GB")
    assert (found.gpu_layers, found.options.projector_device) == (35, CPU)


def test_layers_give_way_before_the_cache_does() -> None:
    found = placed(BIG, "32GB,gpu=12GB")
    assert 0 < found.gpu_layers < 63
    assert found.options.kv == "f16"


def test_a_smaller_cache_is_the_last_resort() -> None:
    roomy = placed(BIG, "48GB", context=131_072)
    tight = placed(BIG, "30GB", context=131_072)
    assert (roomy.options.kv, tight.options.kv) == ("f16", "q8_0")
    assert roomy.fits
    assert tight.fits


def test_a_second_gpu_takes_what_the_first_leaves() -> None:
    one, two = placed(BIG, "64GB,gpu=12GB"), placed(BIG, "64GB,gpu=12GB,gpu=12GB")
    assert two.gpu_layers == 63 > one.gpu_layers
    assert two.split[0] > two.split[1] > 0


def test_the_last_layers_go_first_and_the_head_is_one_of_them() -> None:
    found = placed(FOUR, "16GB,gpu=8GB", gpu_layers=1, projector_device=CPU)
    gpu, cpu = found.devices
    assert (gpu.layers, cpu.layers, gpu.kv) == (1, 34, 0)
    assert gpu.weights == pytest.approx(sizes.embedding_bytes(FOUR.text), rel=1e-4)


@pytest.mark.parametrize("name", ["cpu", "GPU0", "gpu1"])
def test_a_device_can_be_asked_for(name: str) -> None:
    found = placed(FOUR, "16GB,gpu=8GB,gpu=8GB", device=name)
    assert [share.device.lower() for share in found.devices] == sorted({name.lower(), CPU})[::-1]


def test_the_projector_may_be_on_a_device_that_has_no_layers() -> None:
    found = placed(FOUR, "16GB,gpu=8GB", device="cpu", projector_device="gpu0")
    gpu, cpu = found.devices
    assert (gpu.layers, cpu.layers) == (0, 35)
    assert gpu.projector == gpu.weights + gpu.projector > 0 == cpu.projector
    assert found.options.projector_device == "GPU0"


@pytest.mark.parametrize("name", ["CPU", "Auto", "gpu0"])
def test_names_may_be_written_in_any_way(name: str) -> None:
    found = placed(FOUR, "16GB,gpu=8GB", device=name, projector_device=name)
    assert sum(bool(share.projector) for share in found.devices) == 1
    assert found.layers == 35


@pytest.mark.parametrize("wish", ["device", "projector_device"])
def test_a_device_that_is_not_there_is_an_error_that_names_those_that_are(wish: str) -> None:
    with pytest.raises(UsageError, match="no device 'CUDA0'") as caught:
        placed(FOUR, "16GB,gpu=8GB", **{wish: "CUDA0"})
    assert "cpu, GPU0" in caught.value.hint


def test_layers_that_are_asked_for_are_kept_even_if_they_do_not_fit() -> None:
    found = placed(BIG, "32GB,gpu=8GB", gpu_layers=63)
    assert found.gpu_layers == 63
    assert not found.fits
    assert found.missing > GIB


def test_more_layers_than_there_are_means_all() -> None:
    assert placed(FOUR, "16GB,gpu=8GB", gpu_layers=999).gpu_layers == 35


@pytest.mark.parametrize("kv", ["f16", "q8_0"])
def test_several_sequences_need_more_cells_of_the_window(kv: KV) -> None:
    options = LoadOptions(context=32_768, kv=kv)
    several = dataclasses.replace(options, parallel=4)
    cell = sizes.kv_bytes(FOUR.text, LoadOptions(context=256, kv=kv)) // 256 // 34
    grown = sizes.kv_bytes(FOUR.text, several) - sizes.kv_bytes(FOUR.text, options)
    assert grown == 29 * 3 * 1024 * cell


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=4).filter(any), st.integers(1, 63))
def test_proportions_give_every_layer_to_one_device(parts: list[float], layers: int) -> None:
    counts = split(parts, layers)
    assert sum(counts) == layers
    for part, count in zip(parts, counts, strict=True):
        assert abs(count - layers * part / sum(parts)) < 1.001


def test_two_devices_share_the_layers_as_they_are_told() -> None:
    found = placed(BIG, "64GB,gpu=24GB,gpu=24GB", tensor_split=(3, 1))
    assert found.split == (48, 15)  # llama.cpp rounds the first one's 47.25 up
    assert by_llama_cpp(found) == [48, 15]
    assert found.fits


def test_a_split_is_kept_although_it_does_not_fit() -> None:
    found = placed(BIG, "64GB,gpu=24GB,gpu=6GB", tensor_split=(1, 3), gpu_layers=63)
    assert found.split == (16, 47)
    assert not found.fits


def test_a_split_has_a_part_for_each_device() -> None:
    with pytest.raises(UsageError, match="3 parts for 2 devices") as caught:
        placed(FOUR, "16GB,gpu=8GB,gpu=8GB", tensor_split=(1, 1, 1))
    assert "GPU0, GPU1" in caught.value.hint


@pytest.mark.parametrize("parts", ["3,1", (0, 0), (-1, 2), (float("nan"), 1), ("3", 1), 3])
def test_a_split_is_made_of_proportions(parts: Any) -> None:
    with pytest.raises(UsageError):
        LoadOptions(tensor_split=parts)


FFN = r"blk\.\d+\.ffn_.*"


def test_overridden_tensors_are_counted_where_they_go() -> None:
    plain = placed(FOUR, "16GB,gpu=8GB")
    sent = placed(FOUR, "16GB,gpu=8GB", tensor_overrides=(f"{FFN}=CPU",))
    ffn = sum(tensor.size for tensor in FOUR.text.tensors if ".ffn_" in tensor.name)
    assert sent.split == plain.split
    assert plain.devices[0].weights - sent.devices[0].weights == ffn
    assert sent.devices[1].weights - plain.devices[1].weights == ffn
    assert sent.options.tensor_overrides == (f"{FFN}=cpu",)


def test_more_layers_fit_if_their_largest_tensors_stay_on_the_cpu() -> None:
    plain = placed(BIG, "32GB,gpu=8GB")
    sent = placed(BIG, "32GB,gpu=8GB", tensor_overrides=(f"{FFN}=cpu",))
    assert sent.fits
    assert sent.gpu_layers > plain.gpu_layers


def test_the_first_override_that_matches_decides() -> None:
    both = (r"blk\.3\..*=gpu1", r"blk\.[0-9]\..*=cpu")
    found = placed(FOUR, "16GB,gpu=8GB,gpu=8GB", tensor_overrides=both)
    third = sum(t.size for t in FOUR.text.tensors if t.name.startswith("blk.3."))
    assert found.devices[1].weights == third


@pytest.mark.parametrize(
    ("override", "told"),
    [
        (r"blk\.99\.=cpu", "matches no tensor"),
        (r".*=cpu", "stays where it is"),
        (r"blk\.1\.=CUDA7", "'CUDA7'"),
        (r"blk(=cpu", "REGEX=DEVICE"),
        (r"=cpu", "REGEX=DEVICE"),
        (r"blk\.1\.", "REGEX=DEVICE"),
    ],
)
def test_an_override_that_says_nothing_is_refused(override: str, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        placed(FOUR, "16GB,gpu=8GB", tensor_overrides=(override,))


def test_placement_never_exceeds_a_device_where_nothing_fits() -> None:
    found = place(BIG, parse_machine("16GB,gpu=6GB"), LoadOptions())
    gpu, cpu = found.devices
    assert not found.fits
    assert gpu.layers > 10
    assert gpu.missing == 0 < cpu.missing
