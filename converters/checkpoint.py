"""Open a Hugging Face checkpoint folder: its JSON files, and where every tensor's bytes lie.

Only safetensors are read. Nothing is unpickled, imported or run, and nothing is trusted: every
length and offset is checked against the file before it is used.

Layout: https://huggingface.co/docs/safetensors (the format section)
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_med.artifacts.naming import is_bare_file_name
from edge_med.artifacts.tensor_types import BF16, F16, F32, TensorType
from edge_med.errors import CheckpointError

DTYPES = {"BF16": BF16, "F16": F16, "F32": F32}
INDEX = "model.safetensors.index.json"
SINGLE = "model.safetensors"

MAX_HEADER = 16 << 20  # 27B's longest shard header is under 100 KB
MAX_JSON = 256 << 20  # Gemma 3's tokenizer.json has 33 MB
MAX_TENSORS = 20_000

_DAMAGED = "Download or copy the checkpoint again."
_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")


@dataclass(frozen=True, slots=True)
class SourceTensor:
    """Where one tensor lies in the checkpoint.

    Attributes:
        name: as Hugging Face names it.
        type: BF16, F16 or F32.
        shape: rows first.
        offset: of its first byte, from the start of its shard.
        size: its bytes.
    """

    name: str
    type: TensorType
    shape: tuple[int, ...]
    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class Shard:
    """One safetensors file; its tensors stand in the order of their bytes, without a gap."""

    path: Path
    size: int
    data_start: int
    tensors: tuple[SourceTensor, ...]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """An opened checkpoint; tensors are described, not read."""

    folder: Path
    config: Mapping[str, Any]
    shards: tuple[Shard, ...]

    @property
    def tensors(self) -> dict[str, SourceTensor]:
        """Every tensor by its name."""
        return {tensor.name: tensor for shard in self.shards for tensor in shard.tensors}

    @property
    def size(self) -> int:
        """Bytes of all shards."""
        return sum(shard.size for shard in self.shards)

    @property
    def data_size(self) -> int:
        """Bytes of all tensors."""
        return sum(shard.size - shard.data_start for shard in self.shards)

    def json(self, name: str) -> dict[str, Any]:
        """A JSON file of the checkpoint, or an empty dict if it isn't there."""
        path = self.folder / name
        return read_json(path) if path.is_file() else {}


