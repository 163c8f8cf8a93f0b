"""Damaged adapters are refused by our own errors, or what is left of them fits: nothing else."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from converters.checkpoint import Checkpoint, open_checkpoint
from converters.entries import Entry, read_entries
from converters.lora.merge import merge
from converters.pipeline import convert
from converters.quantize import Workspace
from converters.request import ConversionRequest
from devtools.checkpoints.peft import EVERYTHING, SETTINGS, save_adapter
from devtools.checkpoints.tiny import TINY, preprocessor, write_tiny
from edge_med.artifacts.adapters.peft_adapter import open_adapter
from edge_med.artifacts.adapters.peft_folder import CONFIG, WEIGHTS
from edge_med.artifacts.hparams import ModelParams, read_params
from edge_med.errors import CheckpointError, EdgeMedError

VALUES: list[Any] = [
    *(None, True, False, 0, -1, 1, 8, 1e300, 1 << 70, "", "x", "LORA", [], {}, [None], {"a": None}),
    *([1], [-1], ["q_proj"], {"q_proj": 0}, {"q_proj": 3}, {"(": 2}, {"(a|a)*b": 2}, {"": 1}),
    *([[0, 2]], {"embed_tokens": [1]}, {"embed_tokens": ["1"]}, float("nan"), float("inf")),
]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> tuple[Checkpoint, ModelParams]:
    folder = write_tiny(TINY["multimodal"], tmp_path_factory.mktemp("base") / "tiny")
    vision = TINY["multimodal"].vision
    assert vision is not None
    checkpoint = open_checkpoint(folder)
    return checkpoint, read_params(checkpoint.config, preprocessor(vision))


def configs(dice: random.Random, data: dict[str, Any]) -> bytes:
    """A config with another value for a key or two, without one, or cut off."""
    changed = dict(data)
    for _ in range(dice.randint(1, 2)):
        key = dice.choice([*data, "use_dora", "layers_pattern", "arrow_config", "weights"])
        if dice.random() < 0.2:
            changed.pop(key, None)
        else:
            changed[key] = dice.choice(VALUES)
    text = json.dumps(changed).encode()
    return text[: dice.randrange(len(text))] if dice.random() < 0.1 else text


def weights(dice: random.Random, data: bytes) -> bytes:
    """A file cut off, longer, or with other bytes in its header."""
    if dice.random() < 0.2:
        return data[: dice.randrange(len(data))]
    if dice.random() < 0.1:
        return data + bytes(dice.randint(1, 64))
    changed = bytearray(data)
    end = 8 + int.from_bytes(data[:8], "little")
    for _ in range(dice.randint(1, 3)):
        changed[dice.randrange(end)] = dice.choice(b'0123456789"{}[],:ABx.\0\xff')
    return bytes(changed)


PROMISED: dict[str, dict[str, Any]] = {
    "modules_to_save lm_head": {"modules_to_save": ["input_layernorm", "lm_head"]},
    "modules_to_save model.norm": {"modules_to_save": ["model.norm"]},
    "target_modules v_proj": {"target_modules": ["q_proj", "v_proj", "down_proj"]},
    "lora_bias true": {"lora_bias": True},
    "bias all": {"bias": "all"},
    "use_rslora": {"use_rslora": "true"},
    "use_dora 1": {"use_dora": 1},
}


@pytest.mark.parametrize("words", PROMISED)
def test_what_a_config_promises_and_the_file_lacks_is_named(words: str, tmp_path: Path) -> None:
    more = SETTINGS | {"use_rslora": False} | PROMISED[words]
    with pytest.raises(CheckpointError, match=words):
        open_adapter(save_adapter(tmp_path / "chest", EVERYTHING, **more))


def test_rows_that_a_config_promises_are_missed(tmp_path: Path) -> None:
    tensors = {name: values for name, values in EVERYTHING.items() if "token_adapter" not in name}
    with pytest.raises(CheckpointError, match=r"trainable_token_indices \[7, 8\]"):
        open_adapter(save_adapter(tmp_path / "chest", tensors, **SETTINGS))


@pytest.mark.parametrize(
    "more",
    [
        {"modules_to_save": ["layers.1.input_layernorm", "classifier"]},
        {"target_modules": ["q_proj", "query_key_value", "out_proj", "fc1"]},
        {"target_modules": ["q_proj", "v_proj"], "exclude_modules": "v_proj"},
        {"target_modules": r".*(q|v)_proj"},
        {"target_modules": "all-linear"},
        {"bias": "lora_only"},
    ],
)
def test_what_peft_passes_over_itself_is_no_promise(more: dict[str, Any], tmp_path: Path) -> None:
    open_adapter(save_adapter(tmp_path / "chest", EVERYTHING, **SETTINGS | more))


@pytest.mark.parametrize("part", ["config", "weights"])
def test_a_thousand_damaged_adapters(
    part: str, base: tuple[Checkpoint, ModelParams], tmp_path: Path
) -> None:
    checkpoint, params = base
    entries: tuple[list[Entry], list[Entry]] = read_entries(checkpoint, params)
    folder = save_adapter(tmp_path / "chest", EVERYTHING, **SETTINGS)
    sound = {name: (folder / name).read_bytes() for name in (CONFIG, WEIGHTS)}
    merge(checkpoint, params, *entries, [open_adapter(folder)])
    settings = json.loads(sound[CONFIG])
    damage: dict[str, Callable[[random.Random], bytes]] = {
        "config": lambda dice: configs(dice, settings),
        "weights": lambda dice: weights(dice, sound[WEIGHTS]),
    }
    name = CONFIG if part == "config" else WEIGHTS
    refused = 0
    for seed in range(1000):
        (folder / name).write_bytes(damage[part](random.Random(seed)))
        try:
            merge(checkpoint, params, *entries, [open_adapter(folder)])
        except EdgeMedError as error:
            assert error.hint, error
            refused += 1
    assert refused > (400 if part == "config" else 900)


def test_slabs_of_many_merged_tensors_take_the_memory_of_a_few(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spaces: list[Workspace] = []

    class Watched(Workspace):
        def __init__(self) -> None:
            super().__init__()
            spaces.append(self)

    monkeypatch.setattr("converters.slabs.Workspace", Watched)
    source = write_tiny(TINY["multimodal"], tmp_path / "tiny")
    folder = save_adapter(tmp_path / "chest", EVERYTHING, **SETTINGS)
    adapters = ((folder, 1.0),)
    convert(
        ConversionRequest(
            source=source, folder=tmp_path / "out", quants=("Q8_0",), adapters=adapters
        )
    )
    assert max(len(space._buffers) for space in spaces) <= 6
