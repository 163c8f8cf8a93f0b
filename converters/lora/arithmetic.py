"""Adapters added to the weights of their base, slab by slab, before anything is quantized.

Arithmetic: PEFT's `merge_and_unload` by default (tuners/lora/layer.py, `merge`; variants.py, DoRA).
Products and sums are F32, and each adapter's result is rounded to the type of the base, once.
"""

from __future__ import annotations

import functools
import math
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from converters.quantize import Bytes, Floats, narrow, widened
from edge_med.artifacts.adapters.peft_adapter import StoredTensor, TensorUpdate
from edge_med.artifacts.safetensors import SourceTensor

Matrix = npt.NDArray[np.float32]

_LOOK = 1 << 20
"""Numbers that are looked at once."""

_ONE_AT_A_TIME = threading.RLock()
"""So that of all threads one reads a whole embedding, and the others wait for what it finds. It may
need the norms after an earlier adapter on its way."""

_STRAY = 0.01
"""The share of a row that a product may change and yet be lost: a trained one changes most of it,
and of one of 1e-6 of its strength about one number in ten thousand is left."""


@dataclass(frozen=True, slots=True)
class AdapterChange:
    """What some adapters make of one tensor, in their order.

    Attributes:
        base: place of the tensor, for sums over all of its rows; None if it isn't known.
    """

    parts: tuple[TensorUpdate, ...]
    base: StoredTensor | None = None

    def apply(self, tensor: SourceTensor, start: int, raw: Bytes) -> Bytes:
        """Whole rows of the tensor as the adapters have them, in the type that it is stored in.

        Args:
            tensor: tensor of the base.
            start: the first of these rows.
            raw: their numbers, as stored.
        """
        width = math.prod(tensor.shape[1:])
        for at, part in enumerate(self.parts):
            values = widened(raw, tensor.type).reshape(-1, width)
            norms = _norms(self, at) if part.turns_columns else None
            changed = _changed(part, tensor, start, values, norms)
            raw = narrow(changed.reshape(-1), tensor.type)
        return raw


def _norms(change: AdapterChange, at: int) -> Matrix:
    with _ONE_AT_A_TIME:
        return _column_norms(change, at)


