"""LoRA adapters of any kind in the form that PEFT saves them in, and a tiny model after them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import numpy.typing as npt

from devtools.checkpoints.safetensors import write_safetensors
from devtools.checkpoints.tiny import Tiny, stored_weights
from edge_med.demo.gemma_270m import to_bf16

Floats = npt.NDArray[np.float32]

START = "base_model.model."
LAYER = f"{START}model.language_model.layers.1."
TOKENS = f"{START}model.language_model.embed_tokens"
TOWER = f"{START}model.vision_tower.vision_model.encoder.layers.0."


def save_adapter(folder: Path, tensors: Mapping[str, Floats], **settings: Any) -> Path:
    """An adapter's folder; its tensors are F32, and its rank and alpha are 2 by default."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {
        "peft_type": "LORA",
        "base_model_name_or_path": "google/tiny",
        "peft_version": "0.21.2",
        "r": 2,
        "lora_alpha": 2,
        "target_modules": sorted(
            {name.split(".lora_A.")[0].split(".")[-1] for name in tensors if ".lora_A." in name}
        ),
        "bias": "none",
    }
    (folder / "adapter_config.json").write_text(json.dumps(config | settings))
    weights = {name: ("F32", np.asarray(values, np.float32)) for name, values in tensors.items()}
    write_safetensors(folder / "adapter_model.safetensors", weights)
    return folder


def whole(seed: int, *shape: int) -> Floats:
    """Small whole numbers, whose sums and products are exact in F32."""
    numbers = np.random.default_rng(seed).integers(-3, 4, shape).astype(np.float32)
    numbers.flat[0] = 1  # never all zero
    return numbers


def pair(module: str, outputs: int, inputs: int, rank: int = 2, seed: int = 1) -> dict[str, Floats]:
    """A and B of a linear layer."""
    return {
        f"{module}.lora_A.weight": whole(seed, rank, inputs),
        f"{module}.lora_B.weight": whole(seed + 1, outputs, rank),
    }


def base_tensor(tiny: Tiny, end: str) -> Floats:
    """A tensor of the base as F32, by the end of its name."""
    weights = stored_weights(tiny, tiny.dtype)
    dtype, values = next(stored for name, stored in weights.items() if name.endswith(end))
    if dtype == "BF16":
        return (values.astype(np.uint32) << 16).view(np.float32)
    return values.astype(np.float32)


def rounded(values: Floats) -> Floats:
    """The nearest numbers that BF16 has."""
    return (to_bf16(values).astype(np.uint32) << 16).view(np.float32)


def tensors_of(folder: Path) -> dict[str, Floats]:
    """Every tensor of the files in a folder, as F32."""
    return {
        tensor.name: gguf.quants.dequantize(tensor.data, tensor.tensor_type)
        for path in sorted(folder.glob("*.gguf"))
        for tensor in gguf.GGUFReader(path).tensors
    }


EVERYTHING: dict[str, Floats] = {
    **pair(f"{LAYER}self_attn.q_proj", 256, 256),
    **pair(f"{LAYER}mlp.down_proj", 256, 512),
    **pair(f"{TOWER}self_attn.q_proj", 64, 64),
    f"{LAYER}input_layernorm.weight": whole(3, 256),
    f"{START}model.language_model.embed_tokens.token_adapter.trainable_tokens_delta": whole(
        4, 2, 256
    ),
}
"""Tensors of several kinds that fit the tiny multimodal checkpoint, with these settings."""

SETTINGS: dict[str, Any] = {
    "trainable_token_indices": [7, 8],
    "alpha_pattern": {"down_proj": 4},
    "rank_pattern": {"v_proj": 8},
    "use_rslora": True,
    "modules_to_save": ["input_layernorm"],
}
