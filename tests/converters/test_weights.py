"""Of every mixture of files the weights are found, as transformers finds them, or it is refused."""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from converters.weights import INDEX, SINGLE, find_weights
from devtools.checkpoints.safetensors import write_safetensors
from edge_med.artifacts.tensor_names import target
from edge_med.errors import CheckpointError

SHARDS = tuple(f"model-{n:05d}-of-00002.safetensors" for n in (1, 2))
TENSORS = dict(zip(SHARDS, ("model.norm.weight", "lm_head.weight"), strict=True))
FILES = (SINGLE, INDEX, *SHARDS)
MIXTURES = [set(some) for count in range(5) for some in combinations(FILES, count)]


def write(folder: Path, files: set[str]) -> None:
    """Whichever of one file, two shards, and their index."""
    one = ("F32", np.zeros(2, np.float32))
    for shard, name in TENSORS.items():
        if shard in files:
            write_safetensors(folder / shard, {name: one})
    if SINGLE in files:
        write_safetensors(folder / SINGLE, dict.fromkeys(TENSORS.values(), one))
    if INDEX in files:
        weight_map = {name: shard for shard, name in TENSORS.items()}
        (folder / INDEX).write_text(json.dumps({"weight_map": weight_map}))


def expected(files: set[str]) -> list[str] | None:
    """What is to be taken; None where something is missing, or could be meant twice."""
    shards = [shard for shard in SHARDS if shard in files]
    if SINGLE in files:
        return None if shards else [SINGLE]
    return list(SHARDS) if len(shards) == len(SHARDS) else None


@pytest.mark.parametrize("files", MIXTURES, ids=lambda files: " ".join(sorted(files)) or "none")
def test_every_mixture_of_files_is_found_or_refused(files: set[str], tmp_path: Path) -> None:
    write(tmp_path, files)
    wanted = expected(files)
    if wanted is None:
        with pytest.raises(CheckpointError) as caught:
            find_weights(tmp_path)
        assert caught.value.hint
        return
    shards, warnings = find_weights(tmp_path)
    assert [shard.path.name for shard in shards] == wanted
    assert [one.code for one in warnings] == ["stale_index"] * (files == {SINGLE, INDEX})


WRAPPERS = st.lists(st.sampled_from(["module.", "_orig_mod.", "base_model.model."]), max_size=4)


@given(
    wrappers=WRAPPERS,
    name=st.sampled_from(
        [
            "language_model.model.layers.3.mlp.up_proj.weight",
            "model.language_model.layers.3.mlp.up_proj.weight",
            "model.layers.3.mlp.up_proj.weight",
            "lm_head.weight",
            "vision_tower.vision_model.encoder.layers.3.mlp.fc1.bias",
            "multi_modal_projector.mm_soft_emb_norm.weight",
        ]
    ),
    inside=st.booleans(),
)
def test_any_wrappers_around_a_model_change_nothing(
    wrappers: list[str], name: str, inside: bool
) -> None:
    within = name.replace(".mlp.", "._orig_mod.mlp.") if inside else name
    assert target("".join(wrappers) + within, tied=False) == target(name, tied=False)
