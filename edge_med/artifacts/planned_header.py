"""The header that a file of a model would have, before there is any file.

Its sizes are the real ones: they follow from the model's numbers and the rule that chooses types.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from edge_med.artifacts.file_names import FILE_TYPES
from edge_med.artifacts.gguf import DEFAULT_ALIGNMENT, TEXT, Array, GgufTensor, Header, Value, pad
from edge_med.artifacts.quant_mix import Mixer, projector_type_of
from edge_med.artifacts.shapes import (
    Shape,
    TextShape,
    VisionShape,
    projector_tensors,
    text_tensors,
)
from edge_med.artifacts.tensor_types import TensorType
from edge_med.errors import ArtifactError

_TEXT_KEYS = {
    "layers": "block_count",
    "hidden": "embedding_length",
    "feed_forward": "feed_forward_length",
    "heads": "attention.head_count",
    "key_value_heads": "attention.head_count_kv",
    "head_size": "attention.key_length",
    "context": "context_length",
    "window": "attention.sliding_window",
}
_VISION_KEYS = {
    "layers": "block_count",
    "hidden": "embedding_length",
    "feed_forward": "feed_forward_length",
    "heads": "attention.head_count",
    "image_size": "image_size",
    "patch_size": "patch_size",
}
"""Our names and llama.cpp's (llama-arch.cpp, clip-impl.h)."""


def draft_text(shape: TextShape, quant: str) -> Header:
    """The header of a text model's file in a quantization."""
    mixer = Mixer(quant, shape.layers, shape.heads // shape.key_value_heads, shape.tied)
    tensors = text_tensors(shape)
    values: dict[str, Value] = {
        "general.architecture": "gemma3",
        "general.file_type": FILE_TYPES[quant],
        **{f"gemma3.{key}": getattr(shape, name) for name, key in _TEXT_KEYS.items()},
        "gemma3.attention.value_length": shape.head_size,
        "tokenizer.ggml.tokens": Array(TEXT, shape.vocabulary, b""),
    }
    return _header(values, [(n, mixer.type_of(n, s), s) for n, s in tensors.items()])


def draft_projector(shape: VisionShape, text_hidden: int, kind: str) -> Header:
    """The header of a projector's file, for a text model so wide."""
    tensors = projector_tensors(shape, text_hidden)
    values: dict[str, Value] = {
        "general.architecture": "clip",
        "general.type": "mmproj",
        "general.file_type": FILE_TYPES[kind],
        **{f"clip.vision.{key}": getattr(shape, name) for name, key in _VISION_KEYS.items()},
        "clip.vision.projection_dim": text_hidden,
        "clip.vision.projector.scale_factor": shape.pool,
    }
    return _header(values, [(n, projector_type_of(n, s, kind), s) for n, s in tensors.items()])


def text_shape(header: Header) -> TextShape:
    """The numbers of a text model whose header has been read.

    Raises:
        ArtifactError: one of them is missing.
    """
    numbers = {name: header.integer(f"gemma3.{key}") for name, key in _TEXT_KEYS.items()}
    embedding = next((t for t in header.tensors if t.name == "token_embd.weight"), None)
    numbers["vocabulary"] = embedding.shape[0] if embedding else None
    found = {name: number for name, number in numbers.items() if number}
    if missing := numbers.keys() - found.keys():
        raise ArtifactError(
            f"The file's header lacks {', '.join(sorted(missing))}.",
            "Convert the original checkpoint again.",
        )
    return TextShape(**found, tied=all(t.name != "output.weight" for t in header.tensors))


def _header(values: dict[str, Value], tensors: Iterable[tuple[str, TensorType, Shape]]) -> Header:
    entries, at = [], 0
    for name, kind, shape in tensors:
        size = kind.row_bytes(shape[-1]) * math.prod(shape[:-1])
        entries.append(GgufTensor(name, kind, shape, at, size))
        at = pad(at + size, DEFAULT_ALIGNMENT)
    return Header(3, values, tuple(entries), 0, at)
