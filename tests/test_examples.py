"""The examples of docs/api.md run, one after the other, on a tiny model."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.checkpoints.adapters import Lora, write_gguf
from tests.checkpoints.tiny import TINY
from tests.conftest import Models

ROOT = Path(__file__).parents[1]
NAME = "multimodal"


@pytest.fixture
def files(model: Models, tmp_path: Path) -> Path:
    """The folder that the examples run in, with the files that they name."""
    for name in ("models", "adapters"):
        (tmp_path / name).mkdir()
    (tmp_path / "models/medgemma").symlink_to(model(NAME, "F32"), target_is_directory=True)
    write_gguf(Lora(seed=1), TINY[NAME], tmp_path / "adapters/chest.gguf")
    noise = np.random.default_rng(1).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "chest.png")
    return tmp_path


def test_the_examples_of_the_docs_run(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(files)
    source = (ROOT / "docs/api.md").read_text("utf-8")
    names: dict[str, object] = {}
    for example in re.findall(r"```python\n(.*?)```", source, re.DOTALL):
        short = example.replace("Options(max_new_tokens=64", "Options(max_new_tokens=4")
        exec(compile(short, "docs/api.md", "exec"), names)
