"""The manifest of a model folder: what each file is and came from, and the hash of every tensor.

It is the commit of a set of files: written last, and a file that it doesn't list doesn't count.
The form is part of docs/reference/contract.md.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import math
import types
import typing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

from edge_med import _platform
from edge_med.artifacts.file_names import MANIFEST, is_bare_file_name
from edge_med.errors import ArtifactError

FORMAT = 1
FRESH = MANIFEST + ".new"
MAX_BYTES = 64 << 20  # 27B with ten quantizations takes 2 MB
Role = Literal["text", "projector", "adapter"]


@dataclass(frozen=True, slots=True)
class Tool:
    """Versions of what made the files."""

    edge_med: str
    llama_cpp: str
    gguf: str


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file of the checkpoint; the hash is SHA-256 in hexadecimal."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Finding:
    """A sentence on the checkpoint for people, and its code for programs."""

    code: str
    text: str


@dataclass(frozen=True, slots=True)
class Source:
    """The checkpoint; `id` and `revision` are as the user gave them, or empty.

    `warnings` aren't written where there are none, so that earlier versions read such a manifest.
    """

    id: str
    revision: str
    license: str
    files: tuple[SourceFile, ...]
    warnings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class ChangedTensor:
    """A tensor that an adapter changes, by its GGUF name; of what is replaced the scale is 1.

    `how` is one of `lora`, `dora`, `whole`, `rows` and `bias`, or several joined by `+`; or `made`,
    of a head that became one of its own and is as before.
    """

    name: str
    how: str
    scale: float


@dataclass(frozen=True, slots=True)
class MergedAdapter:
    """An adapter that was merged; the counts are tensors, `sha256` is of its weights' file."""

    name: str
    base: str
    sha256: str
    strength: float
    text: int
    head: int
    vision: int
    projector: int
    tensors: tuple[ChangedTensor, ...]


@dataclass(frozen=True, slots=True)
class Recipe:
    """What was asked for; `tensor_types` are the REGEX=TYPE overrides, `lora` in their order.

    A manifest without `lora` and `imatrix` is read as well: `verify --upgrade` adds them.
    """

    quants: tuple[str, ...]
    mmproj: str | None
    tensor_types: tuple[str, ...]
    lora: tuple[MergedAdapter, ...] | None = None
    imatrix: str | None = None


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """The model in numbers; image fields are None for a text model, window None without one."""

    architecture: str
    layers: int
    hidden: int
    vocabulary: int
    context: int
    window: int | None
    image_size: int | None
    image_tokens: int | None
    template_sha256: str | None


@dataclass(frozen=True, slots=True)
class TensorEntry:
    """One tensor: shape with rows first, offset from the start of the file."""

    name: str
    type: str
    shape: tuple[int, ...]
    offset: int
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One file of the set, by bare name."""

    path: str
    role: Role
    quant: str
    size: int
    sha256: str
    tensors: tuple[TensorEntry, ...]


@dataclass(frozen=True, slots=True)
class Manifest:
    """The whole manifest; `created` is an ISO 8601 time in UTC."""

    format: int
    name: str
    created: str
    tool: Tool
    source: Source
    recipe: Recipe
    notice: str
    model: ModelFacts
    files: tuple[FileEntry, ...]

    def entry(self, path: str) -> FileEntry | None:
        """What the manifest says of a file; None if it doesn't list it."""
        return next((entry for entry in self.files if entry.path == path), None)

    def to_json(self) -> str:
        """The manifest as it stands in the file."""
        data = dataclasses.asdict(self)
        if not self.source.warnings:
            del data["source"]["warnings"]
        return json.dumps(data, indent=1, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read a manifest that may be damaged.

        Raises:
            ArtifactError: it isn't JSON, or has other fields or kinds of values than format 1.
        """
        try:
            data = json.loads(text)
            if isinstance(data, dict) and data.get("format") != FORMAT:
                raise ValueError(f"its format is {data.get('format')!r}")
            found = typing.cast(Self, _build(cls, data, "manifest"))
            for entry in found.files:
                if not is_bare_file_name(entry.path):
                    raise ValueError(f"it lists '{entry.path}'")
        except (ValueError, RecursionError) as error:
            raise ArtifactError(
                f"The manifest can't be used: {error}.",
                "Convert the model again: edge-med convert --force.",
            ) from None
        return found


def load(folder: Path) -> Manifest | None:
    """The manifest of a folder; None if it has none.

    Raises:
        ArtifactError: it is there, but can't be used.
    """
    return read(folder / MANIFEST)


def read(path: Path) -> Manifest | None:
    """A manifest from a file; None if there is no such file.

    Raises:
        ArtifactError: it is there, but can't be used.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ArtifactError("The manifest is far too large.", "Convert the model again.")
        return Manifest.from_json(path.read_text("utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise ArtifactError(
            f"The manifest can't be read: {error}.",
            "Copy the folder again, or convert the model again.",
        ) from None


def save(manifest: Manifest, folder: Path) -> None:
    """Replace a folder's manifest, so that either the old one or the whole new one is there."""
    fresh = folder / FRESH
    write(manifest, fresh)
    _platform.replace(fresh, folder / MANIFEST)
    _platform.sync_folder(folder)


def write(manifest: Manifest, path: Path) -> None:
    """Write a manifest to a file and bring it to the disk."""
    with path.open("wb", buffering=0) as file:
        left = memoryview(manifest.to_json().encode())
        while left:
            left = left[_platform.write(file, left) :]
        _platform.sync_file(file.fileno())


def _build(kind: Any, data: Any, where: str) -> Any:
    """A value of the annotated type out of parsed JSON; exact, so that nothing is guessed."""
    origin = typing.get_origin(kind)
    if dataclasses.is_dataclass(kind):
        return _build_dataclass(kind, data, where)
    if origin is tuple and isinstance(data, list):
        inner = typing.get_args(kind)[0]
        return tuple(_build(inner, item, f"{where}[{n}]") for n, item in enumerate(data))
    if origin is types.UnionType:
        plain = next(a for a in typing.get_args(kind) if a is not types.NoneType)
        return None if data is None else _build(plain, data, where)
    if origin is Literal and data in typing.get_args(kind):
        return data
    if kind in (str, int) and type(data) is kind:
        return data
    if kind is float and type(data) in (int, float) and math.isfinite(data):
        return float(data)
    raise ValueError(f"{where} isn't what it should be")


_hints = functools.cache(typing.get_type_hints)
"""A manifest of five quants has 1,200 values of two kinds; asking anew took 0.1 s."""


def _build_dataclass(kind: Any, data: Any, where: str) -> Any:
    hints = _hints(kind)
    needed = {f.name for f in dataclasses.fields(kind) if f.default is dataclasses.MISSING}
    if not isinstance(data, dict) or not needed <= data.keys() <= hints.keys():
        raise ValueError(f"{where} hasn't the right fields")
    return kind(**{key: _build(hints[key], data[key], f"{where}.{key}") for key in data})
