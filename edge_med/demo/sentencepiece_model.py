"""Write a SentencePiece model file: just what a reader of a Gemma tokenizer looks at.

Layout and field numbers: https://github.com/google/sentencepiece/blob/master/src/sentencepiece_model.proto
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping

_BPE = 2
_TRAINER = {"model_type": 3, "vocabulary": 4, "byte_fallback": 35}
_SPECIAL = {"<unk>": 40, "<bos>": 41, "<eos>": 42, "<pad>": 43}
_NORMALIZER = {"name": 1, "add_dummy_prefix": 3, "remove_extra_whitespaces": 4}

Value = int | float | bytes


def sentencepiece_model(pieces: Iterable[tuple[str, float, int]]) -> bytes:
    """The bytes of a tokenizer.model.

    Args:
        pieces: text, score and type of each, in order of their ids; the types are those of GGUF.
    """
    listed = list(pieces)
    ids = {text: token_id for token_id, (text, _, _) in enumerate(listed)}
    trainer: dict[int, Value] = {
        _TRAINER["model_type"]: _BPE,
        _TRAINER["vocabulary"]: len(listed),
        _TRAINER["byte_fallback"]: 1,
        **{number: ids[text] for text, number in _SPECIAL.items()},
    }
    normalizer: dict[int, Value] = {
        _NORMALIZER["name"]: b"identity",
        _NORMALIZER["add_dummy_prefix"]: 0,
        _NORMALIZER["remove_extra_whitespaces"]: 0,
    }
    messages: list[tuple[int, dict[int, Value]]] = [
        (1, {1: text.encode(), 2: score, 3: kind}) for text, score, kind in listed
    ]
    return b"".join(
        _field(number, _message(fields))
        for number, fields in [*messages, (2, trainer), (3, normalizer)]
    )


def _message(fields: Mapping[int, Value]) -> bytes:
    return b"".join(_field(number, value) for number, value in fields.items())


def _field(number: int, value: Value) -> bytes:
    if isinstance(value, bytes):
        return _varint(number << 3 | 2) + _varint(len(value)) + value
    if isinstance(value, float):
        return _varint(number << 3 | 5) + struct.pack("<f", value)
    return _varint(number << 3) + _varint(value)


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*out, value))
