"""Whatever is in a PEFT folder, it is described, compared or refused: nothing else is raised."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from converters.as_gguf import AdapterRequest, plan_adapters, write_adapters
from devtools.checkpoints.peft import EVERYTHING, SETTINGS, save_adapter
from devtools.checkpoints.tiny import TINY, write_tiny
from edge_med.artifacts.adapters.folder_facts import peft_facts
from edge_med.artifacts.adapters.gguf_adapter import read_adapter
from edge_med.artifacts.adapters.gguf_comparison import lacking
from edge_med.artifacts.adapters.peft_folder import CONFIG, WEIGHTS, peft_adapter
from edge_med.errors import EdgeMedError
from tests.converters.test_lora_damage import configs, weights

TRIES = 300


@pytest.mark.parametrize("part", ["config", "weights"])
def test_damaged_folders(part: str, tmp_path: Path) -> None:
    base = write_tiny(TINY["multimodal"], tmp_path / "base")
    folder = save_adapter(tmp_path / "chest", EVERYTHING, **SETTINGS)
    request = AdapterRequest(base=base, folder=folder, adapters=((folder, 1.0),))
    write_adapters(plan_adapters(request), request)
    sound = read_adapter(folder / "chest.gguf")
    name = CONFIG if part == "config" else WEIGHTS
    before = (folder / name).read_bytes()
    refused = 0
    for seed in range(TRIES):
        dice = random.Random(seed)
        changed = configs(dice, json.loads(before)) if part == "config" else weights(dice, before)
        (folder / name).write_bytes(changed)
        found = peft_adapter(folder)
        assert found is not None
        facts = peft_facts(found)
        lacking(folder / "chest.gguf", sound)
        try:
            plan_adapters(request)
        except EdgeMedError as error:
            assert error.hint
            refused += 1
        else:
            assert facts.mergeable
    assert refused > TRIES / 3
