"""Read the source once, from front to back, and turn each slab of rows into every type wanted."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Any

import numpy as np

from converters.checkpoint import Checkpoint
from converters.conversion_plan import FilePlan, TensorPlan
from converters.quantize import (
    Bytes,
    Floats,
    Workspace,
    all_finite,
    encode,
    holds_anything,
    is_sound,
    widen,
)
from converters.stages import Stopwatch
from edge_med.artifacts.manifest import SourceFile
from edge_med.artifacts.safetensors import RAW, Shard, SourceTensor
from edge_med.errors import CheckpointError

MEMORY = 512 << 20
"""Bytes that slabs on their way may take, whatever the model's size and the number of files."""

MAX_IN_FLIGHT = 128
"""Slabs; with more, those of the longest row in ten types wouldn't fit `MEMORY`."""

MAX_SLAB = 4 << 20
"""Numbers in a slab. Smaller ones hand Python's lock around more often: Q8_0 of the 4B shape on two
cores took a tenth longer with 1 << 20, and no less with 8 << 20."""


@dataclass(frozen=True, slots=True)
class Slab:
    """Whole rows of one tensor as they are stored, in memory that is its own until `release`d."""

    tensor: SourceTensor
    first_row: int
    raw: Bytes
    space: Workspace
    hashed: Future[None]


