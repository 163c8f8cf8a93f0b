"""A placement is explained: why, how far it goes, what is smaller, and what would go wrong."""

from __future__ import annotations

import dataclasses

import pytest

from edge_med.artifacts.file_names import QUANTS
from edge_med.config import LONGEST_CONTEXT, LoadOptions
from edge_med.library.registry import registry
from edge_med.planner.explain import QUANTS_BY_SIZE, Advice, advise
from edge_med.planner.machine import parse_machine
from edge_med.planner.model_spec import smaller_models, spec_of
from edge_med.planner.placement import place
from edge_med.planner.placement_types import ModelSpec
from edge_med.planner.sizes import CELLS, tensor_bytes


def model(name: str, quant: str = "Q4_K_M") -> ModelSpec:
    return spec_of(registry()[name], quant)


FOUR, BIG = model("medgemma-4b-it"), model("medgemma-27b-it")


def advice(spec: ModelSpec, machine: str, **options: object) -> Advice:
    return advise(spec, parse_machine(machine), LoadOptions(**options))  # type: ignore[arg-type]


def test_quants_are_in_the_order_of_their_size() -> None:
    assert sorted(QUANTS_BY_SIZE) == sorted(QUANTS)
    for name in ("medgemma-4b-it", "medgemma-27b-it"):
        sizes = [tensor_bytes(model(name, quant).text) for quant in QUANTS_BY_SIZE]
        assert sizes == sorted(sizes, reverse=True)


def test_on_a_machine_without_a_gpu_the_reason_is_that() -> None:
    assert advice(FOUR, "16GB").reasons == ("The CPU computes everything: there is no GPU.",)


def test_on_a_gpu_that_holds_everything_the_reason_is_short() -> None:
    assert advice(FOUR, "16GB,gpu=12GB").reasons == (
        "All 35 layers: 35 on GPU0.",
        "The projector is on GPU0 too.",
    )


def test_what_gave_way_is_told_with_the_figures_that_made_it() -> None:
    where, layer, eye = advice(BIG, "32GB,gpu=12GB").reasons
    assert where.startswith("Of 63 layers: 39 on GPU0, 24 on cpu")
    assert layer.startswith("With 40 layers there: GPU0 needs 11.")
    assert layer.endswith("GiB and has 11.00 GiB.")
    assert eye.startswith(
        "The projector stays on the CPU. With it and 63 layers on a GPU: GPU0 needs 17."
    )


def test_a_smaller_cache_is_told() -> None:
    *_, cache = advice(BIG, "30GB", context=131_072).reasons
    assert cache.startswith("The KV cache is q8_0. With f16 at best: cpu needs ")


@pytest.mark.parametrize("machine", ["16GB", "16GB,gpu=6GB", "64GB,gpu=24GB", "8GB,unified"])
def test_the_largest_context_fits_and_the_next_does_not(machine: str) -> None:
    found = advice(FOUR, machine)
    most, kept = found.largest_context, found.placement.options
    assert most >= kept.context

    def fits(context: int) -> bool:
        options = dataclasses.replace(kept, context=context)
        return place(FOUR, parse_machine(machine), options, shrink_kv=False).fits

    assert fits(most)
    assert most == 131_072 or not fits(most + CELLS)


def test_no_context_is_longer_than_the_model_has() -> None:
    assert advice(model("gemma-3-270m"), "64GB").largest_context == 32_768
    assert advice(FOUR, "512GB").largest_context == 131_072 < LONGEST_CONTEXT


def test_where_nothing_fits_no_context_does() -> None:
    assert advice(BIG, "8GB").largest_context == 0


def test_where_it_would_fit_with_less_context_it_says_how_much() -> None:
    found = advice(BIG, "22GB", context=131_072)
    assert not found.placement.fits
    assert 0 < found.largest_context < 131_072


def test_the_next_smaller_quant_is_named() -> None:
    found = advice(BIG, "32GB,gpu=12GB")
    assert found.smaller is not None
    assert found.smaller.quant == "Q4_K_S"
    assert found.smaller.gpu_layers > found.placement.gpu_layers


def test_the_next_smaller_is_one_that_fits() -> None:
    found = advice(model("medgemma-27b-it", "F16"), "24GB")
    assert found.smaller is not None
    assert (found.smaller.name, found.smaller.quant) == ("medgemma-27b-it", "Q4_K_M")


def test_where_no_quant_fits_a_smaller_model_is_named() -> None:
    machine = parse_machine("16GB")
    others = smaller_models(BIG, machine.memory)
    found = advise(BIG, machine, LoadOptions(), others)
    assert found.smaller is not None
    assert found.smaller.name == "medgemma-4b-it"
    assert smaller_models(FOUR, machine.memory) == []


def test_speed_is_that_of_reading_each_layer_where_it_is() -> None:
    read = tensor_bytes(FOUR.text)  # the tied head is read, and an embedding's row is nothing
    assert advice(FOUR, "16GB,bandwidth=50GB/s").tokens_per_second == pytest.approx(50e9 / read)
    card = advice(FOUR, "16GB,gpu=12GB@300GB/s,bandwidth=50GB/s")
    assert card.tokens_per_second == pytest.approx(300e9 / read)
    part = advice(BIG, "32GB,gpu=12GB@300GB/s,bandwidth=50GB/s").tokens_per_second
    assert part is not None
    whole = tensor_bytes(BIG.text)
    assert 50e9 / whole < part < 300e9 / whole


@pytest.mark.parametrize("machine", ["16GB", "16GB,gpu=12GB", "32GB,gpu=6GB@300GB/s"])
def test_no_speed_is_made_up(machine: str) -> None:
    assert advice(BIG, machine).tokens_per_second is None


def test_a_macs_gpu_reads_at_the_speed_of_its_memory() -> None:
    found = advice(FOUR, "16GB,unified,bandwidth=100GB/s").tokens_per_second
    assert found == pytest.approx(100e9 / tensor_bytes(FOUR.text))


def test_nothing_is_warned_of_where_it_fits() -> None:
    assert advice(FOUR, "16GB").warning is None


def test_a_machine_that_would_swap_is_warned_of() -> None:
    warning = advice(model("medgemma-4b-it", "F16"), "12GB").warning
    assert warning is not None
    assert warning.startswith("This would swap: cpu needs ")


def test_a_model_larger_than_all_memory_is_warned_of() -> None:
    warning = advice(BIG, "16GB").warning
    assert warning is not None
    assert "is more than the memory" in warning
    assert "read from the disk again for every token" in warning


def test_a_device_that_is_asked_too_much_is_warned_of() -> None:
    warning = advice(BIG, "64GB,gpu=8GB", gpu_layers=63).warning
    assert warning is not None
    assert warning.startswith("It can't be loaded this way: GPU0 needs ")
