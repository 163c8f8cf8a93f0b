"""Micro's files have the names and keys that every transformers from 4.50 on reads.

4.51.3 and 5.23.0 gave the same logits of a picture and a question with them, without a warning.
"""

from __future__ import annotations

import json
from pathlib import Path

from devtools.checkpoints.safetensors import write_safetensors
from devtools.checkpoints.tiny import TINY, stored_weights, write_tiny
from devtools.micro.files import TEMPLATE, give_published_names
from edge_med.artifacts.safetensors import read_shard
from edge_med.library.default_model import embedded


def read(name: str) -> dict[str, object]:
    found: dict[str, object] = json.loads((embedded() / name).read_text("utf-8"))
    return found


def test_its_tensors_are_called_as_googles() -> None:
    names = [t.name for t in read_shard(embedded() / "model.safetensors").tensors]
    seeing = [name for name in names if name.startswith("vision_tower.")]
    assert seeing
    assert all(name.startswith("vision_tower.vision_model.") for name in seeing)


def test_its_processor_finds_image_tokens_and_template() -> None:
    extra = read("tokenizer_config.json")["extra_special_tokens"]
    assert extra == {
        "boi_token": "<start_of_image>",
        "eoi_token": "<end_of_image>",
        "image_token": "<image_soft_token>",
    }
    assert read("chat_template.json") == {"chat_template": TEMPLATE}
    assert read("tokenizer_config.json")["chat_template"] == TEMPLATE


def test_a_save_of_transformers_5_gets_the_published_names(tmp_path: Path) -> None:
    folder = write_tiny(TINY["multimodal-transformers5"], tmp_path)
    path = folder / "model.safetensors"
    give_published_names(path)
    published = read_shard(path)
    weights = stored_weights(TINY["multimodal"], "BF16")
    write_safetensors(path, weights)
    assert [(t.name, t.shape) for t in published.tensors] == [
        (t.name, t.shape) for t in read_shard(path).tensors
    ]
