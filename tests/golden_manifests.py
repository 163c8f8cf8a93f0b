"""What llama.cpp's tools make of the tiny checkpoints: stored by a script, compared by tests."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from edge_med.artifacts.gguf import Array, read_header
from edge_med.artifacts.naming import PROJECTOR_TYPES, QUANTS

FOLDER = Path(__file__).parent / "golden/manifests"

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

OURS = ("edge_med.notice", "general.quantized_by")
"""Keys that only our files have: the notice of the licence, and who made the file."""


def describe(path: Path) -> dict[str, Any]:
    """The types, hashes and metadata of a GGUF file, in few bytes."""
    header = read_header(path)
    data = path.read_bytes()
    tensors = {
        t.name: f"{t.type.name} {_digest(data[t.offset : t.offset + t.size])}"
        for t in sorted(header.tensors, key=lambda tensor: tensor.name)
    }
    metadata = {
        key: f"{value.kind}x{value.count} {_digest(value.data)}"
        if isinstance(value, Array)
        else value
        for key, value in header.metadata.items()
    }
    return {"tensors": tensors, "metadata": metadata}


def stored(name: str) -> dict[str, Any]:
    """What is stored of a checkpoint: for each file its tensors and metadata."""
    files: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text())["files"]
    return files


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]
