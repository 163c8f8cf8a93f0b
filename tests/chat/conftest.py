"""A scripted chat for every test, in a folder of its own."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from tests.chat.scripted import Held, hold


@pytest.fixture
def held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Held:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return hold(tmp_path)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "chest x.png"
    Image.new("RGB", (60, 40), "grey").save(path)
    return path
