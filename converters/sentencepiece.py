"""Read a SentencePiece model file (tokenizer.model): pieces, scores and types, nothing else.

A bounded reader of our own: the file is untrusted, and the sentencepiece library's parser has had
memory errors on damaged files (CVE-2026-1260).

Layout: https://github.com/google/sentencepiece/blob/master/src/sentencepiece_model.proto and
https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from edge_med.artifacts.json_file import refuse_pointer
from edge_med.errors import CheckpointError

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = range(1, 7)
"""`ModelProto.SentencePiece.Type`; GGUF's token types have the same numbers."""

MAX_BYTES = 64 << 20  # Gemma 3's has 4.7 MB
MAX_PIECES = 1 << 20

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_FIXED = {_FIXED64: 8, _FIXED32: 4}
_PIECES = 1
_TEXT, _SCORE, _TYPE = 1, 2, 3
_USUAL_TEXT = _TEXT << 3 | _BYTES
_USUAL_SCORE = bytes([_SCORE << 3 | _FIXED32])
_USUAL_TYPE = _TYPE << 3 | _VARINT
_F32 = struct.Struct("<f")

Field = tuple[int, int, int | bytes]


class VocabularyPiece(NamedTuple):
    """One piece of the vocabulary; its id is its place in the file."""

    text: str
    score: float
    type: int


def read_pieces(path: Path) -> list[VocabularyPiece]:
    """Read the pieces of a tokenizer.model in order of their ids.

    Raises:
        CheckpointError: the file is too large, truncated or damaged.
    """
    refuse_pointer(path)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ValueError
        messages = islice(_piece_messages(path.read_bytes()), MAX_PIECES + 1)
        pieces = [_piece(data) for data in messages]
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


def _piece(data: bytes) -> VocabularyPiece:
    text, score, kind = _usual_piece(data) or _any_piece(data)
    if not NORMAL <= kind <= BYTE or score != score:  # noqa: PLR0124 - only NaN differs from itself
        raise ValueError("a piece of an unknown type, or without a score")
    return VocabularyPiece(text.decode("utf-8"), score, kind)


def _usual_piece(data: bytes) -> tuple[bytes, float, int] | None:
    """Text, score and type in the layout that SentencePiece writes, without a look at each field.

    A quarter million of them take three quarters of a second otherwise.
    """
    end = 2 + data[1] if len(data) > 1 else 0
    if not end or data[0] != _USUAL_TEXT or data[1] > 0x7F or data[end : end + 1] != _USUAL_SCORE:
        return None
    if len(data) == end + 5:
        kind = NORMAL
    elif len(data) == end + 7 and data[end + 5] == _USUAL_TYPE and data[end + 6] <= BYTE:
        kind = data[end + 6]
    else:
        return None
    return data[2:end], _F32.unpack_from(data, end + 1)[0], kind


def _any_piece(data: bytes) -> tuple[bytes, float, int]:
    text, score, kind = b"", 0.0, NORMAL
    for number, wire, value in _fields(data):
        if number == _TEXT and isinstance(value, bytes) and wire == _BYTES:
            text = value
        elif number == _SCORE and isinstance(value, bytes) and wire == _FIXED32:
            (score,) = _F32.unpack(value)
        elif number == _TYPE and isinstance(value, int):
            kind = value
    return text, score, kind


def _fields(data: bytes) -> Iterator[Field]:
    """The fields of one message: number, wire type, and an integer or the bytes."""
    at, end = 0, len(data)
    while at < end:
        key, at = _varint(data, at)
        wire = key & 7
        if wire == _VARINT:
            value, at = _varint(data, at)
            yield key >> 3, wire, value
            continue
        if wire == _BYTES:
            size, at = _varint(data, at)
        elif wire in _FIXED:
            size = _FIXED[wire]
        else:
            raise ValueError(f"wire type {wire}")
        if at + size > end:
            raise ValueError("a field that runs past the end")
        yield key >> 3, wire, data[at : at + size]
        at += size


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
