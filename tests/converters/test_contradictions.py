"""What the files of a checkpoint say twice, and differently, is told or refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from converters.plan import Plan, make_plan
from converters.request import Request
from edge_med.errors import CheckpointError
from tests.checkpoints.changes import change_json
from tests.checkpoints.safetensors import write_safetensors
from tests.checkpoints.tiny import TINY, stored_weights, write_tiny

TEXT, SEEING = TINY["text"], TINY["multimodal"]
CONFIG = "config.json"


def plan_of(source: Path) -> Plan:
    return make_plan(Request(source=source, folder=source.parent, quants=("F16",)))


SILENT: dict[str, tuple[Callable[[dict[str, Any]], object], str, str]] = {
    "rope_scaling outside of the text model": (
        lambda c: c.update(rope_scaling={"rope_type": "linear", "factor": 8.0}),
        "outside",
        "has rope_scaling at its top",
    ),
    "another window outside of the text model": (
        lambda c: c.update(sliding_window=7, num_hidden_layers=6),
        "outside",
        "has sliding_window at its top",
    ),
    "a tied head and an untied one": (
        lambda c: c.update(
            tie_word_embeddings=True, text_config=c["text_config"] | {"tie_word_embeddings": False}
        ),
        "tied",
        "false in text_config",
    ),
}


@pytest.mark.parametrize("case", SILENT)
def test_what_config_json_says_twice_is_told(case: str, tmp_path: Path) -> None:
    change, code, words = SILENT[case]
    source = write_tiny(SEEING, tmp_path / "a/left")
    change_json(source / CONFIG, change)
    plan = plan_of(source)
    (told,) = plan.told
    assert (told.code, words in told.text) == (code, True)
    assert plan.files[0].header == plan_of(write_tiny(SEEING, tmp_path / "b/left")).files[0].header


def test_weights_that_arent_read_are_told(tmp_path: Path) -> None:
    source = write_tiny(TEXT, tmp_path / "left")
    write_safetensors(source / "model.fp16.safetensors", stored_weights(TEXT, "F16"))
    (told,) = plan_of(source).told
    assert told.code == "other_weights"
    assert told.text.startswith("Not read: model.fp16.safetensors. The weights are model.safe")


def test_what_macos_leaves_beside_a_file_is_not_spoken_of(tmp_path: Path) -> None:
    source = write_tiny(TEXT, tmp_path / "left")
    (source / "._model.safetensors").write_bytes(b"\0\5\x16\7")
    assert plan_of(source).told == ()


def test_another_model_is_refused_by_its_architecture_before_its_tensors(tmp_path: Path) -> None:
    source = write_tiny(TEXT, tmp_path / "left")
    change_json(source / CONFIG, lambda c: c.update(architectures=["Qwen2ForCausalLM"]))
    biased = {"model.layers.0.self_attn.q_proj.bias": ("F32", np.ones(4, np.float32))}
    write_safetensors(source / "model.safetensors", stored_weights(TEXT, "BF16") | biased)
    with pytest.raises(CheckpointError, match="The architecture 'Qwen2ForCausalLM' can't"):
        plan_of(source)


def test_a_token_that_two_tokenizers_name_differently_is_told(tmp_path: Path) -> None:
    source = write_tiny(TEXT, tmp_path / "left")

    def rename(data: dict[str, Any]) -> None:
        vocab = data["model"]["vocab"]
        data["model"]["vocab"] = {("odd" if n == 300 else text): n for text, n in vocab.items()}

    change_json(source / "tokenizer.json", rename)
    (told,) = plan_of(source).told
    assert told.code == "tokenizers"
    assert "differ in 1 of" in told.text
    assert "and 'odd'" in told.text


def test_tokenizers_of_two_models_are_refused(tmp_path: Path) -> None:
    source = write_tiny(TEXT, tmp_path / "left")

    def shift(data: dict[str, Any]) -> None:
        data["model"]["vocab"] = {text: n + 1 for text, n in data["model"]["vocab"].items()}

    change_json(source / "tokenizer.json", shift)
    with pytest.raises(CheckpointError, match=r"tokenizer\.json differ in \d+ of") as caught:
        plan_of(source)
    assert "isn't this model's" in caught.value.hint
