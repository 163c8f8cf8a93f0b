"""Whether two tensors of a checkpoint hold the same numbers, read no further than needed."""

from __future__ import annotations

import math

import numpy as np

from converters.checkpoint import Checkpoint
from converters.quantize import Bytes, Floats, Widening, Workspace, widen
from edge_med.artifacts.safetensors import SourceTensor

_CHUNK = 1 << 22
"""Numbers that are compared at once; they take 16 MiB each as F32."""


def same_numbers(checkpoint: Checkpoint, one: SourceTensor, other: SourceTensor, rows: int) -> bool:
    """Whether the first rows of two tensors are equal as numbers, in whatever type they are."""
    if len(one.shape) != len(other.shape) or one.shape[1:] != other.shape[1:]:
        return False
    if min(one.shape[0], other.shape[0]) < rows:
        return False
    count = rows * math.prod(one.shape[1:])
    for start in range(0, count, _CHUNK):
        size = min(_CHUNK, count - start)
        ours, theirs = (_stored(checkpoint, tensor, start, size) for tensor in (one, other))
        if one.type is other.type and np.array_equal(ours, theirs):
            continue  # nearly always, and several times as fast
        if not np.array_equal(_numbers(one, ours), _numbers(other, theirs), equal_nan=True):
            return False
    return True


def _stored(checkpoint: Checkpoint, tensor: SourceTensor, start: int, count: int) -> Bytes:
    path, width = checkpoint.path_of(tensor), tensor.type.block_bytes
    return np.fromfile(path, np.uint8, count * width, offset=tensor.offset + start * width)


def _numbers(tensor: SourceTensor, stored: Bytes) -> Floats:
    return widen(stored, Widening(tensor.type, 0.0, through_bf16=False), Workspace())
