"""MedGemma's exact shapes, full of noise or hollow: speed, memory and size at real scale."""

from __future__ import annotations

import dataclasses
import json
import math
import re
import shutil
import struct
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from devtools.checkpoints import tiny
from edge_med.demo.gemma_270m import to_bf16

INDEX = "model.safetensors.index.json"
SHARD = 1 << 30  # bytes, unless a single tensor has more
NOISE = 1 << 24
"""Numbers of noise, used again and again; llama.cpp's quantizers can't tell."""

FEW = 16
"""Numbers before a hole: a matrix of nothing but zeros is refused."""

VOCABULARY, PADDED = 262_144, 262_208
"""Gemma 3's tokens; multimodal checkpoints have rows for 64 more, the image's among them."""

IMAGE_TOKENS = {
    "boi_token_index": 255_999,
    "eoi_token_index": 256_000,
    "image_token_index": 262_144,
}
VISION = tiny.Vision(
    layers=27,
    hidden=1152,
    feed_forward=4304,
    heads=16,
    image_size=896,
    patch_size=14,
    image_tokens=256,
)
TEXT = {
    "4b": tiny.Text(
        layers=34,
        hidden=2560,
        feed_forward=10_240,
        heads=8,
        key_value_heads=4,
        head_size=256,
        window=1024,
        context=131_072,
        rope_factor=8.0,
        vocabulary=PADDED,
    ),
    "27b": tiny.Text(
        layers=62,
        hidden=5376,
        feed_forward=21_504,
        heads=32,
        key_value_heads=16,
        head_size=128,
        window=1024,
        context=131_072,
        rope_factor=8.0,
        vocabulary=PADDED,
    ),
}

Shapes = list[tuple[str, tuple[int, ...]]]


def medgemma(size: str, *, layers: int | None = None, text_only: bool = False) -> tiny.Tiny:
    """A published size, or the first layers of it."""
    text = dataclasses.replace(TEXT[size], layers=layers or TEXT[size].layers)
    if text_only:
        return tiny.Tiny(text=dataclasses.replace(text, vocabulary=VOCABULARY))
    return tiny.Tiny(text=text, vision=VISION)


def write_shape(
    model: tiny.Tiny, folder: Path, *, hollow: bool = False, noise_bytes: float = math.inf
) -> None:
    """Write config and weights; the tokenizer is somebody else's.

    Args:
        model: what `medgemma` gives.
        folder: that exists.
        hollow: leave holes for weights: the files have their sizes, and take no disk.
        noise_bytes: of weights, beyond which there are holes after the first few of a tensor.
    """
    config = tiny.config(model) | (IMAGE_TOKENS if model.vision else {})
    (folder / "config.json").write_text(json.dumps(config, indent=1))
    if model.vision:
        processor = json.dumps(tiny.preprocessor(model.vision), indent=1)
        (folder / "preprocessor_config.json").write_text(processor)
    shards = list(_shards(list(tiny.shapes(model))))
    noise = to_bf16(np.random.default_rng(0).standard_normal(NOISE, np.float32) * np.float32(0.02))
    weight_map: dict[str, str] = {}
    written = 0
    for number, shapes in enumerate(shards, 1):
        name = f"model-{number:05d}-of-{len(shards):05d}.safetensors"
        most = 0 if hollow else FEW if written > noise_bytes else None
        _write_shard(folder / name, shapes, noise, most)
        written += sum(_bytes(shape) for _, shape in shapes)
        weight_map |= dict.fromkeys((tensor for tensor, _ in shapes), name)
    total = sum(_bytes(shape) for shapes in shards for _, shape in shapes)
    index = {"metadata": {"total_size": total}, "weight_map": weight_map}
    (folder / INDEX).write_text(json.dumps(index))


