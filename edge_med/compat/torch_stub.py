"""What model cards use of torch, for where it isn't installed. Nothing here computes."""

from __future__ import annotations

import contextlib
import math
import operator
import random
from types import SimpleNamespace
from typing import Any

import numpy as np

from edge_med.compat.tensor import DTYPES, DType, Tensor
from edge_med.compat.tensor import device as _device

_numbers = random.Random()  # noqa: S311 - samples, and no secrets

bfloat16, float16, float32, float64, int64, int32 = (DTYPES[name] for name in DTYPES)
half, float, long, int = float16, float32, int64, int32
dtype, device = DType, _device

cuda = SimpleNamespace(
    is_available=lambda: False,
    device_count=lambda: 0,
    is_bf16_supported=lambda: False,
    **dict.fromkeys(("empty_cache", "reset_peak_memory_stats", "synchronize"), lambda *_: None),
    **dict.fromkeys(("manual_seed", "manual_seed_all"), lambda _seed: None),
    **dict.fromkeys(
        ("memory_allocated", "max_memory_allocated", "memory_reserved", "max_memory_reserved"),
        lambda *_device: 0,
    ),
)
"""What torch says where it was built without CUDA."""

backends = SimpleNamespace(mps=SimpleNamespace(is_available=lambda: False))


class inference_mode(contextlib.ContextDecorator):  # noqa: N801 - torch's own name
    """Nothing to switch off: no gradients are ever computed. For `with`, or as a decorator."""

    def __init__(self, mode: bool = True) -> None:  # noqa: FBT001, FBT002 - torch's own signature
        """`mode` changes nothing."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_error: object) -> None:
        return None


no_grad = inference_mode


def tensor(data: Any, dtype: DType | None = None, device: object = None) -> Tensor:
    """A tensor of numbers in lists, an array or another tensor; `device` changes nothing."""
    return Tensor(np.asarray(data), dtype)


def manual_seed(seed: Any) -> None:
    """Let samples be drawn as they were after the same seed."""
    _numbers.seed(operator.index(seed))


def randint(low: Any, high: Any, size: tuple[Any, ...]) -> Tensor:
    """Whole numbers from `low` up to and without `high`."""
    drawn = [_numbers.randrange(low, high) for _ in range(math.prod(size))]
    return Tensor(np.array(drawn, np.int64).reshape(size))


def is_tensor(value: object) -> bool:
    """Whether a value is a tensor."""
    return isinstance(value, Tensor)


def __getattr__(name: str) -> Any:
    raise AttributeError(
        f"edge_med's stand-in for torch has no '{name}'; with torch installed, it is the real one"
    )
