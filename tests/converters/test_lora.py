"""Adapters are merged as PEFT does it: every kind, compared with its formula in numpy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from converters.pipeline import Conversion, convert
from converters.request import ConversionRequest
from devtools.checkpoints.peft import (
    LAYER,
    START,
    TOWER,
    Floats,
    base_tensor,
    pair,
    rounded,
    save_adapter,
    tensors_of,
    whole,
)
from devtools.checkpoints.tiny import TINY, Tiny, write_tiny
from edge_med.errors import CheckpointError

BASE = TINY["multimodal"]
ROWS, WIDTH, QUERIES = BASE.text.vocabulary, BASE.text.hidden, 256
VISION = 64
EMBEDDING = f"{START}model.language_model.embed_tokens"
HEAD = f"{START}lm_head"

Q = pair(f"{LAYER}self_attn.q_proj", QUERIES, WIDTH)
Q_DELTA = Q[f"{LAYER}self_attn.q_proj.lora_B.weight"] @ Q[f"{LAYER}self_attn.q_proj.lora_A.weight"]
TOWER_Q = pair(f"{TOWER}self_attn.q_proj", VISION, VISION)
TOWER_DELTA = (
    TOWER_Q[f"{TOWER}self_attn.q_proj.lora_B.weight"]
    @ TOWER_Q[f"{TOWER}self_attn.q_proj.lora_A.weight"]
)
TABLE = whole(5, ROWS, WIDTH)
TOKENS = {
    f"{EMBEDDING}.lora_embedding_A": whole(6, 2, ROWS),
    f"{EMBEDDING}.lora_embedding_B": whole(7, WIDTH, 2),
}
TOKENS_DELTA = (TOKENS[f"{EMBEDDING}.lora_embedding_B"] @ TOKENS[f"{EMBEDDING}.lora_embedding_A"]).T
MAGNITUDE = 1 + np.abs(whole(8, QUERIES))


def q() -> Floats:
    return base_tensor(BASE, "layers.1.self_attn.q_proj.weight")


def table() -> Floats:
    return base_tensor(BASE, "embed_tokens.weight")


def turned(values: Floats) -> Floats:
    """Rows of another length: DoRA's."""
    factors = MAGNITUDE / np.linalg.norm(values, axis=1).astype(np.float32)
    return np.asarray(values * factors[:, None], np.float32)


@dataclass(frozen=True)
class Case:
    """An adapter, and what becomes of the tensors that it changes."""

    tensors: dict[str, Floats]
    expected: dict[str, Callable[[], Floats]]
    settings: dict[str, Any] = field(default_factory=dict)


