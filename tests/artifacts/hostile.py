"""GGUF headers that are damaged on purpose."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator

from converters.header import TensorLine, pack_header

Named = dict[str, bytes]


class Value:
    """A metadata value, in the form that the header packer takes."""

    def __init__(self, value: object, kind: int, sub_type: int | None = None) -> None:
        self.value, self.type, self.sub_type = value, kind, sub_type


def small_file() -> bytes:
    """A sound file with a value of every kind and two tensors."""
    values = {
        "general.architecture": Value("gemma3", 8),
        "a.number": Value(7, 4),
        "a.fraction": Value(0.5, 6),
        "a.flag": Value(True, 7),
        "tokens": Value(["<pad>", "<eos>", "\u2581the"], 9),
        "scores": Value([0.0, -1.0, -2.0], 9),
        "types": Value([3, 3, 1], 9),
    }
    tensors = [
        TensorLine("token_embd.weight", 8, (3, 64), 0),
        TensorLine("norm.weight", 0, (64,), 224),
    ]
    header = pack_header(values, tensors)
    return header + bytes(224 + 256)


def _u32(value: int) -> bytes:
    return struct.pack("<I", value)


def _u64(value: int) -> bytes:
    return struct.pack("<Q", value)


def _text(text: bytes) -> bytes:
    return _u64(len(text)) + text


def _preamble(tensors: int = 0, keys: int = 0, version: int = 3) -> bytes:
    return b"GGUF" + _u32(version) + _u64(tensors) + _u64(keys)


def _tensor(name: bytes, sides: tuple[int, ...], kind: int, offset: int = 0) -> bytes:
    shape = b"".join(map(_u64, sides))
    return _text(name) + _u32(len(sides)) + shape + _u32(kind) + _u64(offset)


def handcrafted() -> Named:
    """Cases that break one rule each; a name says which."""
    key, huge = _text(b"k"), 1 << 63
    body = bytes(64)
    return {
        "empty": b"",
        "other magic": b"GGML" + bytes(60),
        "only a magic": b"GGUF",
        "version 1": _preamble(version=1),
        "version 4": _preamble(version=4),
        "big endian": b"GGUF" + struct.pack(">IQQ", 3, 0, 0),
        "more keys than any model": _preamble(keys=huge),
        "more tensors than any model": _preamble(tensors=huge),
        "one key promised, none there": _preamble(keys=1),
        "empty key": _preamble(keys=1) + _text(b"") + _u32(4) + _u32(0),
        "key that isn't UTF-8": _preamble(keys=1) + _text(b"\xff\xfe") + _u32(4) + _u32(0),
        "key longer than the file": _preamble(keys=1) + _u64(1 << 20) + b"k",
        "key of 2^63 bytes": _preamble(keys=1) + _u64(huge) + b"k",
        "same key twice": _preamble(keys=2) + 2 * (key + _u32(4) + _u32(0)),
        "unknown value type": _preamble(keys=1) + key + _u32(13) + body,
        "boolean of 2": _preamble(keys=1) + key + _u32(7) + b"\x02",
        "text longer than the file": _preamble(keys=1) + key + _u32(8) + _u64(99) + b"x",
        "text of 2^63 bytes": _preamble(keys=1) + key + _u32(8) + _u64(huge),
        "array of arrays": _preamble(keys=1) + key + _u32(9) + _u32(9) + _u64(1) + body,
        "array of an unknown type": _preamble(keys=1) + key + _u32(9) + _u32(99) + _u64(1) + body,
        "array of 2^63 numbers": _preamble(keys=1) + key + _u32(9) + _u32(4) + _u64(huge),
        "array of 2^20 texts, none there": _preamble(keys=1)
        + key
        + _u32(9)
        + _u32(8)
        + _u64(1 << 20),
        "array whose text runs out": _preamble(keys=1)
        + key
        + _u32(9)
        + _u32(8)
        + _u64(1)
        + _u64(99),
        "alignment of 3": _preamble(keys=1) + _text(b"general.alignment") + _u32(4) + _u32(3),
        "alignment of 0": _preamble(keys=1) + _text(b"general.alignment") + _u32(4) + _u32(0),
        "alignment as text": _preamble(keys=1)
        + _text(b"general.alignment")
        + _u32(8)
        + _text(b"32"),
        "tensor without dimensions": _preamble(1) + _tensor(b"t", (), 0) + body,
        "tensor of five dimensions": _preamble(1) + _tensor(b"t", (1,) * 5, 0) + body,
        "tensor of 2^32 dimensions": _preamble(1) + _text(b"t") + _u32(0xFFFFFFFF),
        "tensor with a side of 0": _preamble(1) + _tensor(b"t", (0,), 0) + body,
        "tensor whose size overflows": _preamble(1) + _tensor(b"t", (1 << 31,) * 4, 0) + body,
        "tensor of an unknown type": _preamble(1) + _tensor(b"t", (1,), 4) + body,
        "Q8_0 row of 31": _preamble(1) + _tensor(b"t", (31,), 8) + body,
        "same tensor twice": _preamble(2) + 2 * _tensor(b"t", (1,), 0) + body,
        "tensor before its place": _preamble(2)
        + _tensor(b"t", (8,), 0)
        + _tensor(b"u", (8,), 0)
        + body,
        "tensor behind its place": _preamble(1) + _tensor(b"t", (1,), 0, 32) + bytes(128),
        "tensor past the end": _preamble(1) + _tensor(b"t", (1 << 20,), 0) + body,
        "tensor without a name": _preamble(1) + _tensor(b"", (1,), 0) + body,
        "bytes after the last tensor": small_file() + bytes(64),
        "one byte short": small_file()[:-1],
    }


def mutants(seed: int, count: int) -> Iterator[bytes]:
    """Sound files with one to three changes: a byte, a number, a cut, a doubled or moved part."""
    dice, sound = random.Random(seed), small_file()
    for _ in range(count):
        data = bytearray(sound)
        for _ in range(dice.randint(1, 3)):
            at = dice.randrange(max(1, min(len(data), 400)))
            change = dice.randrange(6)
            if change == 0:
                data[at : at + 1] = bytes([dice.randrange(256)])
            elif change == 1:
                data[at : at + 4] = _u32(
                    dice.choice([0, 1, 2**31, 2**32 - 1, dice.getrandbits(32)])
                )
            elif change == 2:
                data[at : at + 8] = _u64(
                    dice.choice([0, 2**20, 2**63, 2**64 - 1, dice.getrandbits(64)])
                )
            elif change == 3:
                del data[at:]
            elif change == 4:
                del data[at : at + dice.randint(1, 16)]
            else:
                data[at:at] = data[max(0, at - dice.randint(1, 32)) : at]
        yield bytes(data)
