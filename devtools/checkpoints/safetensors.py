"""Write safetensors files, in one piece or in shards with an index."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Weights = Mapping[str, tuple[str, npt.NDArray[Any]]]
"""For each tensor: BF16, F16 or F32, and an array whose bytes are just that."""


def write_safetensors(path: Path, weights: Weights) -> None:
    """One file."""
    header, at = {}, 0
    for name, (dtype, values) in weights.items():
        end = at + values.nbytes
        header[name] = {"dtype": dtype, "shape": values.shape, "data_offsets": [at, end]}
        at = end
    raw = json.dumps({"__metadata__": {"format": "pt"}, **header}).encode()
    raw += b" " * (-len(raw) % 8)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(raw)) + raw)
        for _, values in weights.values():
            file.write(np.ascontiguousarray(values).tobytes())


def write_shards(folder: Path, weights: Weights, shards: int) -> None:
    """Several files of about as many tensors each, and their index."""
    names = list(weights)
    size = -(-len(names) // shards)
    weight_map: dict[str, str] = {}
    for number in range(shards):
        file = f"model-{number + 1:05d}-of-{shards:05d}.safetensors"
        part = names[number * size : (number + 1) * size]
        write_safetensors(folder / file, {name: weights[name] for name in part})
        weight_map |= dict.fromkeys(part, file)
    total = sum(values.nbytes for _, values in weights.values())
    index = {"metadata": {"total_size": total}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
