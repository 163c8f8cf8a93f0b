"""Whose tensors are given out: torch's where it is installed, else the stand-in's."""

from __future__ import annotations

import functools
import importlib
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_med.errors import UsageError


@functools.cache
def torch() -> Any:
    """The module torch, or the stand-in with the few names that model cards use."""
    try:
        return importlib.import_module("torch")
    except ImportError:
        return importlib.import_module("edge_med.compat.torch_stub")


def as_tensors(values: npt.NDArray[Any], kind: str | None) -> Any:
    """An array as `return_tensors` wants it: `pt`, `np`, or None for lists.

    Raises:
        UsageError: there is no such kind.
    """
    match kind:
        case "pt":
            return torch().tensor(values)
        case "np":
            return values
        case None:
            return values.tolist()
    raise UsageError(f"return_tensors can't be {kind!r} here.", "Use 'pt', 'np' or None.")


def as_lists(values: Any) -> Any:
    """Ids as plain lists, whatever holds them: a tensor, an array, lists."""
    return values.tolist() if hasattr(values, "tolist") else values


def as_floats(values: Any) -> npt.NDArray[np.float32]:
    """Numbers of a tensor or an array; numpy hasn't got bfloat16, so they become float32 first."""
    if hasattr(values, "detach"):
        values = values.detach().cpu().float()
    return np.asarray(values, np.float32)
