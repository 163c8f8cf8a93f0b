"""The config is read as transformers reads it, and refused where llama.cpp would do otherwise."""

from __future__ import annotations

import json
from typing import Any

import pytest

from devtools.checkpoints.tiny import TINY, config
from edge_med.artifacts.hparams import TextParams, read_params
from edge_med.errors import CheckpointError

PROCESSOR = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3}


def with_text(**changes: Any) -> dict[str, Any]:
    return {**config(TINY["text"]), **changes}


def with_vision(**changes: Any) -> dict[str, Any]:
    found = config(TINY["multimodal"])
    found["vision_config"] |= changes
    return found


def test_missing_keys_take_transformers_own_defaults() -> None:
    """Of transformers 5.23, Gemma3TextConfig: MedGemma's config.json leaves most of them out."""
    params = read_params({"architectures": ["Gemma3ForCausalLM"]}, {}).text
    assert params == TextParams(
        layers=26,
        hidden=2304,
        feed_forward=9216,
        heads=8,
        key_value_heads=4,
        head_size=256,
        vocabulary=262_208,
        context=131_072,
        window=4096,
        epsilon=1e-6,
        rope_theta=1e6,
        rope_theta_window=1e4,
        rope_factor=None,
        softcap=None,
        tied=True,
    )


def test_rope_is_read_in_the_old_form_and_in_that_of_transformers_5() -> None:
    old = with_text(rope_scaling={"rope_type": "linear", "factor": 8.0})
    new = with_text(rope_scaling=None, rope_theta=None, rope_local_base_freq=None)
    for key in ("rope_theta", "rope_local_base_freq"):
        del new[key]
    new["rope_parameters"] = {
        "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1e6},
        "sliding_attention": {"rope_type": "default", "rope_theta": 1e4},
    }
    assert read_params(old, {}) == read_params(new, {})
    assert read_params(old, {}).text.rope_factor == 8.0


@pytest.mark.parametrize(
    "rope",
    [
        {"rope_parameters": {"rope_type": "linear", "factor": 8.0, "rope_theta": 5e5}},
        {"rope_parameters": {"full_attention": {"rope_type": "linear", "attention_factor": 2.0}}},
        {"rope_parameters": []},
        {"rope_scaling": {"rope_type": "yarn", "factor": 8.0}},
        {"rope_scaling": "linear"},
    ],
)
def test_a_rope_that_isnt_wholly_understood_is_refused(rope: dict[str, object]) -> None:
    with pytest.raises(CheckpointError) as caught:
        read_params(with_text(**rope), {})
    assert (
        "rope" in caught.value.message or "in config.json isn't known here" in caught.value.message
    )


def test_62_layers_scale_by_width_and_others_by_head() -> None:
    """llama.cpp ignores query_pre_attn_scalar, so that it must be what llama.cpp computes."""
    large = config(TINY["62-layers"])
    assert large["query_pre_attn_scalar"] == 168 // 4
    read_params(large, {})
    with pytest.raises(CheckpointError, match="query_pre_attn_scalar"):
        read_params({**large, "query_pre_attn_scalar": 32}, {})


REFUSED_TEXT: dict[str, Any] = {
    "query_pre_attn_scalar": 168,
    "sliding_window_pattern": 4,
    "_sliding_window_pattern": 1,
    "layer_types": ["full_attention"] * 10,
    "hidden_activation": "gelu",
    "attention_bias": True,
    "attn_logit_softcapping": 50.0,
    "use_bidirectional_attention": True,
    "rope_scaling": {"rope_type": "yarn", "factor": 8.0},
    "num_hidden_layers": 0,
    "hidden_size": "640",
    "num_attention_heads": 6,
    "num_key_value_heads": 3,
    "rms_norm_eps": float("nan"),
    "sliding_window": -1,
    "head_dim": True,
}


@pytest.mark.parametrize("key", REFUSED_TEXT)
def test_a_setting_that_llama_cpp_would_not_honour_is_named(key: str) -> None:
    name = "rope_type" if key == "rope_scaling" else key
    with pytest.raises(CheckpointError, match=name):
        read_params(with_text(**{key: REFUSED_TEXT[key]}), {})


def test_scaled_rope_in_the_window_layers_is_refused() -> None:
    layers = {"sliding_attention": {"rope_type": "linear", "factor": 2.0}}
    with pytest.raises(CheckpointError, match="window layers"):
        read_params(with_text(rope_parameters=layers), {})


REFUSED_VISION: dict[str, Any] = {
    "hidden_act": "quick_gelu",
    "num_channels": 1,
    "image_size": 57,
}


@pytest.mark.parametrize("key", REFUSED_VISION)
def test_a_vision_setting_that_llama_cpp_would_not_honour_is_named(key: str) -> None:
    with pytest.raises(CheckpointError, match=key):
        read_params(with_vision(**{key: REFUSED_VISION[key]}), PROCESSOR)


def test_image_tokens_must_pool_evenly() -> None:
    for tokens in (5, 9):
        with pytest.raises(CheckpointError, match="mm_tokens_per_image"):
            read_params({**with_vision(), "mm_tokens_per_image": tokens}, PROCESSOR)


def test_mean_and_deviation_must_be_there() -> None:
    with pytest.raises(CheckpointError, match="image_mean"):
        read_params(with_vision(), {})


@pytest.mark.parametrize("names", [[], ["Gemma3nForConditionalGeneration"], ["LlamaForCausalLM"]])
def test_another_architecture_is_refused(names: list[str]) -> None:
    with pytest.raises(CheckpointError, match="can't be converted"):
        read_params({"architectures": names}, {})


def test_the_config_of_medgemma_4b_gives_its_published_numbers() -> None:
    """As on the hub: only what differs from the defaults of transformers' class."""
    published = json.loads(
        """{"architectures": ["Gemma3ForConditionalGeneration"], "mm_tokens_per_image": 256,
        "text_config": {"hidden_size": 2560, "intermediate_size": 10240, "num_hidden_layers": 34,
        "rope_scaling": {"factor": 8.0, "rope_type": "linear"}, "sliding_window": 1024,
        "model_type": "gemma3_text"}, "vision_config": {"hidden_size": 1152, "image_size": 896,
        "intermediate_size": 4304, "num_attention_heads": 16, "num_hidden_layers": 27,
        "patch_size": 14, "vision_use_head": false, "model_type": "siglip_vision_model"}}"""
    )
    params = read_params(published, PROCESSOR)
    assert params.vision is not None
    assert (params.text.layers, params.text.heads, params.text.vocabulary) == (34, 8, 262_208)
    assert (params.vision.pool, params.vision.image_tokens) == (4, 256)


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        ("query_pre_attn_scalar", "query_pre_attn_scalar isn't in config.json, which means 256"),
        ("head_dim", "head_dim isn't in config.json, which means 256"),
    ],
)
def test_what_isnt_in_config_json_is_named_as_missing(missing: str, words: str) -> None:
    section = with_text(head_dim=64, query_pre_attn_scalar=64)
    (section.get("text_config") or section).pop(missing)
    with pytest.raises(CheckpointError) as caught:
        read_params(section, {})
    assert caught.value.message.startswith(words)


def test_tokens_of_an_image_are_compared_with_both_numbers_told() -> None:
    seeing = config(TINY["multimodal"])
    tokens = seeing["mm_tokens_per_image"]
    with pytest.raises(CheckpointError, match=f"is 64, and mm_tokens_per_image .* {tokens}"):
        read_params(seeing, {**PROCESSOR, "image_seq_length": 64})
