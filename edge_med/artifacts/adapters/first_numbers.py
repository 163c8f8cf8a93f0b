"""Whether two files of adapters hold the same numbers, by those that each B begins with."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from edge_med.artifacts.adapters.peft_adapter import StoredTensor
from edge_med.artifacts.gguf import GgufTensor
from edge_med.artifacts.tensor_types import BF16, F16, F32, TensorType

_LOOK = 1024
"""Numbers of a tensor that are looked at."""

_ALIKE = 0.99
"""The cosine of two files of one training: F16 and BF16 round less away, and more steps, or another
seed, change more."""

_WORDS: dict[TensorType, Any] = {F32: np.float32, F16: np.float16, BF16: np.uint16}


def of_one_training(path: Path, pairs: Iterable[tuple[GgufTensor, StoredTensor]]) -> bool:
    """Whether tensors of a GGUF file are those of PEFT's, but for their type and their scale.

    Args:
        path: path of the GGUF file.
        pairs: pairs to compare; only those of type F32, F16 and BF16 are.
    """
    both = [
        (_start(path, ours.offset, ours.shape, ours.type), _start_of(theirs))
        for ours, theirs in pairs
        if ours.type in _WORDS
    ]
    if not both:
        return True
    one, other = (np.concatenate(side) for side in zip(*both, strict=True))
    sizes = float(np.linalg.norm(one)) * float(np.linalg.norm(other))
    return sizes == 0 or float(one @ other) / sizes > _ALIKE


def _start_of(stored: StoredTensor) -> Any:
    tensor = stored.tensor
    return _start(stored.path, tensor.offset, tensor.shape, tensor.type)


def _start(path: Path, offset: int, shape: tuple[int, ...], kind: TensorType) -> Any:
    """The first numbers of a tensor."""
    count = min(_LOOK, math.prod(shape))
    words = np.fromfile(path, _WORDS[kind], count, offset=offset)
    if kind is BF16:
        words = (words.astype(np.uint32) << 16).view(np.float32)
    return words.astype(np.float64)
