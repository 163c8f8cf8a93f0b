"""Settings of an adapter: what changes nothing is taken, the rest is refused or reported."""

from __future__ import annotations

from pathlib import Path

import pytest

from converters.checkpoint import open_checkpoint
from converters.lora.records import adapter_warnings
from converters.lora.runtime_notices import applied_warnings
from devtools.checkpoints.peft import LAYER, pair, save_adapter
from devtools.checkpoints.tiny import TINY, write_tiny
from edge_med.artifacts.adapters.peft_adapter import open_adapter
from edge_med.errors import CheckpointError

Q = pair(f"{LAYER}self_attn.q_proj", 256, 256)
SEVERAL = {"layers.1.self_attn.q_proj": 16, "q_proj": 4}


def test_several_values_of_alpha_are_reported(tmp_path: Path) -> None:
    adapter = open_adapter(save_adapter(tmp_path / "chest", Q, alpha_pattern=SEVERAL))
    said = {one.code: one.text for one in adapter_warnings(adapter, "tiny")}
    assert (
        "such as 16 and 4 for model.language_model.layers.1.self_attn.q_proj"
        in (said["adapter_patterns"])
    )
    base = open_checkpoint(write_tiny(TINY["multimodal"], tmp_path / "tiny"))
    codes = [one.code for one in applied_warnings(adapter, base, "tiny", 704)]
    assert "adapter_patterns" in codes


def test_one_value_by_two_patterns_is_not_spoken_of(tmp_path: Path) -> None:
    same = dict.fromkeys(SEVERAL, 16)
    adapter = open_adapter(save_adapter(tmp_path / "chest", Q, alpha_pattern=same))
    assert "adapter_patterns" not in {one.code for one in adapter_warnings(adapter, "tiny")}


@pytest.mark.parametrize("start", [True, False, "gaussian", "eva", "orthogonal", "mica"])
def test_starts_that_leave_the_base_as_it_is_are_taken(start: object, tmp_path: Path) -> None:
    open_adapter(save_adapter(tmp_path / "chest", Q, init_lora_weights=start))


@pytest.mark.parametrize("start", ["pissa_niter_4", "OLoRA", "corda", "loftq", "lora_ga", "hydra"])
def test_any_other_start_is_refused_by_its_name(start: str, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=f"init_lora_weights = {start}"):
        open_adapter(save_adapter(tmp_path / "chest", Q, init_lora_weights=start))


def test_what_peft_cannot_merge_has_another_next_step(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="neither here nor by PEFT") as caught:
        open_adapter(save_adapter(tmp_path / "chest", Q, peft_type="PREFIX_TUNING"))
    assert "merge_and_unload" not in caught.value.hint
