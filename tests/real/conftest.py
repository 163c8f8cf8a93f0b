"""Gemma 3 270M out of the package of the [demo] extra: as published, as from the hub, converted."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from converters.pipeline import convert
from converters.request import Request
from edge_med.artifacts.naming import text_file
from edge_med.demo import gemma_270m

RealModels = Callable[[str], Path]


@pytest.fixture(scope="session")
def real_folder() -> Iterator[Path]:
    """Where the real files lie; gigabytes that don't stay."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def published_gguf(real_folder: Path) -> Path:
    """The GGUF file that the package carries; don't change it."""
    path = real_folder / "published.gguf"
    gemma_270m.assemble(path)
    return path


@pytest.fixture(scope="session")
def real_checkpoint(published_gguf: Path) -> Path:
    """The checkpoint's folder; don't change its files, copy it."""
    folder = published_gguf.parent / "gemma-3-270m"
    gemma_270m.write_checkpoint(published_gguf, folder)
    return folder


@pytest.fixture(scope="session")
def real_model(real_checkpoint: Path) -> RealModels:
    """The path of the converted model by its quantization; each is converted once."""

    @functools.cache
    def get(quant: str) -> Path:
        folder = real_checkpoint.parent / quant
        convert(Request(source=real_checkpoint, folder=folder, quants=(quant,)))
        return folder / text_file(real_checkpoint.name, quant)

    return get
