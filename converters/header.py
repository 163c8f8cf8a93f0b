"""Pack a GGUF header. Its reader is `edge_med.artifacts.gguf`; the gguf package reads it in tests.

Layout: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from edge_med.artifacts.gguf import ARRAY, BOOL, DEFAULT_ALIGNMENT, MAGIC, SCALARS, TEXT, pad
from edge_med.errors import CheckpointError

VERSION = 3
INT32, FLOAT32 = 5, 6


class TypedValue(Protocol):
    """A metadata value with its `enum gguf_type`, as `gguf.GGUFWriter` collects them."""

    value: Any
    type: int
    sub_type: int | None


class TensorLine(NamedTuple):
    """A tensor's line in the header; the offset counts from the first tensor's byte."""

    name: str
    type_id: int
    shape: tuple[int, ...]
    offset: int


def pack_header(values: Mapping[str, TypedValue], tensors: Sequence[TensorLine]) -> bytes:
    """Everything that stands before the tensors' bytes, padded to the alignment.

    Raises:
        CheckpointError: a value is of another kind than its key's.
    """
    parts = [MAGIC + struct.pack("<IQQ", VERSION, len(tensors), len(values))]
    for key, value in values.items():
        parts.append(_text(key) + struct.pack("<I", value.type))
        try:
            parts.append(_value(value.value, value.type, value.sub_type))
        except (struct.error, UnicodeEncodeError, TypeError, KeyError, IndexError):
            raise CheckpointError(
                f"What the checkpoint says for {key} can't be written.",
                "Download its small files again.",
            ) from None
    for name, type_id, shape, offset in tensors:
        sides = struct.pack(f"<I{len(shape)}Q", len(shape), *reversed(shape))
        parts.append(_text(name) + sides + struct.pack("<IQ", type_id, offset))
    header = b"".join(parts)
    return header.ljust(pad(len(header), DEFAULT_ALIGNMENT), b"\0")


def _text(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def _value(value: Any, kind: int, element: int | None) -> bytes:
    if kind == TEXT:
        return _text(value)
    if kind != ARRAY:
        return struct.pack("<" + SCALARS[kind], value)
    kind = _kind_of(value[0]) if element is None else element
    head = struct.pack("<IQ", kind, len(value))
    if kind == TEXT:
        return head + b"".join(map(_text, value))
    return head + struct.pack(f"<{len(value)}{SCALARS[kind]}", *value)


def _kind_of(item: object) -> int:
    """The type of an array's elements, where none is given."""
    kinds = {str: TEXT, bool: BOOL, int: INT32, float: FLOAT32}
    return kinds[type(item)]
