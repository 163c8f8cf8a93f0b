"""The examples in the documents run."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edge_med.engine.core import Engine
from tests.checkpoints.adapters import Lora, write_gguf
from tests.checkpoints.tiny import TINY
from tests.conftest import Models

ROOT = Path(__file__).parents[1]
NAME = "multimodal"


@pytest.mark.parametrize(
    ("document", "quants"), [("docs/api.md", ["F32"]), ("README.md", ["Q4_K_M", "Q8_0"])]
)
def test_the_examples_of_the_docs_run(
    document: str,
    quants: list[str],
    model: Models,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    Image.fromarray(np.full((40, 60, 3), 90, np.uint8)).save("chest.png")
    for name in ("models", "adapters"):
        Path(name).mkdir()
    Path("models/medgemma").symlink_to(model(NAME, *quants), target_is_directory=True)
    write_gguf(Lora(seed=1), TINY[NAME], Path("adapters/chest.gguf"))
    source = (ROOT / document).read_text("utf-8")
    names: dict[str, object] = {}
    for example in re.findall(r"```python\n(.*?)```", source, re.DOTALL):
        with monkeypatch.context() as narrow:
            if "schema" not in example:  # such an answer is whole, or an error
                narrow.setattr(Engine, "room", 0)  # each answer ends with its first token
            exec(compile(example, document, "exec"), names)
