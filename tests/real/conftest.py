"""Gemma 3 270M, converted."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import pytest

from converters.pipeline import convert
from converters.request import Request
from edge_med.artifacts.naming import text_file

RealModels = Callable[[str], Path]


@pytest.fixture(scope="session")
def real_model(real_checkpoint: Path) -> RealModels:
    """The path of the converted model by its quantization; each is converted once."""

    @functools.cache
    def get(quant: str) -> Path:
        folder = real_checkpoint.parent / quant
        convert(Request(source=real_checkpoint, folder=folder, quants=(quant,)))
        return folder / text_file(real_checkpoint.name, quant)

    return get