@functools.lru_cache(maxsize=4)
def _column_norms(change: AdapterChange, at: int) -> Matrix:
    """Of DoRA of an embedding: the norm of each column, over all tokens, before it is turned."""
    base, part = change.base, change.parts[at]
    assert base is not None
    before = AdapterChange(change.parts[:at], base)
    rows, width = base.tensor.shape
    squares = np.zeros(width)
    step = max(1, _LOOK // width)
    for start in range(0, rows, step):
        count = min(step, rows - start)
        size = base.tensor.type.block_bytes * width
        offset = base.tensor.offset + start * size
        raw = np.fromfile(base.path, np.uint8, count * size, offset=offset)
        values = widened(before.apply(base.tensor, start, raw), base.tensor.type)
        values = _sum(part, base.tensor, start, values.reshape(count, width))
        squares += np.square(values, dtype=np.float64).sum(axis=0)
    return np.sqrt(squares).astype(np.float32)


def _changed(
    part: TensorUpdate, tensor: SourceTensor, start: int, values: Matrix, norms: Matrix | None
) -> Matrix:
    """Some rows after one adapter."""
    values = _sum(part, tensor, start, values)
    if part.magnitude is not None and norms is not None:
        values *= _read(part.magnitude, 0, values.shape[1]).reshape(1, -1) / norms
    elif part.magnitude is not None:
        norm = np.linalg.norm(values, axis=1, keepdims=True)
        values *= _read(part.magnitude, start, values.shape[0]).reshape(-1, 1) / norm
    if part.rows is not None:
        for position, index in enumerate(part.indices):
            if start <= index < start + values.shape[0]:
                values[index - start] = _rows(part.rows, position, 1)
    return values


def _sum(part: TensorUpdate, tensor: SourceTensor, start: int, values: Matrix) -> Matrix:
    """Some rows with all that is added to them, or takes their place."""
    count = values.shape[0]
    if part.whole is not None:
        whole = _rows(part.whole, start, count)
        values = widened(narrow(whole.reshape(-1), tensor.type), tensor.type).reshape(whole.shape)
    if part.bias is not None:
        values += part.scale * _rows(part.bias, start, count).reshape(values.shape)
    if part.down is not None and part.up is not None:
        added = _product(part, start, count)
        if part.embedding and not part.turns_columns:  # PEFT rounds it: layer.py, Embedding.merge
            added = widened(narrow(added.reshape(-1), tensor.type), tensor.type)
        values += added.reshape(values.shape)
    return values


def _product(part: TensorUpdate, start: int, count: int) -> Matrix:
    """Rows of the scaled product of an adapter's two matrices."""
    assert part.down is not None
    assert part.up is not None
    if part.embedding:
        up = _rows(part.up, 0, part.up.tensor.shape[0])
        product = np.ascontiguousarray((up @ _columns(part.down, start, count)).T)
    else:
        product = _rows(part.up, start, count) @ _rows(part.down, 0, part.down.tensor.shape[0])
    product *= np.float32(part.scale)
    return product


def _rows(stored: StoredTensor, start: int, count: int) -> Matrix:
    """Rows of a tensor of the adapter's, of whatever shape, as F32."""
    width = math.prod(stored.tensor.shape[1:])
    return _read(stored, start * width, count * width).reshape(count, width)


def read_whole(stored: StoredTensor) -> Matrix:
    """A small matrix of an adapter's, as F32."""
    return _rows(stored, 0, stored.tensor.shape[0])


def _columns(stored: StoredTensor, start: int, count: int) -> Matrix:
    """Columns of a matrix of the adapter's; its rows are few."""
    rows, width = stored.tensor.shape
    return np.stack([_read(stored, row * width + start, count) for row in range(rows)])


def _read(stored: StoredTensor, start: int, count: int) -> Floats:
    size = stored.tensor.type.block_bytes
    offset = stored.tensor.offset + start * size
    raw = np.fromfile(stored.path, np.uint8, count * size, offset=offset)
    return widened(raw, stored.tensor.type)


def changes_nothing(part: TensorUpdate, base: StoredTensor | None) -> bool:
    """Whether a part leaves its tensor as it is, in the type that it is stored in.

    Args:
        part: part of an adapter.
        base: the tensor that it changes; None if it isn't known, and then all counts but zeros.
    """
    pair = [stored for stored in (part.down, part.up) if stored]
    adds = bool(pair) and all(map(_has_numbers, pair))
    whole = any((part.whole, part.rows, part.magnitude))
    if not whole and not adds and not (part.bias and _has_numbers(part.bias)):
        return True
    return base is not None and not part.turns_columns and _is_lost(part, base)


def _has_numbers(stored: StoredTensor) -> bool:
    return any(numbers.any() for numbers in _slabs(stored))


def _is_lost(part: TensorUpdate, base: StoredTensor) -> bool:
    """Whether nothing is left of a change after rounding; mostly the first slab says no.

    A product of which here and there a number is left, where the base's is next to zero, is none.
    """
    width = math.prod(base.tensor.shape[1:])
    most = width * _STRAY if part.down else 0
    change, at = AdapterChange((part,), base), 0
    for before in _slabs(base):
        raw = narrow(before.reshape(-1), base.tensor.type)
        after = widened(change.apply(base.tensor, at, raw), base.tensor.type)
        others = before.reshape(-1, width) != after.reshape(-1, width)
        if np.count_nonzero(others, axis=1).max() > most:
            return False
        at += others.shape[0]
    return True


def same_change(embedding: TensorUpdate, head: TensorUpdate) -> bool:
    """Whether an adapter stores one change twice, since embedding and head are one tensor.

    LoRA of the head is then that of the embedding, turned.
    """
    if any((embedding.magnitude, head.magnitude)) or embedding.indices != head.indices:
        return False
    if embedding.down and head.down and embedding.scale != head.scale:
        return False
    pairs = ((embedding.whole, head.whole), (embedding.rows, head.rows))
    turned = ((embedding.up, head.down), (embedding.down, head.up))
    return all(_equal(one, other, same_tensor) for one, other in pairs) and all(
        _equal(one, other, _is_turned) for one, other in turned
    )


def _equal(
    one: StoredTensor | None,
    other: StoredTensor | None,
    same: Callable[[StoredTensor, StoredTensor], bool],
) -> bool:
    return one is other if one is None or other is None else same(one, other)


def _is_turned(one: StoredTensor, other: StoredTensor) -> bool:
    """Whether a matrix is another one, with rows for columns."""
    if one.tensor.shape != other.tensor.shape[::-1]:
        return False
    count, rank = max(one.tensor.shape), min(one.tensor.shape)
    tall, wide = (one, other) if one.tensor.shape[0] == count else (other, one)
    step = max(1, _LOOK // rank)
    return all(
        np.array_equal(
            _rows(tall, start, min(step, count - start)),
            _columns(wide, start, min(step, count - start)).T,
        )
        for start in range(0, count, step)
    )


def same_tensor(one: StoredTensor, other: StoredTensor) -> bool:
    """Whether two tensors hold the same numbers; rows that only one has don't count."""
    if one.tensor.shape[1:] != other.tensor.shape[1:]:
        return False
    return all(
        np.array_equal(ours[: len(theirs)], theirs[: len(ours)])
        for ours, theirs in zip(_slabs(one), _slabs(other), strict=False)
    )


def _slabs(stored: StoredTensor) -> Iterator[Matrix]:
    """A tensor, some rows at a time."""
    count = stored.tensor.shape[0]
    step = max(1, _LOOK // math.prod(stored.tensor.shape[1:]))
    for start in range(0, count, step):
        yield _rows(stored, start, min(step, count - start))
