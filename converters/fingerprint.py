"""Which checkpoint a file was made of: a hash that text model and projector both carry.

It is known before the weights are read, so that it can stand in the header: of each tensor a few
bytes are taken. Training changes some of them, whatever it changes of the model.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from converters.checkpoint import Checkpoint

SAMPLE = 4096
"""Bytes of each tensor, from its middle: 2,048 numbers in BF16."""

PLACES = 64
"""Of an adapter's file that are looked at."""


def fingerprint(checkpoint: Checkpoint) -> str:
    """A hash in hexadecimal, the same however the tensors are spread over files."""
    found = []
    for shard in checkpoint.shards:
        with shard.path.open("rb", buffering=0) as file:
            for tensor in shard.tensors:
                size = min(SAMPLE, tensor.size)
                file.seek(tensor.offset + (tensor.size - size) // 2)
                warnings = f"{tensor.name} {tensor.type.name} {tensor.shape}"
                found.append((warnings, hashlib.sha256(file.read(size)).hexdigest()))
    for name, path in checkpoint.adapter_files.items():
        found.append((f"{name} {checkpoint.merged}", _sampled(path)))
    return hashlib.sha256("\n".join(map(" ".join, sorted(found))).encode()).hexdigest()


def _sampled(path: Path) -> str:
    """A hash of an adapter's file: its size, and a few bytes at many places."""
    size = path.stat().st_size
    digest = hashlib.sha256(str(size).encode())
    with path.open("rb", buffering=0) as file:
        for part in range(PLACES):
            file.seek(max(0, size - SAMPLE) * part // (PLACES - 1))
            digest.update(file.read(SAMPLE))
    return digest.hexdigest()
