"""Checkpoints changed as other tools leave them behind: their JSON files, names and tensors."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from devtools.checkpoints.safetensors import write_safetensors
from devtools.checkpoints.tiny import Tiny, stored_weights, write_tiny

Weights = dict[str, tuple[str, npt.NDArray[Any]]]


def written(
    tiny: Tiny, folder: Path, change: Callable[[Weights], Mapping[str, tuple[str, Any]]]
) -> Path:
    """A tiny checkpoint in one file, whose tensors are others than its config.json says."""
    write_tiny(tiny, folder)
    for path in folder.glob("model*"):
        path.unlink()
    weights = stored_weights(tiny, tiny.dtype)
    write_safetensors(folder / "model.safetensors", change(weights))
    return folder


def renamed(weights: Weights, rename: Callable[[str], str]) -> Weights:
    """The same tensors under other names."""
    return {rename(name): values for name, values in weights.items()}


def change_json(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change a JSON file in place."""
    data = json.loads(path.read_text("utf-8"))
    change(data)
    path.write_text(json.dumps(data), "utf-8")


def head_of(weights: Weights, *, like_embedding: bool) -> Weights:
    """The tensors and an output head: a copy of the embedding, or one of its own."""
    name = next(name for name in weights if name.endswith("embed_tokens.weight"))
    dtype, values = weights[name]
    own = values if like_embedding else np.ascontiguousarray(values[::-1])
    prefix = "language_model." if name.startswith("language_model.") else ""
    return {**weights, f"{prefix}lm_head.weight": (dtype, own)}
