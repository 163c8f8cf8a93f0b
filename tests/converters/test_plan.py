"""The plan of the real sizes: every tensor, every byte and the memory, without any weights."""

from __future__ import annotations

import dataclasses
import json
import struct
from pathlib import Path

import pytest

from converters.plan import Plan, make_plan
from converters.request import Request
from converters.slabs import MEMORY, slab_size
from edge_med.artifacts.naming import QUANTS
from edge_med.errors import CheckpointError, UsageError
from tests.checkpoints import tiny
from tests.checkpoints.tiny import TINY, Text, Tiny, Vision
from tests.checkpoints.tokenizer import write_tokenizer
from tests.conftest import Checkpoints

SIGLIP = Vision(
    layers=27,
    hidden=1152,
    feed_forward=4304,
    heads=16,
    image_size=896,
    image_tokens=256,
)
MEDGEMMA = {
    "4b": Tiny(
        text=Text(
            layers=34,
            hidden=2560,
            feed_forward=10240,
            heads=8,
            key_value_heads=4,
            head_size=256,
            rope_factor=8.0,
        ),
        vision=SIGLIP,
    ),
    "27b": Tiny(
        text=Text(
            layers=62,
            hidden=5376,
            feed_forward=21504,
            heads=32,
            key_value_heads=16,
            head_size=128,
            rope_factor=8.0,
        ),
        vision=SIGLIP,
    ),
}
VOCABULARY = 262_208

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


def write_without_weights(size: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkpoint of real shape whose one shard is a hole: it has a size, and takes no disk."""
    monkeypatch.setattr(tiny, "PADDED_VOCABULARY", VOCABULARY)
    folder.mkdir()
    write_tokenizer(folder)
    chosen = MEDGEMMA[size]
    (folder / "config.json").write_text(json.dumps(tiny.config(chosen)))
    processor = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3}
    (folder / "preprocessor_config.json").write_text(json.dumps(processor))
    header, at = {}, 0
    for name, shape in tiny.shapes(chosen):
        end = at + 2 * _product(shape)
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [at, end]}
        at = end
    raw = json.dumps(header).encode()
    with (folder / "model.safetensors").open("wb") as file:
        file.write(struct.pack("<Q", len(raw)) + raw)
        file.truncate(8 + len(raw) + at)
    return folder


def _product(shape: tuple[int, ...]) -> int:
    total = 1
    for side in shape:
        total *= side
    return total


def plan_of(size: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *quants: str) -> Plan:
    source = write_without_weights(size, tmp_path / size, monkeypatch)
    return make_plan(Request(source=source, folder=tmp_path, quants=quants))


@pytest.mark.parametrize("size", MEDGEMMA)
def test_sizes_are_the_published_ones(
    size: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_of(size, tmp_path, monkeypatch, *SIZES[size])
    for file in plan.files[:-1]:
        tensors = sum(tensor.size for tensor in file.tensors)
        assert tensors / 1e9 == pytest.approx(SIZES[size][file.quant], rel=0.005), file.quant
    projector = plan.files[-1]
    assert (projector.role, len(projector.tensors)) == ("projector", 439)
    if size == "4b":
        assert projector.size / 1e6 == pytest.approx(851.2, abs=0.1)


def test_memory_is_bounded_for_27b_in_all_types_on_many_cores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_of("27b", tmp_path, monkeypatch, *QUANTS)
    for threads in (1, 2, 8, 64):
        in_flight = 2 * threads + 2
        numbers = slab_size(plan.files, in_flight)
        longest_row = max(t.shape[-1] for file in plan.files for t in file.tensors)
        assert numbers >= longest_row
        assert in_flight * numbers * 4 * (5 + len(plan.files)) <= MEMORY


def test_tensors_stand_in_the_order_of_the_source(checkpoint: Checkpoints, tmp_path: Path) -> None:
    plan = make_plan(Request(source=checkpoint("multimodal"), folder=tmp_path, quants=("Q8_0",)))
    order = {t.name: n for n, t in enumerate(t for s in plan.checkpoint.shards for t in s.tensors)}
    for file in plan.files:
        places = [order[tensor.source.name] for tensor in file.tensors]
        assert places == sorted(places)


CHANGED: dict[str, tuple[dict[str, object], str]] = {
    "a layer too many in the config": ({"num_hidden_layers": 11}, "13 tensors are missing"),
    "a layer too few in the config": ({"num_hidden_layers": 9}, "doesn't belong to a model"),
    "another width": ({"hidden_size": 512}, "by config.json it should be"),
    "a larger vocabulary": ({"vocab_size": 1 << 20}, "by config.json it should be"),
    "no tied head": ({"tie_word_embeddings": False}, "among them output.weight"),
}


@pytest.mark.parametrize("case", CHANGED)
def test_weights_must_be_those_that_the_config_describes(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes, message = CHANGED[case]
    source = tiny.write_tiny(TINY["text"], tmp_path / "text")
    config = json.loads((source / "config.json").read_text())
    (source / "config.json").write_text(json.dumps(config | changes))
    with pytest.raises(CheckpointError, match=message):
        make_plan(Request(source=source, folder=tmp_path, quants=("Q8_0",)))


def test_rows_beyond_the_vocabulary_are_left_out(tmp_path: Path) -> None:
    source = tiny.write_tiny(TINY["text"], tmp_path / "text")
    config = json.loads((source / "config.json").read_text())
    (source / "config.json").write_text(json.dumps(config | {"vocab_size": 680}))
    plan = make_plan(Request(source=source, folder=tmp_path, quants=("Q8_0",)))
    embedding = next(t for t in plan.files[0].tensors if t.name == "token_embd.weight")
    assert embedding.shape == (680, 256)


def test_a_request_is_checked_before_anything_is_read(tmp_path: Path) -> None:
    sound = Request(source=tmp_path, folder=tmp_path, quants=("Q8_0",))
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
            Request(
                source=checkpoint("text"),
                folder=tmp_path,
                quants=("Q8_0",),
                tensor_types=(override,),
            )
        )
