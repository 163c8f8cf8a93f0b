"""How long a conversion will take on this machine, by a few rows of noise, and how much memory."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable
from functools import cache

import numpy as np

from converters.conversion_plan import ConversionPlan
from converters.quantize import Workspace, encode
from converters.slabs import in_flight, slab_memory, slab_size
from edge_med import _platform
from edge_med.artifacts.tensor_types import F32, TensorType

_ROW = 256
_ROWS = 256  # 65,536 numbers take the slowest type, IQ4_XS, about 20 ms
_COPY = 2e9
"""Bytes per second that reading or writing moves from or to the system's cache; cautious."""


_PROGRAM = 250 << 20
"""Bytes of Python, its packages and Gemma's vocabulary: 210 MiB were seen, and 240 with the 33 MB
of a tokenizer.json."""


_MERGED = 5
"""Slabs in F32 that a thread has while it adds an adapter: the base's numbers, the product, the
sum, and what is rounded; one more for the adapter's own rows."""


_WHOLE = 2
"""How often a thread has that matrix of a pair of which each slab needs all: as stored, in F32."""


def memory_bound(plan: ConversionPlan) -> int:
    """Bytes of memory that the conversion takes at the most."""
    threads = plan.request.threads or _platform.usable_cores()
    headers = sum(len(file.header) for file in plan.files)
    slabs = slab_memory(plan.files, threads)
    slab = slab_size(plan.files, in_flight(threads))
    merging = threads * 4 * (_MERGED * slab + _WHOLE * _largest_side(plan))
    return _PROGRAM + headers + slabs + (merging if plan.adapters else 0)


def _largest_side(plan: ConversionPlan) -> int:
    """Numbers of the largest A, or B of an embedding, of all adapters."""
    parts = [part for adapter in plan.adapters for part in adapter.parts.values()]
    sides = [part.up if part.embedding else part.down for part in parts]
    return max((math.prod(side.tensor.shape) for side in sides if side), default=0)


def estimate_seconds(plan: ConversionPlan) -> float:
    """Seconds that the conversion will take, disks being fast enough.

    Quantizing is spread over all threads; reading, hashing and writing are in order, and take part
    of the same cores.
    """
    threads = plan.request.threads or _platform.usable_cores()
    quantizing = sum(
        count * math.prod(shape) * _seconds_per_number(kind)
        for (shape, kind), count in _different(plan).items()
    )
    moved = plan.checkpoint.size + plan.size
    hashed = plan.checkpoint.size + 2 * plan.size
    in_order = moved / _COPY + hashed * _seconds_per_hashed_byte()
    return max(in_order, (quantizing + in_order) / threads)


def _different(plan: ConversionPlan) -> dict[tuple[tuple[int, ...], TensorType], int]:
    """The tensors to be encoded, by shape and type; what two files share is encoded once."""
    tensors = [tensor for file in plan.files for tensor in file.tensors]
    keys = {(t.source.name, t.type, t.widening, t.change): t for t in tensors}
    counts: dict[tuple[tuple[int, ...], TensorType], int] = {}
    for tensor in keys.values():
        key = (tensor.shape, tensor.type)
        counts[key] = counts.get(key, 0) + 1
    return counts


@cache
def _seconds_per_number(kind: TensorType) -> float:
    numbers = _ROW * _ROWS
    values = np.random.default_rng(0).standard_normal(numbers, np.float32)
    out = Workspace().bytes(None, _ROWS * kind.row_bytes(_ROW))
    widening = 0.5e-9  # measured: two numbers a nanosecond
    return widening + _best_of_three(lambda: encode(values, kind, _ROW, out)) / numbers


@cache
def _seconds_per_hashed_byte() -> float:
    data = bytes(F32.row_bytes(1 << 18))
    return _best_of_three(lambda: hashlib.sha256(data)) / len(data)


def _best_of_three(work: Callable[[], object]) -> float:
    spent = []
    for _ in range(3):
        start = time.perf_counter()
        work()
        spent.append(time.perf_counter() - start)
    return min(spent)
