"""How long a wait will be on this machine: an estimate from earlier ones, or a first guess."""

from __future__ import annotations

import hashlib
import math
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from edge_med import _platform
from edge_med._platform import state_files
from edge_med.artifacts import split
from edge_med.library import store

FILE = "rates.json"

LOAD_RATE = 5e8
"""Bytes a second of a laptop's disk."""

READ_RATE = 6.2e10
"""Bytes of weights times tokens, in a second of a core: 4B's Q4_K_M reads 50 tokens a second on
two (docs/evidence/benchmarks.md)."""

ENCODE_RATE = 7e6
"""Bytes of a projector in a second of a core: MedGemma's, of 0.85 GB, takes a minute on two."""

MIN_TOKENS = 64
"""The least number of tokens whose reading is a measurement of the speed."""

LAST_WEIGHT = 0.5
"""The weight of the last measurement."""


@dataclass(frozen=True, slots=True)
class Rates:
    """Speeds of a model on a machine; 0 for a speed that isn't known.

    Attributes:
        load: speed of loading, in bytes a second.
        encode: speed of encoding, in images a second.
        read: speed of reading, in tokens a second.
    """

    load: float = 0.0
    encode: float = 0.0
    read: float = 0.0


class Estimates:
    """Estimates of waits, in seconds. A file stores them as numbers under a hash, nothing else."""

    def __init__(self, text: Path, threads: int | None, folder: Path | None = None) -> None:
        """Load the rates of a model.

        Args:
            text: file of the text model.
            threads: number of compute threads; the default number if None.
            folder: folder with the file of rates; by default the folder of our state.
        """
        self._size = split.size(text)
        self._cores = threads or _platform.performance_cores()
        self._path = (folder or store.home() / "state") / FILE
        machine = f"{_platform.SYSTEM} {_platform.MACHINE} {self._cores}"
        name = f"{text.name} {self._size} {machine}"
        self._key = hashlib.sha256(name.encode()).hexdigest()[:16]
        self.rates = _rates(_stored(self._path).get(self._key))

    def load(self) -> float:
        """Seconds until the model is loaded."""
        return self._size / (self.rates.load or LOAD_RATE)

    def encode(self, images: int, projector: int) -> float:
        """Seconds to encode images with a projector of so many bytes."""
        return images / (self.rates.encode or ENCODE_RATE * self._cores / max(1, projector))

    def read(self, tokens: int) -> float:
        """Seconds to read tokens of a prompt."""
        return tokens / (self.rates.read or READ_RATE * self._cores / self._size)

    def learn_load(self, seconds: float) -> None:
        """Remember how long loading took."""
        self._learn(load=self._size / max(seconds, 1e-3))

    def learn_encode(self, images: int, seconds: float) -> None:
        """Remember how long encoding took."""
        if images and seconds > 0:
            self._learn(encode=images / seconds)

    def learn_read(self, tokens: int, seconds: float) -> None:
        """Remember how long reading took, if there were enough tokens."""
        if tokens >= MIN_TOKENS and seconds > 0:
            self._learn(read=tokens / seconds)

    def _learn(self, **measured: float) -> None:
        mixed = {
            name: LAST_WEIGHT * value + (1 - LAST_WEIGHT) * (getattr(self.rates, name) or value)
            for name, value in measured.items()
        }
        self.rates = replace(self.rates, **mixed)
        state_files.write(self._path, _stored(self._path) | {self._key: asdict(self.rates)})


def duration_text(seconds: float) -> str:
    """A time as people say it."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min"


def _stored(path: Path) -> dict[str, Any]:
    """The content of the file, as far as it has the form in which it was written."""
    data = state_files.read(path)
    return data if isinstance(data, dict) else {}


def _rates(stored: object) -> Rates:
    values = stored if isinstance(stored, dict) else {}
    return Rates(**{field.name: _rate(values.get(field.name)) for field in fields(Rates)})


def _rate(value: object) -> float:
    """A stored number; 0 for anything else."""
    return value if isinstance(value, float) and math.isfinite(value) and value > 0 else 0.0