PATTERNS = {"layers.0": 2, r"1\..*q_proj": 16}
Q_NAME, TOWER_NAME = "blk.1.attn_q.weight", "v.blk.0.attn_q.weight"
NAMED = ("model.layers.1.", "language_model.model.layers.1.", "module.model.layers.1.")
OF_STATE = {name.replace(".weight", ".default.weight"): values for name, values in Q.items()}
CASES = {
    "a linear layer": Case(Q, {Q_NAME: lambda: q() + Q_DELTA}),
    "tensors as in a state_dict": Case(OF_STATE, {Q_NAME: lambda: q() + Q_DELTA}),
    "alpha": Case(Q, {Q_NAME: lambda: q() + 4 * Q_DELTA}, {"lora_alpha": 8}),
    "rank-stabilized": Case(
        Q, {Q_NAME: lambda: q() + np.float32(2 / 2**0.5) * Q_DELTA}, {"use_rslora": True}
    ),
    "alpha by pattern": Case(
        Q,
        {Q_NAME: lambda: q() + 8 * Q_DELTA},
        {"alpha_pattern": {"layers.0": 2, r"1\..*q_proj": 16}},
    ),
    "rank by pattern": Case(
        Q, {Q_NAME: lambda: q() + Q_DELTA}, {"r": 7, "rank_pattern": {"self_attn.q_proj": 2}}
    ),
    "the vision tower": Case(
        Q | TOWER_Q,
        {
            Q_NAME: lambda: q() + Q_DELTA,
            TOWER_NAME: lambda: (
                base_tensor(BASE, "vision_model.encoder.layers.0.self_attn.q_proj.weight")
                + TOWER_DELTA
            ),
        },
    ),
    "DoRA": Case(
        {**Q, f"{LAYER}self_attn.q_proj.lora_magnitude_vector": MAGNITUDE},
        {Q_NAME: lambda: turned(q() + Q_DELTA)},
        {"use_dora": True},
    ),
    "a bias of the vision tower": Case(
        {**TOWER_Q, f"{TOWER}self_attn.q_proj.lora_B.bias": whole(9, VISION)},
        {
            "v.blk.0.attn_q.bias": lambda: (
                base_tensor(BASE, "vision_model.encoder.layers.0.self_attn.q_proj.bias")
                + whole(9, VISION)
            ),
        },
        {"lora_bias": True},
    ),
    "biases of layers, trained beside LoRA": Case(
        {**TOWER_Q, f"{TOWER}self_attn.q_proj.base_layer.bias": whole(9, VISION)},
        {
            TOWER_NAME: lambda: (
                base_tensor(BASE, "vision_model.encoder.layers.0.self_attn.q_proj.weight")
                + TOWER_DELTA
            ),
            "v.blk.0.attn_q.bias": lambda: whole(9, VISION),
        },
        {"bias": "lora_only"},
    ),
    "embedding and head whole": Case(
        {f"{EMBEDDING}.weight": TABLE, f"{HEAD}.weight": 2 * TABLE},
        {"token_embd.weight": lambda: TABLE, "output.weight": lambda: 2 * TABLE},
        {"modules_to_save": ["embed_tokens", "lm_head"]},
    ),
    "the embedding whole": Case(
        {f"{EMBEDDING}.weight": TABLE},
        {"token_embd.weight": lambda: TABLE, "output.weight": table},
        {"modules_to_save": ["embed_tokens"]},
    ),
    "the embedding whole, and the head with it": Case(
        {f"{EMBEDDING}.weight": TABLE},
        {"token_embd.weight": lambda: TABLE},
        {"modules_to_save": ["embed_tokens"], "ensure_weight_tying": True},
    ),
    "one matrix for both, stored twice": Case(
        {f"{EMBEDDING}.weight": TABLE, f"{HEAD}.weight": TABLE},
        {"token_embd.weight": lambda: TABLE},
    ),
    "LoRA of the embedding": Case(
        {**TOKENS, f"{EMBEDDING}.base_layer.weight": table()},
        {"token_embd.weight": lambda: table() + TOKENS_DELTA, "output.weight": table},
    ),
    "LoRA of one matrix for both, stored twice": Case(
        {
            **TOKENS,
            f"{HEAD}.lora_A.weight": TOKENS[f"{EMBEDDING}.lora_embedding_B"].T,
            f"{HEAD}.lora_B.weight": TOKENS[f"{EMBEDDING}.lora_embedding_A"].T,
            f"{EMBEDDING}.base_layer.weight": table(),
            f"{HEAD}.base_layer.weight": table(),
        },
        {"token_embd.weight": lambda: table() + TOKENS_DELTA},
        {"ensure_weight_tying": True},
    ),
    "rows of one matrix for both, stored twice": Case(
        {
            f"{module}.token_adapter.trainable_tokens_delta": TABLE[:2]
            for module in (EMBEDDING, HEAD)
        },
        {"token_embd.weight": lambda: np.vstack([table()[:7], TABLE[:2], table()[9:]])},
        {"trainable_token_indices": {"embed_tokens": [7, 8], "lm_head": [7, 8]}},
    ),
    "LoRA of the head": Case(
        pair(HEAD, ROWS, WIDTH),
        {
            "token_embd.weight": table,
            "output.weight": lambda: table() + whole(2, ROWS, 2) @ whole(1, 2, WIDTH),
        },
    ),
    "rows of tokens": Case(
        {f"{EMBEDDING}.token_adapter.trainable_tokens_delta": TABLE[:2]},
        {"token_embd.weight": lambda: np.vstack([table()[:7], TABLE[:2], table()[9:]])},
        {"trainable_token_indices": [7, 8]},
    ),
    "a norm whole": Case(
        {f"{LAYER}input_layernorm.weight": whole(3, WIDTH)},
        {"blk.1.attn_norm.weight": lambda: 1 + whole(3, WIDTH)},
    ),
    "the projector whole": Case(
        {f"{START}model.multi_modal_projector.mm_input_projection_weight": whole(4, VISION, WIDTH)},
        {"mm.input_projection.weight": lambda: whole(4, VISION, WIDTH)},
    ),
} | {
    f"tensors called {start}": Case(
        pair(f"{START}{start}self_attn.q_proj", QUERIES, WIDTH), {Q_NAME: lambda: q() + Q_DELTA}
    )
    for start in NAMED
}


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Floats]:
    folder = tmp_path_factory.mktemp("plain")
    converted(write_tiny(BASE, folder / "base"), folder / "out")
    return tensors_of(folder / "out")


