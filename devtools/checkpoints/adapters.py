"""Tiny LoRA adapters, in PEFT's form and as llama.cpp's converter writes them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import numpy.typing as npt

from devtools.checkpoints.safetensors import write_safetensors
from devtools.checkpoints.tiny import Text, Tiny, seeded

Floats = npt.NDArray[np.float32]

GGUF_NAMES = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
"""PEFT's `all-linear` for Gemma 3, and what GGUF calls them in a layer."""

PEFT_PREFIX = "base_model.model.model.language_model."
"""What stands before `layers` in adapters of a Gemma3ForConditionalGeneration."""


@dataclass(frozen=True, kw_only=True)
class Lora:
    """An adapter to be written; the seed decides all its numbers."""

    seed: int
    rank: int = 4
    alpha: float = 2.0
    modules: tuple[str, ...] = tuple(GGUF_NAMES)


@dataclass(frozen=True)
class Delta:
    """A (rank, inputs) and B (outputs, rank) for a module of a layer."""

    layer: int
    module: str
    a: Floats
    b: Floats


def deltas(lora: Lora, text: Text) -> Iterator[Delta]:
    """All pairs of an adapter for a model of this shape."""
    for layer in range(text.layers):
        for module in lora.modules:
            rows, columns = shape(module, text)
            name = f"{layer}.{module}"
            a = seeded(lora.seed, f"{name}.a", (lora.rank, columns))
            b = seeded(lora.seed, f"{name}.b", (rows, lora.rank))
            yield Delta(layer, module, a, b)


def shape(module: str, text: Text) -> tuple[int, int]:
    """The shape of a module's weight, rows first."""
    queries, keys = text.heads * text.head_size, text.key_value_heads * text.head_size
    return {
        "self_attn.q_proj": (queries, text.hidden),
        "self_attn.k_proj": (keys, text.hidden),
        "self_attn.v_proj": (keys, text.hidden),
        "self_attn.o_proj": (text.hidden, queries),
        "mlp.gate_proj": (text.feed_forward, text.hidden),
        "mlp.up_proj": (text.feed_forward, text.hidden),
        "mlp.down_proj": (text.hidden, text.feed_forward),
    }[module]


def write_peft(lora: Lora, tiny: Tiny, folder: Path) -> Path:
    """The folder that PEFT's `save_pretrained` leaves behind."""
    folder.mkdir(parents=True)
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "r": lora.rank,
        "lora_alpha": lora.alpha,
        "target_modules": "all-linear",
        "base_model_name_or_path": "tiny",
    }
    (folder / "adapter_config.json").write_text(json.dumps(config))
    weights: dict[str, tuple[str, npt.NDArray[Any]]] = {}
    for delta in deltas(lora, tiny.text):
        name = f"{PEFT_PREFIX}layers.{delta.layer}.{delta.module}"
        weights[f"{name}.lora_A.weight"] = ("F32", delta.a)
        weights[f"{name}.lora_B.weight"] = ("F32", delta.b)
    write_safetensors(folder / "adapter_model.safetensors", weights)
    return folder


def gguf_tensors(lora: Lora, tiny: Tiny) -> dict[str, Floats]:
    """Its tensors under the names of GGUF."""
    found: dict[str, Floats] = {}
    for delta in deltas(lora, tiny.text):
        name = f"blk.{delta.layer}.{GGUF_NAMES[delta.module]}.weight"
        found |= {f"{name}.lora_a": delta.a, f"{name}.lora_b": delta.b}
    return found


def write_gguf(lora: Lora, tiny: Tiny, path: Path, kind: str = "F32") -> Path:
    """What convert_lora_to_gguf.py makes of `write_peft`; the marker `reference` compares them."""
    writer = sound_writer(path, lora.alpha)
    for name, values in gguf_tensors(lora, tiny).items():
        fits = kind != "Q8_0" or values.shape[1] % 32 == 0  # else the converter takes F16
        stored = gguf.GGMLQuantizationType[kind if fits else "F16"]
        writer.add_tensor(name, gguf.quants.quantize(values, stored), raw_dtype=stored)
    return finished(writer, path)


def sound_writer(path: Path, alpha: float = 2.0) -> gguf.GGUFWriter:
    """A file of an adapter, still without tensors."""
    writer = gguf.GGUFWriter(path, "gemma3")
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", alpha)
    return writer


def finished(writer: gguf.GGUFWriter, path: Path) -> Path:
    """The file, written."""
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
