"""Read the header of a GGUF file that may be damaged or hostile.

Every count and length is checked against a limit and against the bytes that are really there before
anything is read, allocated or looped over. The `gguf` package's reader (0.19) has no such limits.

Layout: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from edge_med.artifacts import lfs, tensor_types
from edge_med.artifacts.tensor_types import TensorType
from edge_med.errors import ArtifactError

MAGIC = b"GGUF"
VERSIONS = (2, 3)
DEFAULT_ALIGNMENT = 32

# No file of this architecture comes near any of these; a damaged or hostile one does.
MAX_KEYS = 4096
MAX_TENSORS = 10_000
MAX_TEXT = 16 << 20
MAX_ARRAY = 1 << 20
MAX_HEADER = 64 << 20
MAX_DIMENSIONS = 4
MAX_SIDE = 1 << 31
MAX_TENSOR_BYTES = 1 << 40
ALIGNMENTS = tuple(1 << n for n in range(3, 13))

BOOL, TEXT, ARRAY, FLOAT64 = 7, 8, 9, 12
SCALARS = {
    0: "B",
    1: "b",
    2: "H",
    3: "h",
    4: "I",
    5: "i",
    6: "f",
    BOOL: "B",
    10: "Q",
    11: "q",
    FLOAT64: "d",
}
"""`enum gguf_type`, and how `struct` unpacks each scalar."""

_READ_AHEAD = 1 << 20


@dataclass(frozen=True, slots=True)
class Array:
    """An array of metadata, stored as its bytes until its values are read.

    Attributes:
        kind: `enum gguf_type` of the elements.
        count: number of values.
        data: their bytes as they stand in the file, already checked.
    """

    kind: int
    count: int
    data: bytes = field(repr=False)

    def values(self) -> list[str] | list[float]:
        """The elements: texts, or numbers (booleans as 0 and 1)."""
        if self.kind != TEXT:
            return list(struct.unpack(f"<{self.count}{SCALARS[self.kind]}", self.data))
        found, at = [], 0
        for _ in range(self.count):
            (length,) = struct.unpack_from("<Q", self.data, at)
            found.append(self.data[at + 8 : at + 8 + length].decode("utf-8", "replace"))
            at += 8 + length
        return found


class Double(float):
    """A number of 64 bits; llama.cpp ends the process where it wants one of 32."""


Value = str | int | float | bool | Array


@dataclass(frozen=True, slots=True)
class GgufTensor:
    """One tensor as the header describes it.

    Attributes:
        name: name of the tensor.
        type: type of the stored numbers.
        shape: rows first, as in the checkpoint it came from; GGUF itself stores the reverse.
        offset: offset of its first byte, from the start of the file.
        size: number of its bytes.
        part: the number of the file that it is in, where a model is split into several.
    """

    name: str
    type: TensorType
    shape: tuple[int, ...]
    offset: int
    size: int
    part: int = 0


@dataclass(frozen=True, slots=True)
class Header:
    """All that stands before the tensors' bytes.

    Attributes:
        version: version of the format, 2 or 3.
        metadata: every key with its value.
        tensors: tensors in the order of the file.
        data_start: offset of the tensors' bytes.
        file_size: bytes of the whole file.
    """

    version: int
    metadata: Mapping[str, Value] = field(repr=False)
    tensors: tuple[GgufTensor, ...] = field(repr=False)
    data_start: int
    file_size: int

    def text(self, key: str) -> str | None:
        """A text value; None if it is missing or of another kind."""
        value = self.metadata.get(key)
        return value if isinstance(value, str) else None

    def integer(self, key: str) -> int | None:
        """An integer value; None if it is missing or of another kind."""
        value = self.metadata.get(key)
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    def single(self, key: str) -> float | None:
        """A number of 32 bits with a fraction; None if it is missing or of another kind."""
        value = self.metadata.get(key)
        return value if isinstance(value, float) and not isinstance(value, Double) else None

    def array(self, key: str) -> Array | None:
        """An array; None if it is missing or of another kind."""
        value = self.metadata.get(key)
        return value if isinstance(value, Array) else None


def read_header(path: Path) -> Header:
    """Read and check everything in a GGUF file but the tensors' bytes.

    Raises:
        ArtifactError: the file isn't GGUF, is damaged or truncated, or exceeds a limit.
    """
    try:
        if path.exists() and not path.is_file() and not path.is_dir():  # a pipe may never end
            raise ArtifactError(f"{path.name} isn't a file.", "Give the path of a .gguf file.")
        if lfs.is_pointer(path):
            raise ArtifactError(lfs.words(path.name), lfs.NEXT)
        with path.open("rb") as file:
            return _Cursor(file, path.name).header()
    except OSError as error:
        raise ArtifactError(
            f"{path.name} can't be read: {error.strerror}.",
            "Check the path; edge-med convert makes such files.",
        ) from None


class _Cursor:
    """Walks over the header from its first byte to its last, loading no more than it needs."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        self._file = file
        self._name = name
        self._size = file.seek(0, 2)
        self._buffer = bytearray()
        self._at = 0
        file.seek(0)

    def header(self) -> Header:
        version, tensor_count, key_count = self._preamble()
        metadata: dict[str, Value] = {}
        for _ in range(key_count):
            key = self._key(metadata)
            metadata[key] = self._value(self._number("I"))
        alignment = metadata.get("general.alignment", DEFAULT_ALIGNMENT)
        if alignment not in ALIGNMENTS:
            raise self._broken(f"an alignment of {alignment}")
        described = self._tensors(tensor_count)
        data_start = pad(self._at, int(alignment))
        tensors = self._place(described, data_start, int(alignment))
        return Header(version, metadata, tensors, data_start, self._size)

    def _preamble(self) -> tuple[int, int, int]:
        if self._size < 24 or self._bytes(4) != MAGIC:
            raise ArtifactError(
                f"{self._name} isn't a GGUF file.",
                "Give a .gguf file, or convert a checkpoint with: edge-med convert",
            )
        version, tensor_count, key_count = self._number("I"), self._number("Q"), self._number("Q")
        if version not in VERSIONS:
            raise self._broken(f"GGUF version {version}, and only 2 and 3 are known")
        if key_count > MAX_KEYS or tensor_count > MAX_TENSORS:
            raise self._broken(f"{key_count} keys and {tensor_count} tensors")
        return version, tensor_count, key_count

    def _key(self, taken: Mapping[str, object]) -> str:
        try:
            key = self._raw_text().decode("utf-8")
        except UnicodeDecodeError:
            raise self._broken("a name that isn't UTF-8") from None
        if not key or key in taken:
            raise self._broken(f"the name '{key}' twice" if key else "an empty name")
        if "\0" in key:  # llama.cpp sees the part before it, and so another name than we do
            raise self._broken("a name with a zero byte")
        return key

    def _value(self, kind: int) -> Value:
        if kind == TEXT:
            return self._raw_text().decode("utf-8", "replace")
        if kind == ARRAY:
            return self._array()
        if kind not in SCALARS:
            raise self._broken(f"a value of the unknown type {kind}")
        value = self._number(SCALARS[kind])
        if kind == BOOL and value > 1:
            raise self._broken(f"a boolean of {value}")
        if kind == FLOAT64:
            return Double(value)
        return bool(value) if kind == BOOL else value

    def _array(self) -> Array:
        kind, count = self._number("I"), self._number("Q")
        if kind not in SCALARS and kind != TEXT:
            raise self._broken(f"an array of type {kind}")
        if count > MAX_ARRAY:
            raise self._broken(f"an array of {count} elements")
        if kind != TEXT:
            return Array(kind, count, self._bytes(count * struct.calcsize(SCALARS[kind])))
        start = self._at
        self._skip_texts(count)
        return Array(kind, count, bytes(self._buffer[start : self._at]))

    def _skip_texts(self, count: int) -> None:
        """Step over texts; a vocabulary has 262,144, so this is the one loop that must be fast."""
        self._load(count * 8)
        unpack = struct.Struct("<Q").unpack_from
        at, end = self._at, len(self._buffer)
        for _ in range(count):
            if at + 8 > end:
                end = self._load(at + 8 - self._at)
            at += 8 + unpack(self._buffer, at)[0]
            if at > self._size:
                raise self._broken("a text that is longer than the file")
        self._load(at - self._at)
        self._at = at

    def _raw_text(self) -> bytes:
        length = self._number("Q")
        if length > MAX_TEXT:
            raise self._broken(f"a text of {length} bytes")
        return self._bytes(length)

    def _tensors(self, count: int) -> list[tuple[str, TensorType, tuple[int, ...], int]]:
        found: dict[str, tuple[str, TensorType, tuple[int, ...], int]] = {}
        for _ in range(count):
            name = self._key(found)
            dimensions = self._number("I")
            if not 1 <= dimensions <= MAX_DIMENSIONS:
                raise self._broken(f"a tensor of {dimensions} dimensions, '{name}'")
            sides = [self._number("Q") for _ in range(dimensions)]
            kind = tensor_types.BY_ID.get(number := self._number("I"))
            if kind is None:
                raise self._broken(f"a tensor of the unknown type {number}, '{name}'")
            if not all(1 <= side <= MAX_SIDE for side in sides) or not kind.fits(sides[0]):
                raise self._broken(f"the {kind.name} tensor '{name}' of the shape {sides[::-1]}")
            found[name] = (name, kind, tuple(reversed(sides)), self._number("Q"))
        return list(found.values())

    def _place(
        self,
        described: list[tuple[str, TensorType, tuple[int, ...], int]],
        data_start: int,
        alignment: int,
    ) -> tuple[GgufTensor, ...]:
        """Check that the tensors follow each other without gap or overlap and end with the file."""
        tensors, at = [], data_start
        for name, kind, shape, offset in described:
            size = kind.row_bytes(shape[-1]) * math.prod(shape[:-1])
            if data_start + offset != at or size > MAX_TENSOR_BYTES or at + size > self._size:
                raise self._broken(f"the tensor '{name}' outside its place")
            tensors.append(GgufTensor(name, kind, shape, at, size))
            at = pad(at + size, alignment)
        if described and self._size > at:
            raise self._broken(f"{self._size - at} bytes after the last tensor")
        return tuple(tensors)

    def _number(self, code: str) -> int:
        # The one float code, "f" or "d", only ever comes through `_value`, which passes it on.
        (value,) = struct.unpack("<" + code, self._bytes(struct.calcsize("<" + code)))
        return value  # type: ignore[no-any-return]

    def _bytes(self, count: int) -> bytes:
        self._load(count)
        self._at += count
        return bytes(self._buffer[self._at - count : self._at])

    def _load(self, count: int) -> int:
        """Have so many more bytes in the buffer; returns how many it holds in all."""
        wanted = self._at + count
        if wanted > min(self._size, MAX_HEADER):
            raise self._broken("a header that runs past the end")
        if wanted > len(self._buffer):
            self._buffer += self._file.read(max(_READ_AHEAD, wanted - len(self._buffer)))
            if len(self._buffer) < wanted:
                raise self._broken("a header that runs past the end")
        return len(self._buffer)

    def _broken(self, what: str) -> ArtifactError:
        return ArtifactError(
            f"{self._name} is damaged: it declares {what}.",
            "Copy or convert it again; edge-med verify names what is damaged.",
        )


def pad(size: int, alignment: int) -> int:
    """The next multiple of the alignment."""
    return -(-size // alignment) * alignment
