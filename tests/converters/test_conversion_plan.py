"""The plan of the real sizes: every tensor, every byte and the memory, without any weights."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from converters.conversion_plan import ConversionPlan, make_plan
from converters.estimate import memory_bound
from converters.request import ConversionRequest
from converters.slabs import MEMORY, in_flight, slab_memory, slab_size
from devtools.checkpoints.medgemma import medgemma, write_shape
from devtools.checkpoints.tiny import TINY, write_tiny
from devtools.checkpoints.tokenizer import write_tokenizer
from edge_med.artifacts.file_names import QUANTS
from edge_med.errors import CheckpointError, UsageError
from tests.conftest import Checkpoints

# Gigabytes of all tensors of the text model, by the sizes of llama.cpp's types (a published 4B file
# of each kind has just these).
SIZES = {
    "4b": {"F16": 7.76, "Q8_0": 4.12, "Q6_K": 3.18, "Q5_K_M": 2.82, "Q4_K_M": 2.48, "Q4_K_S": 2.37},
    "27b": {
        "F16": 54.0,
        "Q8_0": 28.7,
        "Q6_K": 22.2,
        "Q5_K_M": 19.3,
        "Q4_K_M": 16.5,
        "Q4_K_S": 15.7,
    },
}


def plan_of(size: str, folder: Path, *quants: str) -> ConversionPlan:
    """The plan of a checkpoint whose shards are holes: they have a size, and take no disk."""
    source = folder / size
    source.mkdir()
    write_tokenizer(source)
    write_shape(medgemma(size), source, hollow=True)
    return make_plan(ConversionRequest(source=source, folder=folder, quants=quants))


@pytest.mark.parametrize("size", SIZES)
def test_sizes_are_the_published_ones(size: str, tmp_path: Path) -> None:
    plan = plan_of(size, tmp_path, *SIZES[size])
    for file in plan.files[:-1]:
        tensors = sum(tensor.size for tensor in file.tensors)
        assert tensors / 1e9 == pytest.approx(SIZES[size][file.quant], rel=0.005), file.quant
    projector = plan.files[-1]
    assert (projector.role, len(projector.tensors)) == ("projector", 439)
    if size == "4b":
        assert projector.size / 1e6 == pytest.approx(851.2, abs=0.1)


def test_memory_is_bounded_for_27b_in_all_types_on_many_cores(tmp_path: Path) -> None:
    plan = plan_of("27b", tmp_path, *QUANTS)
    longest_row = max(t.shape[-1] for file in plan.files for t in file.tensors)
    for threads in (1, 2, 8, 64, 1000):
        assert slab_size(plan.files, in_flight(threads)) >= longest_row
        assert slab_memory(plan.files, threads) <= MEMORY
        assert memory_bound(plan) < 1 << 30


def test_tensors_stand_in_the_order_of_the_source(checkpoint: Checkpoints, tmp_path: Path) -> None:
    plan = make_plan(
        ConversionRequest(source=checkpoint("multimodal"), folder=tmp_path, quants=("Q8_0",))
    )
    order = {t.name: n for n, t in enumerate(t for s in plan.checkpoint.shards for t in s.tensors)}
    for file in plan.files:
        places = [order[tensor.source.name] for tensor in file.tensors]
        assert places == sorted(places)


CHANGED: dict[str, tuple[dict[str, object], str]] = {
    "a layer too many in the config": ({"num_hidden_layers": 11}, "13 tensors are missing"),
    "a layer too few in the config": ({"num_hidden_layers": 9}, "doesn't belong to a model"),
    "another width": ({"hidden_size": 512}, "by config.json it should be"),
    "no tied head": (
        {"tie_word_embeddings": False},
        "tie_word_embeddings false, and the weights have no lm_head",
    ),
}


@pytest.mark.parametrize("case", CHANGED)
def test_weights_must_be_those_that_the_config_describes(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes, message = CHANGED[case]
    source = write_tiny(TINY["text"], tmp_path / "text")
    config = json.loads((source / "config.json").read_text())
    (source / "config.json").write_text(json.dumps(config | changes))
    with pytest.raises(CheckpointError, match=message):
        make_plan(ConversionRequest(source=source, folder=tmp_path, quants=("Q8_0",)))


def test_rows_beyond_the_vocabulary_are_left_out(tmp_path: Path) -> None:
    source = write_tiny(TINY["text"], tmp_path / "text")
    config = json.loads((source / "config.json").read_text())
    (source / "config.json").write_text(json.dumps(config | {"vocab_size": 680}))
    plan = make_plan(ConversionRequest(source=source, folder=tmp_path, quants=("Q8_0",)))
    embedding = next(t for t in plan.files[0].tensors if t.name == "token_embd.weight")
    assert embedding.shape == (680, 256)


def test_a_request_is_checked_before_anything_is_read(tmp_path: Path) -> None:
    sound = ConversionRequest(source=tmp_path, folder=tmp_path, quants=("Q8_0",))
    for wrong in (
        {"quants": ()},
        {"quants": ("Q3_K",)},
        {"mmproj": "Q4_0"},
        {"name": "a/b"},
        {"threads": 0},
    ):
        with pytest.raises(UsageError):
            dataclasses.replace(sound, **wrong)


@pytest.mark.parametrize("override", ["attn_v", "attn_v=Q3_K", "=Q8_0", "(=Q8_0"])
def test_an_override_must_be_an_expression_and_a_type(
    override: str, checkpoint: Checkpoints, tmp_path: Path
) -> None:
    with pytest.raises(UsageError):
        make_plan(
            ConversionRequest(
                source=checkpoint("text"),
                folder=tmp_path,
                quants=("Q8_0",),
                tensor_types=(override,),
            )
        )
