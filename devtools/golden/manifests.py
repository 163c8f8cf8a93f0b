"""What llama.cpp's tools make of the tiny checkpoints: stored by a script, compared by tests."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from devtools import GOLDEN
from edge_med.artifacts.file_names import PROJECTOR_TYPES, QUANTS
from edge_med.artifacts.gguf import Array, GgufTensor, Header, Value, read_header

FOLDER = GOLDEN / "manifests"

SOME = ("Q8_0", "Q4_K_M", "Q4_0", "IQ4_XS")
CASES: dict[str, tuple[str, ...]] = {
    "text": QUANTS,
    "multimodal": QUANTS,
    "odd-rows": QUANTS,
    "62-layers": ("Q8_0", "Q4_K_M"),
    "float16": ("F32", "F16", "BF16", "Q8_0", "Q4_K_M"),
    "float32": ("F32", "F16", "BF16", "Q8_0", "Q4_K_M"),
    "untied": SOME,
}
"""The quantizations that are stored of each checkpoint."""

SAME_AS = {
    "multimodal-new-names": "multimodal",
    "multimodal-transformers5": "multimodal",
    "tokenizer-json": "text",
}
"""Checkpoints that llama.cpp can't convert, and those whose result theirs must equal."""

OVERRIDES = ("attn_v=Q8_0", r"blk\.[0-3]\.ffn_gate=Q5_K", "token_embd=F16")
"""None names some layers of attn_v or ffn_down only: llama-quantize counts the layers of those that
it decides itself, so that its choice for the others would shift. Ours doesn't."""

OVERRIDDEN = ("text", "Q4_K_M")

PROJECTORS = PROJECTOR_TYPES

OURS = {
    "edge_med.notice": "the terms ask that it comes with every copy",
    "edge_med.source": "tells a projector that was made of another checkpoint",
    "general.quantized_by": "says who made the file",
}
"""Keys that only our files have, and why."""

SOMETIMES = {
    "edge_med.turns": "says whether a model without a chat template takes turns",
    "edge_med.ends": "says which tokens end an answer besides those that llama.cpp finds",
}
"""The same of some text models."""

_PIECE = 1 << 20


def describe(path: Path) -> dict[str, Any]:
    """The types, shapes, hashes and metadata of a GGUF file, in few bytes."""
    header = read_header(path)
    hashed = sorted(hashed_tensors(path, header), key=lambda pair: pair[0].name)
    tensors = {tensor.name: _short(tensor, digest) for tensor, digest in hashed}
    return {"tensors": tensors, "metadata": short_metadata(header)}


def _short(tensor: GgufTensor, digest: str) -> str:
    return f"{tensor.type.name} {'x'.join(map(str, tensor.shape))} {digest[:16]}"


def hashed_tensors(path: Path, header: Header) -> Iterator[tuple[GgufTensor, str]]:
    """Every tensor with the SHA-256 of its bytes, which are read in pieces."""
    with path.open("rb", buffering=0) as file:
        for tensor in header.tensors:
            digest, left = hashlib.sha256(), tensor.size
            file.seek(tensor.offset)
            while left and (piece := file.read(min(left, _PIECE))):
                digest.update(piece)
                left -= len(piece)
            yield tensor, digest.hexdigest()


def short_metadata(header: Header) -> dict[str, Value]:
    """The metadata, with the type, length and hash of each array in its place."""
    return {
        key: f"{value.kind}x{value.count} {hashlib.sha256(value.data).hexdigest()[:16]}"
        if isinstance(value, Array)
        else value
        for key, value in header.metadata.items()
    }


def stored(name: str) -> dict[str, Any]:
    """What is stored of a checkpoint: for each file its tensors and metadata."""
    files: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text())["files"]
    return files
