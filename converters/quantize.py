"""Turn numbers into ggml's types, with llama.cpp's own code: libggml-base, found by path.

`ggml_quantize_chunk` treats whole rows one by one, so its bytes don't depend on how a tensor is cut
into slabs or on how many threads share them. Calls release Python's lock.
"""

from __future__ import annotations

import ctypes
import functools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge_med.artifacts.tensor_types import BF16, F16, F32, TensorType
from edge_med.native import native_library

Floats = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]

_STORED = {F32: np.float32, F16: np.float16, BF16: np.uint16}
_INFINITY = {
    F32: (np.int32, np.uint32, 0x7F80_0000, 0xFF80_0000),
    F16: (np.int16, np.uint16, 0x7C00, 0xFC00),
    BF16: (np.int16, np.uint16, 0x7F80, 0xFF80),
}
"""The words of a type with and without sign, and the bits of ±infinity; NaN lies beyond them."""


@functools.cache
def _ggml() -> ctypes.CDLL:
    library = ctypes.CDLL(str(native_library("ggml-base")))
    pointer, size = ctypes.c_void_p, ctypes.c_size_t
    signatures: dict[str, tuple[object, list[object]]] = {
        "ggml_quantize_chunk": (
            size,
            [ctypes.c_int, pointer, pointer, *[ctypes.c_int64] * 3, pointer],
        ),
        "ggml_validate_row_data": (ctypes.c_bool, [ctypes.c_int, pointer, size]),
        "ggml_bf16_to_fp32_row": (None, [pointer, pointer, ctypes.c_int64]),
        "ggml_fp16_to_fp32_row": (None, [pointer, pointer, ctypes.c_int64]),
        "ggml_fp32_to_bf16_row_ref": (None, [pointer, pointer, ctypes.c_int64]),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


@dataclass(frozen=True, slots=True)
class Widening:
    """How stored numbers become the F32 that is quantized.

    Attributes:
        stored: the type in the checkpoint.
        plus: 1 for RMS norms, else 0. F16 weights are added to in F16, as llama.cpp does.
        through_bf16: whether to round to BF16 on the way.
    """

    stored: TensorType
    plus: float
    through_bf16: bool


class Workspace:
    """Memory for one slab on its way, used again for the next: fresh pages cost more than work."""

    def __init__(self) -> None:
        self._buffers: dict[object, Bytes] = {}

    def bytes(self, key: object, size: int) -> Bytes:
        """So many bytes of memory that nobody else asks for under this key."""
        buffer = self._buffers.get(key)
        if buffer is None or buffer.size < size:
            buffer = self._buffers[key] = np.empty(size, np.uint8)
        return buffer[:size]

    def floats(self, key: object, count: int) -> Floats:
        """So many F32 numbers."""
        return self.bytes(key, 4 * count).view(np.float32)


def all_finite(data: Bytes, stored: TensorType) -> bool:
    """Whether stored numbers hold neither NaN nor infinity.

    Seen as integers with a sign, positive numbers are the greatest; without one, negative numbers.
    """
    signed, unsigned, infinity, minus_infinity = _INFINITY[stored]
    return bool(data.view(signed).max() < infinity and data.view(unsigned).max() < minus_infinity)


def holds_anything(data: Bytes, stored: TensorType) -> bool:
    """Whether a stored number isn't zero, of either sign; the first few settle it mostly."""
    words = data.view(_INFINITY[stored][1])
    return any((part << 1).any() for part in (words[:1024], words))


def widen(raw: Bytes, how: Widening, space: Workspace, key: object = None) -> Floats:
    """Stored numbers as F32, in the workspace's memory under a key, `how` if there is none."""
    stored = raw.view(_STORED[how.stored])
    if how.plus and how.stored is F16:
        stored = stored + np.float16(how.plus)
    values = space.floats(how if key is None else key, stored.size)
    _to_f32(stored, how.stored, values)
    if how.plus and how.stored is not F16:
        values += np.float32(how.plus)
    if how.through_bf16 and how.stored is not BF16:
        rounded = space.bytes("rounded", 2 * values.size).view(np.uint16)
        _ggml().ggml_fp32_to_bf16_row_ref(values.ctypes.data, rounded.ctypes.data, values.size)
        _to_f32(rounded, BF16, values)
    return values


def widened(raw: Bytes, stored: TensorType) -> Floats:
    """Stored numbers as F32, in memory of their own."""
    return widen(raw, Widening(stored, 0.0, through_bf16=False), Workspace())


def narrow(values: Floats, stored: TensorType) -> Bytes:
    """F32 numbers as a checkpoint stores them, each rounded to the nearest, and to even."""
    if stored is F32:
        return np.ascontiguousarray(values, np.float32).view(np.uint8)
    if stored is F16:
        with np.errstate(over="ignore"):  # infinity, which is refused by its tensor's name
            return values.astype(np.float16).view(np.uint8)
    values, out = np.ascontiguousarray(values, np.float32), np.empty(values.size, np.uint16)
    _ggml().ggml_fp32_to_bf16_row_ref(values.ctypes.data, out.ctypes.data, values.size)
    return out.view(np.uint8)


def encode(values: Floats, kind: TensorType, row: int, out: Bytes) -> None:
    """F32 numbers in another type.

    Args:
        values: whole rows, one after another.
        kind: type of the result; a row must fit it.
        row: numbers in a row.
        out: buffer for the result, of exactly its size.
    """
    if kind is F32:
        out.view(np.float32)[:] = values
        return
    rows = values.size // row
    _ggml().ggml_quantize_chunk(kind.id, values.ctypes.data, out.ctypes.data, 0, rows, row, None)


def is_sound(data: Bytes, kind: TensorType) -> bool:
    """Whether encoded numbers are finite: a value can exceed F16's range, or that of a scale."""
    if kind in _INFINITY:
        return all_finite(data, kind)
    return bool(_ggml().ggml_validate_row_data(kind.id, data.ctypes.data, data.nbytes))


def _to_f32(stored: npt.NDArray[np.generic], kind: TensorType, out: Floats) -> None:
    if kind is F32:
        out[:] = stored
        return
    function = _ggml().ggml_bf16_to_fp32_row if kind is BF16 else _ggml().ggml_fp16_to_fp32_row
    function(stored.ctypes.data, out.ctypes.data, stored.size)
