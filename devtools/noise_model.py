"""Write MedGemma's exact shape straight as GGUF files, full of noise from a seed.

python -m scripts.noise_model FOLDER [--size 4b|27b] [--layers N] [--quant Q4_K_M] [--seed 0]

Speed, memory and size are real. No checkpoint is written and nothing is quantized but a million
numbers of each kind of row, which are repeated: 4B takes seconds. The vocabulary has its real size,
and the tests' few hundred tokens in it, so that nothing need be downloaded.
"""

from __future__ import annotations

import argparse
import dataclasses
import tempfile
from pathlib import Path

import numpy as np

from converters.conversion_plan import FilePlan, TensorPlan, make_plan
from converters.quantize import Bytes, encode
from converters.request import ConversionRequest
from devtools.checkpoints.medgemma import TEXT, medgemma, write_shape
from devtools.checkpoints.tiny import Tiny
from devtools.checkpoints.tokenizer import write_tokenizer

NUMBERS = 1 << 20
"""Numbers of noise for each kind of row: more than a device's caches would keep of a matrix."""

SPREAD = np.float32(0.02)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--size", choices=TEXT, default="4b")
    parser.add_argument("--layers", type=int, help="only the first layers, of both towers")
    parser.add_argument("--quant", default="Q4_K_M")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    shape = first_layers(medgemma(options.size), options.layers)
    for path in write_noise(shape, options.size, options.folder, options.quant, options.seed):
        print(f"{path.stat().st_size:>14,}  {path.name}")


def first_layers(shape: Tiny, layers: int | None) -> Tiny:
    if layers is None or shape.vision is None:
        return shape
    text = dataclasses.replace(shape.text, layers=min(layers, shape.text.layers))
    vision = dataclasses.replace(shape.vision, layers=min(layers, shape.vision.layers))
    return dataclasses.replace(shape, text=text, vision=vision)


def write_noise(shape: Tiny, name: str, folder: Path, quant: str, seed: int) -> list[Path]:
    """Write a text model and its projector; returns their paths."""
    with tempfile.TemporaryDirectory() as temporary:
        source = Path(temporary) / name
        source.mkdir()
        write_tokenizer(source)
        write_shape(shape, source, hollow=True)
        plan = make_plan(ConversionRequest(source=source, folder=folder, quants=(quant,)))
        return [_write(file, folder / file.name, seed) for file in plan.files]


def _write(file: FilePlan, path: Path, seed: int) -> Path:
    made: dict[tuple[object, ...], Bytes] = {}
    with path.open("wb") as out:
        out.write(file.header)
        for tensor in file.tensors:
            kind = (tensor.type, tensor.shape[-1], tensor.widening.plus)
            if kind not in made:
                made[kind] = _rows(tensor, seed)
            out.seek(len(file.header) + tensor.offset)
            left = tensor.size
            while left > 0:
                left -= out.write(made[kind][:left].data)
        out.truncate(file.size)
    return path


def _rows(tensor: TensorPlan, seed: int) -> Bytes:
    """Rows of a tensor's kind; norms lie around what they add, as in a real model."""
    row = tensor.shape[-1]
    rows = max(1, NUMBERS // row)
    noise = np.random.default_rng(seed).standard_normal(rows * row, np.float32) * SPREAD
    noise += np.float32(tensor.widening.plus)
    data = np.empty(rows * tensor.type.row_bytes(row), np.uint8)
    encode(noise, tensor.type, row, data)
    return data
