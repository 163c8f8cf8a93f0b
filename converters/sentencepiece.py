"""Read a SentencePiece model file (tokenizer.model): pieces, scores and types, nothing else.

A bounded reader of our own: the file is untrusted, and the sentencepiece library's parser has had
memory errors on damaged files (CVE-2026-1260).

Layout: https://github.com/google/sentencepiece/blob/master/src/sentencepiece_model.proto and
https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from edge_med.errors import CheckpointError

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = range(1, 7)
"""`ModelProto.SentencePiece.Type`; GGUF's token types have the same numbers."""

MAX_BYTES = 64 << 20  # Gemma 3's has 4.7 MB
MAX_PIECES = 1 << 20

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_FIXED = {_FIXED64: 8, _FIXED32: 4}
_PIECES = 1
_TEXT, _SCORE, _TYPE = 1, 2, 3

Field = tuple[int, int, int | bytes]


class Piece(NamedTuple):
    """One piece of the vocabulary; its id is its place in the file."""

    text: str
    score: float
    type: int


def read_pieces(path: Path) -> list[Piece]:
    """Read the pieces of a tokenizer.model in order of their ids.

    Raises:
        CheckpointError: the file is too large, truncated or damaged.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ValueError
        pieces = [_piece(data) for data in _piece_messages(path.read_bytes())]
        if not 0 < len(pieces) <= MAX_PIECES:
            raise ValueError
    except (OSError, ValueError):
        raise CheckpointError(
            f"{path.name} is damaged or isn't a SentencePiece model.", "Download it again."
        ) from None
    return pieces


def _piece_messages(data: bytes) -> Iterator[bytes]:
    for number, _, value in _fields(data):
        if number == _PIECES:
            if not isinstance(value, bytes):
                raise ValueError("a piece that isn't a message")
            yield value


def _piece(data: bytes) -> Piece:
    text, score, kind = b"", 0.0, NORMAL
    for number, wire, value in _fields(data):
        if number == _TEXT and isinstance(value, bytes) and wire == _BYTES:
            text = value
        elif number == _SCORE and isinstance(value, bytes) and wire == _FIXED32:
            (score,) = struct.unpack("<f", value)
        elif number == _TYPE and isinstance(value, int):
            kind = value
    if not NORMAL <= kind <= BYTE or score != score:  # noqa: PLR0124 - only NaN differs from itself
        raise ValueError("a piece of an unknown type, or without a score")
    return Piece(text.decode("utf-8"), score, kind)


def _fields(data: bytes) -> list[Field]:
    """The fields of one message: number, wire type, and an integer or the bytes."""
    found: list[Field] = []
    at, end = 0, len(data)
    while at < end:
        key, at = _varint(data, at)
        wire = key & 7
        if wire == _VARINT:
            value, at = _varint(data, at)
            found.append((key >> 3, wire, value))
            continue
        if wire == _BYTES:
            size, at = _varint(data, at)
        elif wire in _FIXED:
            size = _FIXED[wire]
        else:
            raise ValueError(f"wire type {wire}")
        if at + size > end:
            raise ValueError("a field that runs past the end")
        found.append((key >> 3, wire, data[at : at + size]))
        at += size
    return found


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """A base-128 number of ten bytes at most, and where the next field begins."""
    if at < len(data) and data[at] < 0x80:  # nearly all have one byte, and there are a million
        return data[at], at + 1
    value = 0
    for shift, byte in zip(range(0, 70, 7), data[at : at + 10], strict=False):
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at + shift // 7 + 1
    raise ValueError("a number without an end")