def open_checkpoint(folder: Path) -> Checkpoint:
    """Open a checkpoint folder as it comes from the hub.

    Raises:
        CheckpointError: it isn't one, is incomplete or damaged, or holds already quantized weights.
    """
    _refuse_what_is_none(folder)
    config = read_json(folder / "config.json")
    if "quantization_config" in config:
        raise CheckpointError(
            "This checkpoint is quantized already, and quantizing again would lose more.",
            "Convert the original checkpoint (BF16, F16 or F32 weights).",
        )
    index = folder / INDEX
    if index.is_file():
        return Checkpoint(folder, config, _indexed_shards(folder, read_json(index)))
    return Checkpoint(folder, config, _plain_shards(folder))


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        CheckpointError: the file is too large, isn't JSON, or holds something else.
    """
    try:
        if path.stat().st_size > MAX_JSON:
            raise CheckpointError(f"{path.name} is far too large.", _DAMAGED)
        data = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path.name} can't be read: {_reason(error)}.", _DAMAGED) from None
    if not isinstance(data, dict):
        raise CheckpointError(f"{path.name} doesn't hold a JSON object.", _DAMAGED)
    return data


def _reason(error: Exception) -> str:
    return (error.strerror or "unreadable") if isinstance(error, OSError) else "it isn't JSON"


def _refuse_what_is_none(folder: Path) -> None:
    if folder.suffix == ".gguf" and folder.is_file():
        raise CheckpointError(
            f"{folder.name} is converted already.",
            "Give the folder of the original checkpoint: config.json and *.safetensors.",
        )
    if (folder / "config.json").is_file():
        return
    if not folder.exists():
        raise CheckpointError(
            f"There is no folder {folder}.",
            "Give a checkpoint's folder; from the hub: "
            "hf download google/medgemma-4b-it --local-dir medgemma-4b-it",
        )
    inside = sorted(p.name for p in folder.glob("*.gguf")) if folder.is_dir() else []
    raise CheckpointError(
        f"{folder.resolve().name} isn't a checkpoint: it has no config.json.",
        f"It holds {inside[0]}, which is converted already; give the original checkpoint's folder."
        if inside
        else "Give a folder as on the Hugging Face hub: config.json and *.safetensors.",
    )


def _plain_shards(folder: Path) -> tuple[Shard, ...]:
    """Without an index there is one file, or every `model*.safetensors` of the folder."""
    single = folder / SINGLE
    paths = [single] if single.is_file() else sorted(folder.glob("model*.safetensors"))
    if not paths:
        pickled = [p.name for p in folder.iterdir() if p.suffix in _PICKLES]
        raise CheckpointError(
            f"{folder.resolve().name} has no safetensors"
            + (f", and {pickled[0]} could run code when it is opened." if pickled else "."),
            "Download the *.safetensors files of the checkpoint.",
        )
    shards = tuple(read_shard(path) for path in paths)
    _refuse_doubles(shards)
    return shards


def _indexed_shards(folder: Path, index: Mapping[str, Any]) -> tuple[Shard, ...]:
    weight_map = index.get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise CheckpointError(f"{INDEX} has no weight_map.", _DAMAGED)
    names = sorted(set(map(str, weight_map.values())))
    for name in names:
        if not is_bare_file_name(name) or not name.endswith(".safetensors"):
            raise CheckpointError(f"{INDEX} names the shard '{name}' outside the folder.", _DAMAGED)
        if not (folder / name).is_file():
            raise CheckpointError(
                f"The shard {name} is missing.",
                f"Download it into {folder.name} beside the others.",
            )
    shards = tuple(read_shard(folder / name) for name in names)
    _refuse_doubles(shards)
    held = {t.name: shard.path.name for shard in shards for t in shard.tensors}
    for name in [*weight_map, *held]:
        if weight_map.get(name) != held.get(name):
            where = held.get(name)
            raise CheckpointError(
                f"{INDEX} says that {name} is in {weight_map.get(name, 'no shard')}, "
                f"but it is in {where or 'no shard'}.",
                _DAMAGED,
            )
    return shards


def _refuse_doubles(shards: Iterable[Shard]) -> None:
    seen: dict[str, str] = {}
    for shard in shards:
        for tensor in shard.tensors:
            if tensor.name in seen:
                raise CheckpointError(
                    f"{tensor.name} is both in {seen[tensor.name]} and in {shard.path.name}.",
                    "Remove the files that don't belong to the checkpoint.",
                )
            seen[tensor.name] = shard.path.name


def read_shard(path: Path) -> Shard:
    """Read the header of a safetensors file.

    Raises:
        CheckpointError: it is truncated, damaged, or holds a type other than BF16, F16 and F32.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or length > min(MAX_HEADER, size - 8):
            raise CheckpointError(f"{path.name} is truncated or isn't safetensors.", _DAMAGED)
        raw = file.read(length)
    entries = _parse_header(raw, path.name)
    entries.pop("__metadata__", None)
    if len(entries) > MAX_TENSORS:
        raise CheckpointError(f"{path.name} declares {len(entries)} tensors.", _DAMAGED)
    start = 8 + length
    tensors = [_describe(name, entry, start, path.name) for name, entry in entries.items()]
    tensors.sort(key=lambda tensor: tensor.offset)
    _check_cover(tensors, start, size, path.name)
    return Shard(path, size, start, tuple(tensors))


def _parse_header(raw: bytes, file: str) -> dict[str, Any]:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({key for key, _ in pairs}) != len(pairs):
            raise ValueError("a name twice")
        return dict(pairs)

    try:
        header = json.loads(raw, object_pairs_hook=once)
    except (ValueError, RecursionError):
        raise CheckpointError(f"The header of {file} is damaged.", _DAMAGED) from None
    if not isinstance(header, dict):
        raise CheckpointError(f"The header of {file} is damaged.", _DAMAGED)
    return header


def _describe(name: str, entry: Any, start: int, file: str) -> SourceTensor:
    """Check one entry of the header: its type, its shape, and that its range holds just that."""
    try:
        dtype, shape, (begin, end) = entry["dtype"], entry["shape"], entry["data_offsets"]
        numbers = all(type(n) is int and n >= 0 for n in (*shape, begin, end))
    except (TypeError, KeyError, ValueError):
        numbers = False
    if not numbers:
        raise CheckpointError(f"{file} describes {name} wrongly.", _DAMAGED)
    if dtype not in DTYPES:
        raise CheckpointError(
            f"{name} is stored as {dtype}; only BF16, F16 and F32 can be converted.",
            "Convert the original checkpoint; quantized ones would lose more.",
        )
    kind = DTYPES[dtype]
    if end - begin != math.prod(shape) * kind.block_bytes or not shape or 0 in shape:
        raise CheckpointError(f"{file} describes {name} wrongly.", _DAMAGED)
    return SourceTensor(name, kind, tuple(shape), start + begin, end - begin)


def _check_cover(tensors: list[SourceTensor], start: int, size: int, file: str) -> None:
    """The format demands that tensors cover the rest of the file without gap or overlap."""
    at = start
    for tensor in tensors:
        if tensor.offset != at:
            raise CheckpointError(f"{file} has a gap or an overlap at {tensor.name}.", _DAMAGED)
        at += tensor.size
    if at != size:
        raise CheckpointError(
            f"{file} should have {at} bytes and has {size}: it is "
            + ("truncated." if size < at else "damaged."),
            _DAMAGED,
        )
