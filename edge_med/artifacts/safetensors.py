"""Read the headers of safetensors files. Nothing in them is trusted.

Every length and offset is checked against the file before it is used.

Layout: https://huggingface.co/docs/safetensors (the format section)
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_med.artifacts import tensor_names as names
from edge_med.artifacts.json_file import DAMAGED, refuse_pointer
from edge_med.artifacts.tensor_types import BF16, BY_NAME, F16, F32, TensorType
from edge_med.errors import CheckpointError

DTYPES = {"BF16": BF16, "F16": F16, "F32": F32}
RAW = BY_NAME["I8"]
"""The type of ignored tensors: their bytes are hashed, and not read as numbers."""

MAX_HEADER = 16 << 20  # 27B's longest shard header is under 100 KB
MAX_TENSORS = 20_000

_QUANTIZED = "Its weights are quantized already, and again would lose more: convert the original."
_NEXT = dict.fromkeys(
    ("I64", "U64", "BOOL"), "It is no weight of Gemma 3: leave it out where the model is saved."
) | {"F64": "Save it in one of the three: model.to(torch.bfloat16).save_pretrained(FOLDER)."}


@dataclass(frozen=True, slots=True)
class SourceTensor:
    """Where one tensor lies in the checkpoint.

    Attributes:
        name: name in the file.
        type: BF16, F16 or F32; `RAW` for a buffer, which is in no model.
        shape: rows first.
        offset: offset of its first byte, from the start of its shard.
        size: number of its bytes.
    """

    name: str
    type: TensorType
    shape: tuple[int, ...]
    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class Shard:
    """One safetensors file; its tensors stand in the order of their bytes, without a gap.

    Attributes:
        made_by: the `format` of its metadata, such as `pt` or `mlx`; empty if it says none.
    """

    path: Path
    size: int
    data_start: int
    tensors: tuple[SourceTensor, ...]
    made_by: str = ""


def read_shard(path: Path) -> Shard:
    """Read the header of a safetensors file.

    Raises:
        CheckpointError: it is truncated, damaged, or holds a type other than BF16, F16 and F32.
    """
    refuse_pointer(path)
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or length > min(MAX_HEADER, size - 8):
            raise CheckpointError(f"{path.name} is truncated or isn't safetensors.", DAMAGED)
        raw = file.read(length)
    entries = _parse_header(raw, path.name)
    metadata = entries.pop("__metadata__", None)
    made_by = metadata.get("format") if isinstance(metadata, dict) else None
    if len(entries) > MAX_TENSORS:
        raise CheckpointError(f"{path.name} declares {len(entries)} tensors.", DAMAGED)
    start = 8 + length
    tensors = [_describe(name, entry, start, path.name) for name, entry in entries.items()]
    tensors.sort(key=lambda tensor: (tensor.offset, tensor.size))
    _check_cover(tensors, start, size, path.name)
    there = tuple(tensor for tensor in tensors if tensor.size)
    return Shard(path, size, start, there, made_by if isinstance(made_by, str) else "")


def _parse_header(raw: bytes, file: str) -> dict[str, Any]:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({key for key, _ in pairs}) != len(pairs):
            raise ValueError("a name twice")
        return dict(pairs)

    try:
        header = json.loads(raw, object_pairs_hook=once)
    except (ValueError, RecursionError):
        raise CheckpointError(f"The header of {file} is damaged.", DAMAGED) from None
    if not isinstance(header, dict):
        raise CheckpointError(f"The header of {file} is damaged.", DAMAGED)
    return header


def _describe(name: str, entry: Any, start: int, file: str) -> SourceTensor:
    """Check one entry of the header: its type, its shape, and that its range holds just that."""
    try:
        dtype, shape, (begin, end) = entry["dtype"], entry["shape"], entry["data_offsets"]
        numbers = all(type(n) is int and n >= 0 for n in (*shape, begin, end)) and begin <= end
    except (TypeError, KeyError, ValueError):
        numbers = False
    if not numbers:
        raise CheckpointError(f"{file} describes {name} wrongly.", DAMAGED)
    if names.is_buffer(name):
        return SourceTensor(name, RAW, (end - begin,), start + begin, end - begin)
    if dtype not in DTYPES:
        raise CheckpointError(
            f"{name} is stored as {dtype}; only BF16, F16 and F32 can be converted.",
            _NEXT.get(dtype, _QUANTIZED),
        )
    kind = DTYPES[dtype]
    if 0 in shape and begin == end:
        raise CheckpointError(
            f"{name} in {file} is empty: its shape is {list(shape)}.",
            "So DeepSpeed saves what lies on several devices (ZeRO-3) and wasn't gathered. Save it "
            "again with stage3_gather_16bit_weights_on_model_save.",
        )
    if end - begin != math.prod(shape) * kind.block_bytes or 0 in shape:
        raise CheckpointError(f"{file} describes {name} wrongly.", DAMAGED)
    return SourceTensor(name, kind, tuple(shape), start + begin, end - begin)


def _check_cover(tensors: list[SourceTensor], start: int, size: int, file: str) -> None:
    """The format demands that tensors cover the rest of the file without gap or overlap."""
    at = start
    for tensor in tensors:
        if tensor.offset != at:
            raise CheckpointError(f"{file} has a gap or an overlap at {tensor.name}.", DAMAGED)
        at += tensor.size
    if at != size:
        raise CheckpointError(
            f"{file} should have {at} bytes and has {size}: it is "
            + ("truncated." if size < at else "damaged."),
            DAMAGED,
        )
