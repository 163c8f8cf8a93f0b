"""Model files of a header alone, as the store looks at them."""

from __future__ import annotations

from pathlib import Path

from converters.header import pack_header
from edge_med.artifacts.file_names import FILE_TYPES
from tests.artifacts.hostile import Value

U32, STRING = 4, 8

Keys = dict[str, str | int]


def write(path: Path, keys: dict[str, str | int]) -> Path:
    """A GGUF file of a header alone."""
    values = {k: Value(v, STRING if isinstance(v, str) else U32) for k, v in keys.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pack_header(values, []))
    return path


def text(path: Path, quant: str = "Q4_K_M", width: int = 256, more: Keys | None = None) -> Path:
    keys: Keys = {
        "general.architecture": "gemma3",
        "general.file_type": FILE_TYPES[quant],
        "gemma3.embedding_length": width,
    }
    return write(path, keys | (more or {}))


def projector(path: Path, kind: str = "F16", width: int = 256) -> Path:
    keys: Keys = {
        "general.architecture": "clip",
        "general.file_type": FILE_TYPES[kind],
        "clip.vision.projection_dim": width,
    }
    return write(path, keys)