class SourceReader:
    """Hands out the checkpoint slab by slab, and knows the hash of every file afterwards."""

    def __init__(self, checkpoint: Checkpoint, slab_size: int, watch: Stopwatch) -> None:
        self._checkpoint = checkpoint
        self._slab_size = slab_size
        self._watch = watch
        self._hashed: list[SourceFile] = []
        self.empty: set[str] = set()  # matrices of nothing but zeros, among those that were read
        self._free: list[Workspace] = []
        self._hasher = ThreadPoolExecutor(1, "hash-source")
        self._adapter_hasher = ThreadPoolExecutor(1, "hash-adapters")
        self._adapters = self._adapter_hasher.submit(source_files, checkpoint.adapter_files)

    def release(self, slab: Slab) -> None:
        """Say that a slab has been written, so that its memory can be used again."""
        slab.hashed.result()
        self._free.append(slab.space)

    def close(self) -> None:
        """Stop hashing."""
        for pool in (self._hasher, self._adapter_hasher):
            pool.shutdown(wait=True, cancel_futures=True)

    def slabs(self) -> Iterator[Slab]:
        """Every tensor of every shard, also those that no file wants: they count for the hash.

        Raises:
            CheckpointError: a shard has become shorter since it was opened.
        """
        for shard in self._checkpoint.shards:
            yield from self._shard(shard)
        for path, tensor in self._checkpoint.again:
            with path.open("rb", buffering=0) as file:
                file.seek(tensor.offset)
                yield from self._tensor(file, tensor, hashlib.sha256())

    def files(self) -> tuple[SourceFile, ...]:
        """All files that shaped the result, with their hashes; only after the last slab."""
        small = source_files(self._checkpoint.small.all())
        return (*small, *self._adapters.result(), *self._hashed)

    def _shard(self, shard: Shard) -> Iterator[Slab]:
        digest = hashlib.sha256()
        with shard.path.open("rb", buffering=0) as file:
            header = np.empty(shard.data_start, np.uint8)
            _fill(file, header, shard.path.name)
            digest.update(header.data)
            for tensor in shard.tensors:
                yield from self._tensor(file, tensor, digest)
        self._hasher.submit(int).result()  # the thread takes one thing after another
        self._hashed.append(SourceFile(shard.path.name, shard.size, digest.hexdigest()))

    def _tensor(self, file: FileIO, tensor: SourceTensor, digest: Any) -> Iterator[Slab]:
        """The slabs of a tensor that begins where the file stands."""
        row = tensor.shape[-1] * tensor.type.block_bytes
        whole = math.prod(tensor.shape[1:]) if len(tensor.shape) > 2 else tensor.shape[-1]
        step = max(1, self._slab_size // whole) * whole * tensor.type.block_bytes
        empty = len(tensor.shape) > 1 and tensor.type is not RAW
        for at in range(0, tensor.size, step):
            space = self._free.pop() if self._free else Workspace()
            raw = space.bytes("raw", min(step, tensor.size - at))
            with self._watch.time("read"):
                _fill(file, raw, Path(file.name).name)
            empty = empty and not holds_anything(raw, tensor.type)
            hashed = self._hasher.submit(self._watch.timed, "hash", digest.update, raw.data)
            yield Slab(tensor, at // row, raw, space, hashed)
        if empty:
            self.empty.add(tensor.name)


def source_files(files: Mapping[str, Path]) -> tuple[SourceFile, ...]:
    """Files by the names that the records have, with their hashes."""
    return tuple(_source_file(name, path) for name, path in files.items())


def in_flight(threads: int) -> int:
    """How many slabs are under way: two for each thread, so that none waits, and two more."""
    return min(2 * threads + 2, MAX_IN_FLIGHT)


def slab_size(files: Sequence[FilePlan], slabs: int) -> int:
    """How many numbers a slab may have, so that all that are under way fit `MEMORY`.

    A number takes at the most four bytes as stored, four widened for text and for the projector,
    four while it is rounded, and four in every file.
    """
    return min(MAX_SLAB, MEMORY // (slabs * _bytes_each(files)))


def slab_memory(files: Sequence[FilePlan], threads: int) -> int:
    """Bytes that all slabs under way take at the most."""
    slabs = in_flight(threads)
    return slabs * slab_size(files, slabs) * _bytes_each(files)


def _bytes_each(files: Sequence[FilePlan]) -> int:
    return 4 * (4 + len(files))


def encode_slab(slab: Slab, wanted: Sequence[TensorPlan], watch: Stopwatch) -> list[Bytes]:
    """One slab in each of the types that the files want, in their order; equal ones are made once.

    Raises:
        CheckpointError: the weights aren't finite, or exceed a type's range.
    """
    made: dict[object, Bytes] = {}
    widened: dict[object, Floats] = {}
    with watch.time("widen"):
        if wanted and not all_finite(slab.raw, slab.tensor.type):
            raise CheckpointError(
                f"{slab.tensor.name} holds NaN or infinity.", "Download the checkpoint again."
            )
        for plan in wanted:
            if _widened(plan) not in widened:
                raw = _gemma_rows(slab, plan, _changed(slab, plan))
                # By its number, so that the next tensor's numbers lie in the same memory.
                widened[_widened(plan)] = widen(raw, plan.widening, slab.space, len(widened))
    with watch.time("quantize"):
        for plan in wanted:
            key = (_widened(plan), plan.type)
            if key not in made:
                made[key] = _encode(widened[_widened(plan)], plan, slab.space, len(made))
    return [made[_widened(plan), plan.type] for plan in wanted]


def _widened(plan: TensorPlan) -> object:
    """What plans have in common that are of the same F32 numbers."""
    return (plan.widening, plan.change)


def _changed(slab: Slab, plan: TensorPlan) -> Bytes:
    """The slab as adapters have it."""
    if plan.change is None:
        return slab.raw
    tensor = slab.tensor
    start = slab.first_row * tensor.shape[-1] // math.prod(tensor.shape[1:])
    raw = plan.change.apply(tensor, start, slab.raw)
    if not all_finite(raw, tensor.type):
        raise CheckpointError(
            f"An adapter makes NaN or infinity of {tensor.name}.",
            "Copy the adapter again, or give it less of its strength.",
        )
    return raw


def _gemma_rows(slab: Slab, plan: TensorPlan, raw: Bytes) -> Bytes:
    """The slab without rows beyond the vocabulary, and with filters as Gemma 3 has them."""
    if plan.shape == slab.tensor.shape:
        return raw
    if plan.channels_last:
        _, colours, height, width = plan.shape
        words = raw.reshape(-1, height, width, colours, slab.tensor.type.block_bytes)
        return np.ascontiguousarray(words.transpose(0, 3, 1, 2, 4)).reshape(-1)
    rows = max(0, plan.shape[0] - slab.first_row)
    return raw[: rows * slab.tensor.shape[-1] * slab.tensor.type.block_bytes]


def _encode(values: Floats, plan: TensorPlan, space: Workspace, number: int) -> Bytes:
    row = plan.shape[-1]
    size = values.size // row * plan.type.row_bytes(row)
    data = space.bytes(("encoded", number), size)
    if not size:
        return data
    encode(values, plan.type, row, data)
    if not is_sound(data, plan.type):
        raise CheckpointError(
            f"{plan.source.name} has a value that {plan.type.name} can't hold.",
            "Choose a wider type: --mmproj BF16 for the projector, --quant BF16 for the text.",
        )
    return data


_readinto = FileIO.readinto


def _fill(file: FileIO, raw: Bytes, name: str) -> None:
    left = raw.data
    while left:
        count = _readinto(file, left)
        if not count:
            raise CheckpointError(f"{name} became shorter while it was read.", "Copy it again.")
        left = left[count:]


def _source_file(name: str, path: Path) -> SourceFile:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return SourceFile(name, path.stat().st_size, digest)
