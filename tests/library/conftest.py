"""A converted folder, as the store finds it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.conftest import Models


@pytest.fixture
def converted(model: Models, tmp_path: Path) -> Path:
    """A folder with a text model, its projector and their manifest."""
    return shutil.copytree(model("multimodal", "Q8_0"), tmp_path / "converted")
