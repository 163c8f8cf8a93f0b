"""Adapters of the embedding: by DoRA, and by a PEFT that knew nothing of Gemma's factor."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from converters.conversion_plan import make_plan
from converters.lora.records import records
from converters.pipeline import convert
from converters.request import ConversionRequest
from devtools.checkpoints.peft import START, base_tensor, rounded, save_adapter, tensors_of, whole
from devtools.checkpoints.tiny import TINY, write_tiny
from edge_med.errors import CheckpointError

BASE = TINY["multimodal"]
ROWS, WIDTH = BASE.text.vocabulary, BASE.text.hidden
EMBEDDING = f"{START}model.language_model.embed_tokens"
TOKENS = {
    f"{EMBEDDING}.lora_embedding_A": whole(6, 2, ROWS),
    f"{EMBEDDING}.lora_embedding_B": whole(7, WIDTH, 2),
}
DELTA = (TOKENS[f"{EMBEDDING}.lora_embedding_B"] @ TOKENS[f"{EMBEDDING}.lora_embedding_A"]).T
MAGNITUDE = 1 + np.abs(whole(8, WIDTH))
DORA = {**TOKENS, f"{EMBEDDING}.lora_magnitude_vector": MAGNITUDE}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny(BASE, tmp_path_factory.mktemp("base") / "tiny")


def converted(base: Path, out: Path, *adapters: Path) -> set[str]:
    """Convert the base with adapters; returns the codes of all warnings."""
    request = ConversionRequest(
        source=base,
        folder=out,
        quants=("BF16",),
        mmproj="F32",
        name="tiny",
        adapters=tuple((adapter, 1.0) for adapter in adapters),
    )
    convert(request)
    return {one.code for one in make_plan(request).warnings}


def embedding(out: Path) -> np.ndarray:
    return tensors_of(out)["token_embd.weight"]


def turned(values: np.ndarray) -> np.ndarray:
    """What DoRA makes of an embedding."""
    summed = values + DELTA
    norms = np.sqrt(np.square(summed, dtype=np.float64).sum(axis=0)).astype(np.float32)
    return rounded((summed * (MAGNITUDE / norms)).astype(np.float32))


def test_dora_brings_the_columns_of_an_embedding_to_their_length(
    base: Path, tmp_path: Path
) -> None:
    converted(base, tmp_path / "out", save_adapter(tmp_path / "chest", DORA, use_dora=True))
    wanted = turned(base_tensor(BASE, "embed_tokens.weight"))
    np.testing.assert_array_equal(embedding(tmp_path / "out"), wanted)


def test_the_columns_are_those_after_the_adapters_before_it(base: Path, tmp_path: Path) -> None:
    first = save_adapter(tmp_path / "one", TOKENS)
    second = save_adapter(tmp_path / "two", DORA, use_dora=True)
    converted(base, tmp_path / "out", first, second)
    wanted = turned(rounded(base_tensor(BASE, "embed_tokens.weight") + DELTA))
    np.testing.assert_array_equal(embedding(tmp_path / "out"), wanted)


def test_two_of_dora_follow_one_another(base: Path, tmp_path: Path) -> None:
    both = [save_adapter(tmp_path / name, DORA, use_dora=True) for name in ("one", "two")]
    converted(base, tmp_path / "out", *both)
    wanted = turned(turned(base_tensor(BASE, "embed_tokens.weight")))
    np.testing.assert_array_equal(embedding(tmp_path / "out"), wanted)


def test_lora_of_an_embedding_before_peft_0_18_counts_beside_gemmas_factor(
    base: Path, tmp_path: Path
) -> None:
    early = save_adapter(tmp_path / "chest", TOKENS, peft_version=None)
    codes = converted(base, tmp_path / "out", early)
    scaled = rounded((DELTA * np.float32(WIDTH**-0.5)).astype(np.float32))
    wanted = rounded(base_tensor(BASE, "embed_tokens.weight") + scaled)
    np.testing.assert_array_equal(embedding(tmp_path / "out"), wanted)
    assert "adapter_early" in codes


def test_lora_of_the_towers_positions_knows_no_factor_of_gemmas(base: Path, tmp_path: Path) -> None:
    module = f"{START}model.vision_tower.vision_model.embeddings.position_embedding"
    stored = base_tensor(BASE, "position_embedding.weight")
    rows, width = stored.shape
    down, up = whole(6, 2, rows), whole(7, width, 2)
    tensors = {f"{module}.lora_embedding_A": down, f"{module}.lora_embedding_B": up}
    converted(base, tmp_path / "out", save_adapter(tmp_path / "chest", tensors, peft_version=None))
    found = tensors_of(tmp_path / "out")["v.position_embd.weight"]
    np.testing.assert_array_equal(found, rounded(stored + (up @ down).T))


def test_dora_of_the_patches_convolution_turns_each_channel(base: Path, tmp_path: Path) -> None:
    module = f"{START}model.vision_tower.vision_model.embeddings.patch_embedding"
    stored = base_tensor(BASE, "patch_embedding.weight")
    channels, *patch = stored.shape
    down, up = whole(6, 2, *patch), whole(7, channels, 2, 1, 1)
    magnitude = 1 + np.abs(whole(8, 1, channels, 1, 1))
    tensors = {
        f"{module}.lora_A.weight": down,
        f"{module}.lora_B.weight": up,
        f"{module}.lora_magnitude_vector.weight": magnitude,
    }
    converted(base, tmp_path / "out", save_adapter(tmp_path / "chest", tensors, use_dora=True))
    summed = stored.reshape(channels, -1) + up.reshape(channels, 2) @ down.reshape(2, -1)
    factors = magnitude.reshape(-1, 1) / np.linalg.norm(summed, axis=1, keepdims=True)
    wanted = rounded((summed * factors).astype(np.float32)).reshape(stored.shape)
    found = tensors_of(tmp_path / "out")["v.patch_embd.weight"]
    np.testing.assert_array_equal(found.reshape(wanted.shape), wanted)


def test_dora_of_an_embedding_before_peft_0_18_is_refused(base: Path, tmp_path: Path) -> None:
    early = save_adapter(tmp_path / "chest", DORA, use_dora=True, peft_version=None)
    with pytest.raises(CheckpointError, match=r"PEFT before 0\.18") as caught:
        converted(base, tmp_path / "out", early)
    assert "Train it again" in caught.value.hint


def test_rows_of_tokens_before_peft_0_18_are_reported(base: Path, tmp_path: Path) -> None:
    rows = {f"{EMBEDDING}.token_adapter.trainable_tokens_delta": whole(5, 2, WIDTH)}
    early = save_adapter(
        tmp_path / "chest", rows, trainable_token_indices=[7, 8], peft_version=None
    )
    codes = converted(base, tmp_path / "out", early)
    assert "adapter_early" in codes


def test_a_head_is_recorded_by_the_adapters_that_make_or_change_it(
    base: Path, tmp_path: Path
) -> None:
    table = whole(5, ROWS, WIDTH)
    embedding, head = {f"{EMBEDDING}.weight": table}, {f"{START}lm_head.weight": 2 * table}
    twice = {**embedding, f"{START}lm_head.weight": table}
    rows = {f"{EMBEDDING}.token_adapter.trainable_tokens_delta": whole(6, 2, WIDTH)}
    tokens = save_adapter(tmp_path / "rows", rows, trainable_token_indices=[7, 8])
    for adapters, heads in (
        ([save_adapter(tmp_path / "embedding", embedding)], [("output.weight", "made")]),
        ([save_adapter(tmp_path / "twice", twice)], []),
        ([tokens], []),
        (
            [save_adapter(tmp_path / "head", head), tokens],
            [("output.weight", "whole"), ("output.weight", "rows")],
        ),
    ):
        given = tuple((adapter, 1.0) for adapter in adapters)
        request = ConversionRequest(source=base, folder=tmp_path, quants=("BF16",), adapters=given)
        plan = make_plan(request)
        found = [
            (one.name, one.how)
            for adapter in records(plan.adapters, ())
            for one in adapter.tensors
            if one.name == "output.weight"
        ]
        assert found == heads
        written = {tensor.name for tensor in plan.files[0].tensors}
        assert ("output.weight" in written) == bool(heads)
        assert any("head is now a tensor of its own" in one.text for one in plan.warnings) == (
            ("output.weight", "made") in heads
        )