def converted(base: Path, out: Path, *adapters: tuple[Path, float], **more: Any) -> Conversion:
    settings = {"quants": ("BF16",), "mmproj": "F32", "name": "tiny", **more}
    return convert(ConversionRequest(source=base, folder=out, adapters=adapters, **settings))


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny(BASE, tmp_path_factory.mktemp("base") / "tiny")


@pytest.mark.parametrize("name", CASES)
def test_what_it_changes_is_as_peft_computes_it_and_nothing_else_changes(
    name: str, base: Path, plain: dict[str, Floats], tmp_path: Path
) -> None:
    case = CASES[name]
    adapter = save_adapter(tmp_path / "chest", case.tensors, **case.settings)
    converted(base, tmp_path / "out", (adapter, 1.0))
    found = tensors_of(tmp_path / "out")
    expected = {key: value() for key, value in case.expected.items()}
    assert found.keys() == plain.keys() | expected.keys()
    for key, values in found.items():
        if key in expected:
            wanted = expected[key]
            wanted = rounded(wanted.astype(np.float32)) if "norm" not in key else wanted
            np.testing.assert_array_equal(values, wanted.reshape(values.shape), err_msg=key)
        elif "lora_bias" not in case.settings:
            np.testing.assert_array_equal(values, plain[key], err_msg=key)


def test_adapters_are_merged_in_their_order_each_with_its_scale(base: Path, tmp_path: Path) -> None:
    first = save_adapter(tmp_path / "one", Q)
    second = save_adapter(tmp_path / "two", Q, lora_alpha=16)
    done = converted(base, tmp_path / "out", (first, 0.5), (second, -1.0))
    wanted = rounded(rounded(q() + np.float32(0.5) * Q_DELTA) - 8 * Q_DELTA)
    np.testing.assert_array_equal(tensors_of(tmp_path / "out")[Q_NAME], wanted)
    recorded = done.manifest.recipe.lora
    assert recorded is not None
    assert [(one.name, one.strength, one.text) for one in recorded] == [
        ("one", 0.5, 1),
        ("two", -1.0, 1),
    ]
    assert recorded[0].tensors[0].scale == 0.5


@pytest.mark.parametrize("name", ["multimodal-new-names", "multimodal-transformers5", "float16"])
def test_bases_of_every_version_take_adapters_of_every_version(name: str, tmp_path: Path) -> None:
    tiny: Tiny = TINY[name]
    adapter = save_adapter(tmp_path / "chest", Q | TOWER_Q)
    quant = "F16" if tiny.dtype == "F16" else "BF16"
    source = write_tiny(tiny, tmp_path / "base")
    converted(source, tmp_path / "out", (adapter, 1.0), quants=(quant,))
    wanted = base_tensor(tiny, "layers.1.self_attn.q_proj.weight") + Q_DELTA
    wanted = wanted.astype(np.float16) if quant == "F16" else rounded(wanted)
    np.testing.assert_array_equal(tensors_of(tmp_path / "out")[Q_NAME], wanted)


def test_a_vocabulary_that_grew_is_taken_with_its_rows(base: Path, tmp_path: Path) -> None:
    grown = whole(5, ROWS + 64, WIDTH)
    tensors = {f"{EMBEDDING}.weight": grown, f"{HEAD}.weight": grown}
    adapter = save_adapter(tmp_path / "chest", Q | tensors)
    done = converted(base, tmp_path / "out", (adapter, 1.0))
    found = tensors_of(tmp_path / "out")
    np.testing.assert_array_equal(found["token_embd.weight"], grown)
    assert "output.weight" not in found
    assert done.manifest.model.vocabulary == ROWS + 64


