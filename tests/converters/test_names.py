"""Every published name finds its place, and no other does."""

from __future__ import annotations

import pytest

from edge_med.artifacts.tensor_names import NORM_PLUS_ONE, projector_names, target, text_names
from edge_med.errors import CheckpointError


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("language_model.model.layers.33.mlp.up_proj.weight", "blk.33.ffn_up.weight"),
        ("model.language_model.layers.0.self_attn.q_norm.weight", "blk.0.attn_q_norm.weight"),
        ("model.layers.9.post_feedforward_layernorm.weight", "blk.9.post_ffw_norm.weight"),
        ("model.embed_tokens.weight", "token_embd.weight"),
        ("vision_tower.vision_model.encoder.layers.26.mlp.fc2.bias", "v.blk.26.ffn_down.bias"),
        ("model.vision_tower.embeddings.patch_embedding.weight", "v.patch_embd.weight"),
        ("vision_tower.post_layernorm.bias", "v.post_ln.bias"),
        ("model.multi_modal_projector.mm_input_projection_weight", "mm.input_projection.weight"),
        ("multi_modal_projector.mm_soft_emb_norm.weight", "mm.soft_emb_norm.weight"),
    ],
)
def test_a_name_of_any_version_is_known(source: str, name: str) -> None:
    assert target(source, tied=True).name == name


def test_a_tied_head_is_left_out_and_an_untied_one_kept() -> None:
    assert target("lm_head.weight", tied=True).part == "unused"
    assert target("lm_head.weight", tied=False).name == "output.weight"


def test_the_classifier_of_the_vision_tower_is_left_out() -> None:
    assert target("vision_tower.vision_model.head.probe", tied=True).part == "unused"


@pytest.mark.parametrize(
    "source",
    [
        "model.layers.x.mlp.up_proj.weight",
        "model.layers.007.mlp.up_proj.weight",
        "model.layers.0.mlp.up_proj.bias",
        "audio_tower.layers.0.weight",
        "",
    ],
)
def test_any_other_name_is_an_error_that_names_it(source: str) -> None:
    with pytest.raises(CheckpointError, match="has no place"):
        target(source, tied=True)


@pytest.mark.parametrize(
    "source",
    [
        "model.layers.0.self_attn.q_proj.lora_A.weight",
        "model.language_model.layers.0.self_attn.q_proj.base_layer.weight",
        "base_model.model.lm_head.modules_to_save.default.weight",
    ],
)
def test_an_adapter_that_isnt_merged_is_told_as_one(source: str) -> None:
    with pytest.raises(CheckpointError, match="saved without merge_and_unload"):
        target(source, tied=True)


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("base_model.model.model.language_model.norm.weight", "output_norm.weight"),
        ("base_model.model.lm_head.weight", "output.weight"),
        ("module.language_model.model.norm.weight", "output_norm.weight"),
        ("_orig_mod.model.norm.weight", "output_norm.weight"),
        ("model._orig_mod.layers.3.mlp.up_proj.weight", "blk.3.ffn_up.weight"),
        ("module._orig_mod.model.norm.weight", "output_norm.weight"),
        ("model.language_model.model.norm.weight", "output_norm.weight"),
        ("model.language_model.lm_head.weight", "output.weight"),
    ],
)
def test_what_wrappers_put_into_names_is_passed_over(source: str, name: str) -> None:
    assert target(source, tied=False).name == name


@pytest.mark.parametrize(
    "source",
    [
        "vision_tower.vision_model.embeddings.position_ids",
        "model.embed_tokens.embed_scale",
        "language_model.model.layers.0.self_attn.rotary_emb.inv_freq",
        "model.rotary_emb.original_inv_freq",
    ],
)
def test_buffers_are_passed_over(source: str) -> None:
    assert target(source, tied=True).part == "unused"


def test_one_is_added_to_rms_norms_and_to_nothing_else() -> None:
    """Gemma3RMSNorm multiplies by 1 + weight; SigLIP's LayerNorms don't."""
    names = text_names(1, tied=True) + projector_names(1)
    assert [name for name in names if NORM_PLUS_ONE.search(name)] == [
        "output_norm.weight",
        "blk.0.attn_norm.weight",
        "blk.0.attn_q_norm.weight",
        "blk.0.attn_k_norm.weight",
        "blk.0.post_attention_norm.weight",
        "blk.0.ffn_norm.weight",
        "blk.0.post_ffw_norm.weight",
        "mm.soft_emb_norm.weight",
    ]
