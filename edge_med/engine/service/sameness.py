"""What is the same after a crash: the files of a model, and a question."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import replace

from edge_med.engine.service.protocol import EngineSpec, Request
from edge_med.engine.service.wire import Packer
from edge_med.engine.tasks.generate import GenerateRequest


def files_of(spec: EngineSpec) -> list[tuple[int, ...]]:
    """Which files a model is made of, as the system knows them."""
    paths = [spec.text, spec.projector, *(adapter.path for adapter in spec.adapters)]
    found: list[tuple[int, ...]] = []
    for path in filter(None, paths):
        with suppress(OSError):
            facts = path.stat()
            found.append((facts.st_dev, facts.st_ino, facts.st_size))
    return found


def fingerprint(request: Request) -> bytes:
    """What a request is known by, whenever it is asked: never its content."""
    if isinstance(request, GenerateRequest):
        request = replace(request, asked=0.0)
    body, _ = Packer().pack(request)
    return hashlib.sha256(body).digest()
