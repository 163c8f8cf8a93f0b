"""Through the door: what is on which device is told, and a GPU is never left out in silence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from edge_med import MedGemma, Options
from edge_med.errors import UsageError
from tests.conftest import Models

SHORT = Options(max_new_tokens=2)


@pytest.fixture(scope="module")
def folder(model: Models) -> Path:
    return model("multimodal", "F32")


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    Image.fromarray(np.full((40, 60, 3), 99, np.uint8)).save(tmp_path / "chest.png")
    return tmp_path / "chest.png"


def test_it_says_what_is_where_and_the_projector_once_it_was_needed(
    folder: Path, photo: Path
) -> None:
    with MedGemma.load(folder, context=512, threads=1) as fresh:
        (before,) = fresh.info.placement
        text = fresh.ask("x", options=SHORT).provenance
        seen = fresh.ask("x", image=photo, options=SHORT).provenance
        (after,) = fresh.info.placement
        planned = fresh.info.plan
    assert before.layers == (fresh.info.model.layers or 0) + 1
    assert (before.projector, before.kv) == (0, after.kv)
    assert after.projector == pytest.approx(planned.projector, abs=1 << 13)  # told in 0.01 MiB
    assert after.kv == pytest.approx(planned.kv, abs=1 << 13)
    assert (text.device, text.projector_device, text.fallback) == ("cpu", None, None)
    assert (seen.device, seen.projector_device, seen.fallback) == ("cpu", "cpu", None)
    assert fresh.info.device == "cpu"


@pytest.mark.parametrize(
    "wanted", [{"device": "CUDA0"}, {"gpu_layers": 1}, {"projector_device": "Vulkan0"}], ids=str
)
def test_a_gpu_that_is_not_there_is_never_replaced_in_silence(
    wanted: dict[str, Any], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge_med.engine.llama.devices.gpus", lambda: ())
    with pytest.raises(UsageError) as caught:
        MedGemma.load(folder, context=512, threads=1, **wanted)
    assert caught.value.hint
