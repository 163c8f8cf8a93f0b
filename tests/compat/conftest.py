"""Tiny models under the names of the model cards, with and without torch."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from converters.pipeline import convert
from converters.request import ConversionRequest
from devtools.checkpoints.tiny import write_tiny
from devtools.golden.compat import CHECKPOINTS, IMAGE_ID, TEXT_ID
from edge_med import _platform, compat
from edge_med.api import MedGemma
from edge_med.compat import arguments, hub, tensors


def pytest_itemcollected(item: pytest.Item) -> None:
    """Tiny models see tiny pictures, and that is said."""
    kind = "edge_med.compat.arguments.PictureWarning"
    item.add_marker(pytest.mark.filterwarnings(f"ignore::{kind}"))


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """EDGE_MED_HOME: one model has the hub id in its manifest, the other its last part as name."""
    base = tmp_path_factory.mktemp("compat")
    home = base / "home"
    for name, folder, source in ((TEXT_ID, "words", TEXT_ID), (IMAGE_ID, "medgemma-4b-it", "")):
        checkpoint = write_tiny(CHECKPOINTS[name], base / folder)
        out = home / "models" / folder
        request = ConversionRequest(
            source=checkpoint, folder=out, quants=("F32",), mmproj="F32", source_id=source
        )
        convert(request)
    return home


@pytest.fixture(scope="session")
def loaded(models: Path) -> list[MedGemma]:
    """Both models, so that no test has to load them again; tiny ones are slower in two threads."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_platform, "performance_cores", lambda: 1)
        return [hub.load(hub.find(folder)) for folder in (models / "models").iterdir()]


@pytest.fixture(autouse=True)
def home(
    models: Path, loaded: list[MedGemma], sealed: None, monkeypatch: pytest.MonkeyPatch
) -> Path:
    monkeypatch.setenv("EDGE_MED_HOME", str(models))
    monkeypatch.setattr(arguments, "_named", set())
    return models


@pytest.fixture(
    params=["stand-in", pytest.param("torch", marks=pytest.mark.torch)],
)
def torch(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """What `from edge_med.compat import torch` gives, with torch hidden or there."""
    tensors.torch.cache_clear()
    if request.param == "stand-in":
        monkeypatch.setitem(sys.modules, "torch", None)
    found = compat.torch
    assert found.__name__ == {"stand-in": "edge_med.compat.torch_stub"}.get(request.param, "torch")
    yield found
    tensors.torch.cache_clear()