REFUSED: dict[str, tuple[dict[str, Floats], dict[str, Any], str]] = {
    "no effect": (
        {name: 0 * values if "lora_B" in name else values for name, values in Q.items()},
        {},
        "changes nothing",
    ),
    "no effect, by its other half": (
        {name: 0 * values if "lora_A" in name else values for name, values in Q.items()},
        {},
        "changes nothing",
    ),
    "an effect that rounding takes": (
        {name: 1e-9 * values if "lora_B" in name else values for name, values in Q.items()},
        {},
        "changes nothing",
    ),
    "untrained copies": ({f"{EMBEDDING}.weight": table()}, {}, "changes nothing"),
    "what is no number": (
        {name: np.full_like(values, np.nan) for name, values in Q.items()},
        {},
        "NaN or infinity",
    ),
    "PiSSA": (Q, {"init_lora_weights": "pissa_niter_16"}, "init_lora_weights = pissa"),
    "OLoRA": (Q, {"init_lora_weights": "olora"}, "changes the base model"),
    "another method": (Q, {"peft_type": "LOHA"}, "peft_type = LOHA"),
    "a setting of tomorrow": (Q, {"use_hydra": True}, "use_hydra = True"),
    "layers repeated": (Q, {"layer_replication": [[0, 4], [2, 5]]}, "layer_replication"),
    "another rank": (Q, {"r": 8}, "has rank 8"),
    "half of a pair": (dict([*Q.items()][:1]), {}, "one of A and B"),
    "a single number": (
        {f"{LAYER}self_attn.q_proj.lora_A.weight": np.array(1, np.float32)},
        {},
        "single",
    ),
    "no place": ({f"{START}classifier.weight": whole(1, 3, 3)}, {}, "has no place"),
    "a layer too far": (
        pair(f"{START}model.layers.77.self_attn.q_proj", QUERIES, WIDTH),
        {},
        "lacks",
    ),
    "another width": (pair(f"{LAYER}self_attn.q_proj", QUERIES, 64), {}, "has the shape"),
    "a bias of the text model": (
        {**Q, f"{LAYER}self_attn.q_proj.lora_B.bias": whole(9, QUERIES)},
        {"lora_bias": True},
        "has none there",
    ),
    "no magnitude": (Q, {"use_dora": True}, "no magnitude"),
    "tokens beyond": (
        {f"{EMBEDDING}.token_adapter.trainable_tokens_delta": TABLE[:1]},
        {"trainable_token_indices": [ROWS]},
        f"names the token {ROWS}",
    ),
    "a head that didn't grow": ({f"{EMBEDDING}.weight": whole(5, ROWS + 64, WIDTH)}, {}, "alone"),
    "a pattern that never ends": (Q, {"alpha_pattern": {"(a+)+$": 3}}, "alpha_pattern"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_would_be_lost_is_refused_by_its_name(name: str, base: Path, tmp_path: Path) -> None:
    tensors, settings, words = REFUSED[name]
    adapter = save_adapter(tmp_path / "chest", tensors, **settings)
    with pytest.raises(CheckpointError, match=words):
        converted(base, tmp_path / "out", (adapter, 1.0))


def test_a_text_model_has_no_place_for_an_adapter_of_the_vision_tower(tmp_path: Path) -> None:
    source = write_tiny(TINY["text"], tmp_path / "base")
    adapter = save_adapter(tmp_path / "chest", Q | TOWER_Q)
    with pytest.raises(CheckpointError, match="lacks") as caught:
        converted(source, tmp_path / "out", (adapter, 1.0))
    assert "own base model: google/tiny. A text model" in caught.value.hint


def test_what_is_replaced_has_no_scale(base: Path, tmp_path: Path) -> None:
    adapter = save_adapter(tmp_path / "chest", {f"{EMBEDDING}.weight": TABLE})
    with pytest.raises(CheckpointError, match=r"can't be multiplied with 0\.5"):
        converted(base, tmp_path / "out", (adapter, 0.5))
