"""What the files of a checkpoint say twice, and differently, is reported or refused."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from converters.conversion_plan import ConversionPlan, make_plan
from converters.request import ConversionRequest
from devtools.checkpoints.changes import Weights, change_json, written
from devtools.checkpoints.safetensors import write_safetensors
from devtools.checkpoints.tiny import TINY, stored_weights, write_tiny
from edge_med.artifacts.published import WINDOWS
from edge_med.errors import CheckpointError

TEXT, SEEING = TINY["text"], TINY["multimodal"]
CONFIG = "config.json"


def plan_of(source: Path) -> ConversionPlan:
    return make_plan(ConversionRequest(source=source, folder=source.parent, quants=("F16",)))


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
def test_what_config_json_says_twice_is_reported(case: str, tmp_path: Path) -> None:
    change, code, words = SILENT[case]
    source = write_tiny(SEEING, tmp_path / "a/left")
    change_json(source / CONFIG, change)
    plan = plan_of(source)
    (warning,) = plan.warnings
    assert (warning.code, words in warning.text) == (code, True)
    assert plan.files[0].header == plan_of(write_tiny(SEEING, tmp_path / "b/left")).files[0].header


def test_weights_that_arent_read_are_reported(tmp_path: Path) -> None:
    source = write_tiny(TEXT, tmp_path / "left")
    write_safetensors(source / "model.fp16.safetensors", stored_weights(TEXT, "F16"))
    (warning,) = plan_of(source).warnings
    assert warning.code == "other_weights"
    assert warning.text.startswith("Not read: model.fp16.safetensors (written 2")
    assert "The weights are model.safetensors (written 2" in warning.text


def test_a_number_that_is_not_the_published_one_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    params = plan_of(source := write_tiny(TEXT, tmp_path / "left")).params.text
    monkeypatch.setitem(WINDOWS, (params.layers, params.hidden), 1024)
    (warning,) = plan_of(source).warnings
    assert (warning.code, f"sliding_window {params.window}, there 1024" in warning.text) == (
        "published",
        True,
    )


@pytest.mark.parametrize("name", ["pytorch_model.bin", "pytorch_model-00001-of-00002.bin"])
def test_weights_in_pickles_beside_are_told_with_their_dates(name: str, tmp_path: Path) -> None:
    source = write_tiny(TEXT, tmp_path / "left")
    (source / name).write_bytes(b"\x80\x04")
    os.utime(source / name, (1_700_000_000, 1_700_000_000))
    (warning,) = plan_of(source).warnings
    assert (warning.code, warning.text.count(f"{name} (written 2023-11-1")) == ("other_weights", 1)


@pytest.mark.parametrize("name", ["training_args.bin", "optimizer.pt", "rng_state.pth"])
def test_what_a_trainer_keeps_for_itself_is_no_weights(name: str, tmp_path: Path) -> None:
    source = write_tiny(TEXT, tmp_path / "left")
    (source / name).write_bytes(b"\x80\x04")
    assert plan_of(source).warnings == ()


def test_what_macos_leaves_beside_a_file_is_not_spoken_of(tmp_path: Path) -> None:
    source = write_tiny(TEXT, tmp_path / "left")
    (source / "._model.safetensors").write_bytes(b"\0\5\x16\7")
    assert plan_of(source).warnings == ()


HEADS = {
    "in other places": ("lm_head.weight", "language_model.lm_head.weight"),
    "behind PEFT's prefix": ("base_model.model.lm_head.weight", "lm_head.weight"),
}


@pytest.mark.parametrize("case", HEADS)
@pytest.mark.parametrize("tied", [True, False])
def test_two_heads_that_differ_are_refused_with_their_names(
    case: str, tied: bool, tmp_path: Path
) -> None:
    def two(weights: Weights) -> Weights:
        kind, values = weights["model.embed_tokens.weight"]
        one, other = HEADS[case]
        trained = values.copy()
        trained[-1] += 1
        return weights | {one: (kind, values), other: (kind, trained)}

    source = written(TEXT, tmp_path / "left", two)
    change_json(source / CONFIG, lambda c: c.update(tie_word_embeddings=tied))
    with pytest.raises(CheckpointError, match="two output heads that differ") as caught:
        plan_of(source)
    for name in HEADS[case]:
        assert f"{name} in model.safetensors" in caught.value.message


def test_two_copies_of_a_tied_head_are_the_embedding(tmp_path: Path) -> None:
    def two(weights: Weights) -> Weights:
        copies = dict.fromkeys(HEADS["in other places"], weights["model.embed_tokens.weight"])
        return weights | copies

    plan = plan_of(written(TEXT, tmp_path / "left", two))
    assert (plan.warnings, plan.params.text.tied) == ((), True)


def test_an_index_of_one_file_may_list_other_tensors(tmp_path: Path) -> None:
    source = write_tiny(TEXT, tmp_path / "left")
    names = dict.fromkeys(stored_weights(TEXT, "BF16"), "model.safetensors")
    index = source / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": names}))
    assert plan_of(source).warnings == ()
    index.write_text(json.dumps({"weight_map": {"gone.weight": "model.safetensors"}}))
    (warning,) = plan_of(source).warnings
    assert (warning.code, "such as gone.weight" in warning.text) == ("stale_index", True)


def test_an_older_revision_is_not_taken_for_the_main_one(tmp_path: Path) -> None:
    cached = tmp_path / "models--acme--Tiny"
    write_tiny(TEXT, cached / "snapshots/aaa")
    (cached / "refs").mkdir()
    (cached / "refs/main").write_text("bbb")
    with pytest.raises(CheckpointError, match=r"main is 'bbb': .* isn't there, only aaa") as caught:
        plan_of(cached)
    assert "snapshots/REVISION" in caught.value.hint
    assert plan_of(cached / "snapshots/aaa").request.origin.revision == "aaa"


def test_another_model_is_refused_by_its_architecture_before_its_tensors(tmp_path: Path) -> None:
    source = write_tiny(TEXT, tmp_path / "left")
    change_json(source / CONFIG, lambda c: c.update(architectures=["Qwen2ForCausalLM"]))
    biased = {"model.layers.0.self_attn.q_proj.bias": ("F32", np.ones(4, np.float32))}
    write_safetensors(source / "model.safetensors", stored_weights(TEXT, "BF16") | biased)
    with pytest.raises(CheckpointError, match="The architecture 'Qwen2ForCausalLM' can't"):
        plan_of(source)


def test_a_token_that_two_tokenizers_name_differently_is_reported(tmp_path: Path) -> None:
    source = write_tiny(TEXT, tmp_path / "left")

    def rename(data: dict[str, Any]) -> None:
        vocab = data["model"]["vocab"]
        data["model"]["vocab"] = {("odd" if n == 300 else text): n for text, n in vocab.items()}

    change_json(source / "tokenizer.json", rename)
    (warning,) = plan_of(source).warnings
    assert warning.code == "tokenizers"
    assert "differ in 1 of" in warning.text
    assert "and 'odd'" in warning.text


def test_tokenizers_of_two_models_are_refused(tmp_path: Path) -> None:
    source = write_tiny(TEXT, tmp_path / "left")

    def shift(data: dict[str, Any]) -> None:
        data["model"]["vocab"] = {text: n + 1 for text, n in data["model"]["vocab"].items()}

    change_json(source / "tokenizer.json", shift)
    with pytest.raises(CheckpointError, match=r"tokenizer\.json differ in \d+ of") as caught:
        plan_of(source)
    assert "isn't this model's" in caught.value.hint
