"""A model in a process of its own, in which llama.cpp's code needn't be tried again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_med import MedGemma
from edge_med.engine.service.client import Client
from tests.conftest import Models
from tests.engine.service.transport import SPEC, Transport


@pytest.fixture(autouse=True)
def home(tried: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes find there that llama.cpp's code was tried."""
    monkeypatch.setenv("EDGE_MED_HOME", str(tried))


@pytest.fixture(scope="module")
def files(model: Models) -> Path:
    return model("multimodal", "F32")


@pytest.fixture
def tiny(files: Path) -> Iterator[MedGemma]:
    with MedGemma.load(files, context=2048, threads=1) as loaded:
        yield loaded


@pytest.fixture
def transport() -> Transport:
    return Transport()


@pytest.fixture
def client(transport: Transport) -> Iterator[Client]:
    made = Client(SPEC, transport.start)
    yield made
    made.close()
