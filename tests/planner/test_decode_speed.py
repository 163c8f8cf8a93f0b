"""A model is as fast as its weights are read."""

from __future__ import annotations

import pytest

from edge_med.artifacts.file_names import QUANTS
from edge_med.artifacts.tensor_types import BY_NAME
from edge_med.library.registry import registry
from edge_med.planner.decode_speed import SIMILAR_TYPES, tokens_per_second
from edge_med.planner.model_spec import find, spec_of
from edge_med.planner.sizes import tensor_bytes
from tests.conftest import Models

RATES = {"Q4_K": 20e9, "Q6_K": 20e9, "Q8_0": 20e9, "F16": 20e9}


@pytest.mark.parametrize("quant", QUANTS)
def test_at_one_speed_for_all_types_it_is_bytes_by_speed(quant: str) -> None:
    text = spec_of(registry()["medgemma-4b-it"], quant).text
    assert tokens_per_second(text, RATES) == pytest.approx(20e9 / tensor_bytes(text))


def test_each_type_has_its_own_speed() -> None:
    text = spec_of(registry()["medgemma-4b-it"], "Q4_K_M").text
    slow = tokens_per_second(text, RATES | {"Q6_K": 1e9})
    assert slow < tokens_per_second(text, RATES) / 5


def test_an_embedding_that_is_no_head_is_not_read(model: Models) -> None:
    text = find(str(model("untied", "F16"))).text
    embedding = next(t.size for t in text.tensors if t.name == "token_embd.weight")
    read = tensor_bytes(text) - embedding
    assert tokens_per_second(text, RATES) == pytest.approx(20e9 / read)


def test_every_type_that_is_written_has_one_that_is_measured() -> None:
    assert set(SIMILAR_TYPES.values()) <= set(RATES)
    assert set(SIMILAR_TYPES) <= set(BY_NAME)
