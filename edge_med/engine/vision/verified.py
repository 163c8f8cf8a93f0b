"""Which projectors have passed the cross-check on which device: hashes in a file of our state.

Only success is remembered. What has failed is tried again in the next process, for a new driver.
"""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path

from edge_med import native
from edge_med._platform import state_files
from edge_med.engine.llama import devices
from edge_med.errors import EngineError
from edge_med.library import store

FILE = "projectors.json"

MOST = 100
"""Passes that are kept; the oldest go."""

_HERE: set[str] = set()
"""Passes of this process, which count where nothing can be written."""


class VerifiedProjectors:
    """One projector on one device, with this version of llama.cpp."""

    def __init__(self, projector: Path, device: str, folder: Path | None = None) -> None:
        """Of a file and a device's name; `folder` is by default the one for our state."""
        self._path = (folder or store.home() / "state") / FILE
        self._key = _key(projector, device)

    @property
    def remembered(self) -> bool:
        """Whether it has passed before."""
        return self._key in _HERE or self._key in _stored(self._path)

    def remember(self) -> None:
        """Remember that the comparison has succeeded."""
        _HERE.add(self._key)
        known = [key for key in _stored(self._path) if key != self._key]
        state_files.write(self._path, [*known, self._key][-MOST:])


def _key(projector: Path, device: str) -> str:
    """A hash of what the outcome depends on, from which nothing else can be read."""
    file = projector.stat()
    names = [f"{one.name} {one.description}" for one in _hardware() if one.name == device]
    facts = [file.st_size, file.st_mtime_ns, native.LLAMA_CPP_PYTHON, *names, device]
    return hashlib.sha256(" ".join(map(str, facts)).encode()).hexdigest()[:32]


def _hardware() -> tuple[devices.Hardware, ...]:
    with contextlib.suppress(EngineError):
        return devices.hardware()
    return ()


def _stored(path: Path) -> list[str]:
    """What the file holds, as far as it is as it was written."""
    data = state_files.read(path)
    return [key for key in data if isinstance(key, str)] if isinstance(data, list) else []
