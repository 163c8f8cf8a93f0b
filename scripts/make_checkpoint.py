"""Write a checkpoint to convert and run, without the hub.

python -m scripts.make_checkpoint tiny  FOLDER [--name multimodal]
python -m scripts.make_checkpoint real  FOLDER
python -m scripts.make_checkpoint shape FOLDER [--size 4b|27b] [--layers N] [--text-only]

`tiny` is what the tests use: seeded noise. `real` is Gemma 3 270M out of the [demo] extra: real
weights, though widened from Q4_K_M, and the real vocabulary. `shape` has MedGemma's exact tensors,
full of noise, and the real vocabulary: speed, memory and size are real (4b: 9 GB, 27b: 55 GB).
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import struct
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_med.artifacts.gguf import read_header
from edge_med.demo import gemma_270m
from tests.checkpoints import tiny

SHARD = 1 << 30
NOISE = 1 << 24
"""Numbers of noise, used again and again; llama.cpp's quantizers can't tell."""

VOCABULARY, PADDED = 262_144, 262_208
"""Gemma 3's tokens; the multimodal checkpoints have rows for 64 more, the image's among them."""

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
SIZES = {
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
    ),
}

Shape = tuple[int, ...]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("kind", choices=("tiny", "real", "shape"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--name", choices=tiny.TINY, default="multimodal")
    parser.add_argument("--size", choices=SIZES, default="4b")
    parser.add_argument("--layers", type=int, help="only the first layers of the text model")
    parser.add_argument("--text-only", action="store_true")
    options = parser.parse_args()
    if options.kind == "tiny":
        tiny.write_tiny(tiny.TINY[options.name], options.folder)
    elif options.kind == "real":
        write_real(options.folder)
    else:
        write_shape(options.folder, shape(options.size, options.layers, options.text_only))
    for path in sorted(options.folder.iterdir()):
        print(f"{path.stat().st_size:>14,}  {path.name}")


def write_real(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        gguf = Path(temporary) / "assembled.gguf"
        gemma_270m.assemble(gguf)
        gemma_270m.write_checkpoint(gguf, folder)


def shape(size: str, layers: int | None, text_only: bool) -> tiny.Tiny:
    vocabulary = VOCABULARY if text_only else PADDED
    text = dataclasses.replace(SIZES[size], vocabulary=vocabulary)
    text = dataclasses.replace(text, layers=layers or text.layers)
    return tiny.Tiny(text=text, vision=None if text_only else VISION)


def write_shape(folder: Path, model: tiny.Tiny) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        gguf = Path(temporary) / "assembled.gguf"
        gemma_270m.assemble(gguf)
        gemma_270m.write_tokenizer(read_header(gguf), folder)
    config = tiny.config(model) | (IMAGE_TOKENS if model.vision else {})
    gemma_270m.write_json(folder / "config.json", config)
    if model.vision:
        gemma_270m.write_json(folder / "preprocessor_config.json", tiny.preprocessor(model.vision))
    write_shards(folder, list(tiny.shapes(model)))


def write_shards(folder: Path, tensors: list[tuple[str, Shape]]) -> None:
    shards = list(in_shards(tensors))
    weight_map: dict[str, str] = {}
    noise = gemma_270m.to_bf16(np.random.default_rng(0).standard_normal(NOISE, np.float32) * 0.02)
    for number, part in enumerate(shards, 1):
        name = f"model-{number:05d}-of-{len(shards):05d}.safetensors"
        write_shard(folder / name, part, noise)
        weight_map |= dict.fromkeys((tensor for tensor, _ in part), name)
    total = sum(bf16_bytes(shape) for _, shape in tensors)
    index: dict[str, Any] = {"metadata": {"total_size": total}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def in_shards(tensors: list[tuple[str, Shape]]) -> Iterator[list[tuple[str, Shape]]]:
    """Tensors in their order, a gibibyte or a single larger tensor at a time."""
    part: list[tuple[str, Shape]] = []
    for name, shape in tensors:
        if part and sum(bf16_bytes(s) for _, s in part) + bf16_bytes(shape) > SHARD:
            yield part
            part = []
        part.append((name, shape))
    yield part


def bf16_bytes(shape: Shape) -> int:
    return 2 * int(np.prod(shape))


def write_shard(path: Path, tensors: list[tuple[str, Shape]], noise: npt.NDArray[Any]) -> None:
    header, at = {}, 0
    for name, shape in tensors:
        end = at + bf16_bytes(shape)
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [at, end]}
        at = end
    raw = json.dumps(header).encode()
    raw += b" " * (-len(raw) % 8)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(raw)) + raw)
        for number, (_, shape) in enumerate(tensors):
            left = int(np.prod(shape))
            while left:
                block = noise[number % 4096 :][:left]  # no two tensors alike
                file.write(block.tobytes())
                left -= block.size


if __name__ == "__main__":
    main()
