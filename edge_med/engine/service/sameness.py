"""What is the same after a crash: the files of a model, and a question."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import replace

from edge_med.artifacts.split import parts
from edge_med.engine.service.protocol import EngineSpec, Request
from edge_med.engine.service.wire import Packer
from edge_med.engine.tasks.generate import GenerateRequest
from edge_med.errors import EngineError

DEADLY = 2
"""Engines that a request has ended, after which it isn't asked again."""


def files_of(spec: EngineSpec) -> list[tuple[int, ...]]:
    """Which files a model is made of, as the system knows them."""
    paths = [*parts(spec.text), spec.projector, *(adapter.path for adapter in spec.adapters)]
    found: list[tuple[int, ...]] = []
    for path in filter(None, paths):
        with suppress(OSError):
            facts = path.stat()
            found.append((facts.st_dev, facts.st_ino, facts.st_size))
    return found


class Suspects:
    """Requests that an engine has died of."""

    def __init__(self) -> None:
        self._deaths: dict[bytes, int] = {}

    def note(self, request: Request) -> None:
        """An engine has died while it worked on a request."""
        key = fingerprint(request)
        self._deaths[key] = self._deaths.get(key, 0) + 1

    def refuse(self, request: Request) -> None:
        """Refuse a request that several have died of.

        Raises:
            EngineError: the request is one of these.
        """
        if self._deaths and self._deaths.get(fingerprint(request), 0) >= DEADLY:
            raise EngineError(
                "This question has ended llama.cpp's process twice, and isn't sent again.",
                "Change it, or load the model again; edge-med doctor tries llama.cpp's code.",
            )


def fingerprint(request: Request) -> bytes:
    """What a request is known by, whenever it is asked: never its content."""
    if isinstance(request, GenerateRequest):
        request = replace(request, asked=0.0)
    body, _ = Packer().pack(request)
    return hashlib.sha256(body).digest()