def write_adapter(model: tiny.Tiny, folder: Path, rank: int, *, whole: bool = False) -> Path:
    """A LoRA adapter of all linear layers, as PEFT saves it, full of noise.

    Args:
        model: what `medgemma` gives.
        folder: is made.
        rank: of every layer.
        whole: with an embedding and a head of its own.
    """
    folder.mkdir(parents=True)
    config = {"peft_type": "LORA", "r": rank, "lora_alpha": rank, "target_modules": "all-linear"}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    tensors: Shapes = []
    for name, shape in tiny.shapes(model):
        module = f"base_model.model.{name.removesuffix('.weight')}"
        if whole and name.endswith("embed_tokens.weight"):
            tensors += [(f"{module}.weight", shape), ("base_model.model.lm_head.weight", shape)]
        elif len(shape) == 2 and re.search(r"(?:_proj|fc\d)\.weight$", name):
            pair = {"A": (rank, shape[1]), "B": (shape[0], rank)}
            tensors += [(f"{module}.lora_{half}.weight", pair[half]) for half in pair]
    noise = np.random.default_rng(1).standard_normal(NOISE, np.float32) * np.float32(0.01)
    _write_shard(folder / "adapter_model.safetensors", tensors, to_bf16(noise), None)
    return folder


def with_head(model: tiny.Tiny, checkpoint: Path, folder: Path) -> Path:
    """A checkpoint with an output head of its own besides: links to its files, and noise.

    Args:
        model: what `medgemma` gives.
        checkpoint: of this shape, its head tied to the embedding.
        folder: is made.
    """
    folder.mkdir(parents=True)
    for path in checkpoint.iterdir():
        if path.suffix == ".safetensors":
            (folder / path.name).symlink_to(path.resolve())
        elif path.suffix != ".json" or path.name not in ("config.json", INDEX):
            shutil.copy(path, folder)
    shape = next(
        shape for name, shape in tiny.shapes(model) if name.endswith("embed_tokens.weight")
    )
    noise = np.random.default_rng(2).standard_normal(NOISE, np.float32) * np.float32(0.01)
    _write_shard(folder / "head.safetensors", [("lm_head.weight", shape)], to_bf16(noise), None)
    index = json.loads((checkpoint / INDEX).read_text("utf-8"))
    index["weight_map"]["lm_head.weight"] = "head.safetensors"
    index["metadata"]["total_size"] += _bytes(shape)
    (folder / INDEX).write_text(json.dumps(index))
    config = json.loads((checkpoint / "config.json").read_text("utf-8"))
    config["tie_word_embeddings"] = config["text_config"]["tie_word_embeddings"] = False
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def _shards(tensors: Shapes) -> Iterator[Shapes]:
    """Tensors in their order, as many to a file as `SHARD` allows."""
    part: Shapes = []
    for name, shape in tensors:
        if part and sum(_bytes(s) for _, s in part) + _bytes(shape) > SHARD:
            yield part
            part = []
        part.append((name, shape))
    yield part


def _bytes(shape: tuple[int, ...]) -> int:
    return 2 * math.prod(shape)


def _write_shard(
    path: Path, tensors: Shapes, noise: npt.NDArray[np.uint16], most: int | None
) -> None:
    """A file whose tensors hold noise, at the most so many numbers each, and holes after that."""
    ends = np.cumsum([0, *(_bytes(shape) for _, shape in tensors)]).tolist()
    header: dict[str, Any] = {
        name: {"dtype": "BF16", "shape": shape, "data_offsets": span}
        for (name, shape), span in zip(tensors, pairwise(ends), strict=True)
    }
    raw = json.dumps(header).encode()
    raw += b" " * (-len(raw) % 8)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(raw)) + raw)
        begin = file.tell()
        file.truncate(begin + ends[-1])
        for number, (_, shape) in enumerate(tensors):
            file.seek(begin + ends[number])
            left = min(math.prod(shape), math.prod(shape) if most is None else most)
            while left:
                block = noise[number % 4096 :][:left]  # no two tensors begin alike
                file.write(block.tobytes())
                left -= block.size
