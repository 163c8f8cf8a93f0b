"""How Hugging Face and GGUF call the same tensor. Tables only; `{}` is the number of a layer.

Sources: the published Gemma 3 checkpoints, transformers 5.23 `save_pretrained`, and llama.cpp's
`src/llama-arch.cpp` and `tools/mtmd/clip-impl.h`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from edge_med.errors import CheckpointError

Part = Literal["text", "projector", "unused"]

_COMPILED = r"_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module"
WRAPPERS = re.compile(rf"^(?:(?:base_model\.model|module|{_COMPILED})\.)+|(?<=\.)(?:{_COMPILED})\.")
"""What PEFT, DataParallel, torch.compile, FSDP and activation checkpointing put into names."""

BUFFERS = re.compile(
    r"(?:^|\.)(?:position_ids|embed_scale|(?:\w+_)?inv_freq|masked_bias|num_batches_tracked)$"
)
"""What older versions of transformers have saved although it is computed anew."""

UNMERGED = re.compile(
    r"\.base_layer\.|\.lora_(?:A|B|embedding_A|embedding_B|magnitude_vector)\b"
    r"|\.modules_to_save\.|\.original_module\.|\.token_adapter\."
)
"""What PEFT's names have as long as an adapter isn't merged."""

TEXT_PREFIXES = (
    "language_model.model.",
    "model.language_model.model.",
    "model.language_model.",
    "model.",
)
VISION_PREFIXES = (
    "vision_tower.vision_model.",
    "model.vision_tower.vision_model.",
    "vision_tower.",
    "model.vision_tower.",
)
PROJECTOR_PREFIXES = ("multi_modal_projector.", "model.multi_modal_projector.")
HEADS = (
    "lm_head.weight",
    "language_model.lm_head.weight",
    "model.language_model.lm_head.weight",
    "model.lm_head.weight",
)

TEXT = {
    "embed_tokens.weight": "token_embd.weight",
    "norm.weight": "output_norm.weight",
    "layers.{}.input_layernorm.weight": "blk.{}.attn_norm.weight",
    "layers.{}.self_attn.q_proj.weight": "blk.{}.attn_q.weight",
    "layers.{}.self_attn.k_proj.weight": "blk.{}.attn_k.weight",
    "layers.{}.self_attn.v_proj.weight": "blk.{}.attn_v.weight",
    "layers.{}.self_attn.o_proj.weight": "blk.{}.attn_output.weight",
    "layers.{}.self_attn.q_norm.weight": "blk.{}.attn_q_norm.weight",
    "layers.{}.self_attn.k_norm.weight": "blk.{}.attn_k_norm.weight",
    "layers.{}.post_attention_layernorm.weight": "blk.{}.post_attention_norm.weight",
    "layers.{}.pre_feedforward_layernorm.weight": "blk.{}.ffn_norm.weight",
    "layers.{}.mlp.gate_proj.weight": "blk.{}.ffn_gate.weight",
    "layers.{}.mlp.up_proj.weight": "blk.{}.ffn_up.weight",
    "layers.{}.mlp.down_proj.weight": "blk.{}.ffn_down.weight",
    "layers.{}.post_feedforward_layernorm.weight": "blk.{}.post_ffw_norm.weight",
}

EMBEDDING, HEAD = "token_embd.weight", "output.weight"

Place = Literal["text", "head", "vision", "projector"]

PLACES: tuple[tuple[str, Place], ...] = (
    (HEAD, "head"),
    ("mm.", "projector"),
    ("v.", "vision"),
    ("", "text"),
)
"""Parts of a model, by how GGUF names begin in them."""

PLACE_WORDS: dict[Place, str] = {
    "text": "of the text model",
    "head": "of the output head",
    "vision": "of the vision tower",
    "projector": "of the projector",
}

VISION = {
    "embeddings.patch_embedding.weight": "v.patch_embd.weight",
    "embeddings.patch_embedding.bias": "v.patch_embd.bias",
    "embeddings.position_embedding.weight": "v.position_embd.weight",
    "post_layernorm.weight": "v.post_ln.weight",
    "post_layernorm.bias": "v.post_ln.bias",
} | {
    f"encoder.layers.{{}}.{theirs}.{kind}": f"v.blk.{{}}.{ours}.{kind}"
    for kind in ("weight", "bias")
    for theirs, ours in (
        ("layer_norm1", "ln1"),
        ("layer_norm2", "ln2"),
        ("self_attn.q_proj", "attn_q"),
        ("self_attn.k_proj", "attn_k"),
        ("self_attn.v_proj", "attn_v"),
        ("self_attn.out_proj", "attn_out"),
        ("mlp.fc1", "ffn_up"),
        ("mlp.fc2", "ffn_down"),
    )
}

PROJECTOR = {
    "mm_input_projection_weight": "mm.input_projection.weight",
    "mm_soft_emb_norm.weight": "mm.soft_emb_norm.weight",
}

UNUSED_VISION = ("head.",)
"""The pooling head of SigLIP's own classifier; Gemma 3 doesn't use it."""

NORM_PLUS_ONE = re.compile(r"(^|[._])norm\.weight$|^mm\.soft_emb_norm\.weight$")
"""Gemma stores the weight of its RMS norms less one; LayerNorms of the vision tower stay."""

_LAYER = re.compile(r"(?<=layers\.)(0|[1-9]\d{0,3})(?=\.)")


@dataclass(frozen=True, slots=True)
class Target:
    """Where a tensor goes: into which file, and under which name there."""

    part: Part
    name: str


def place(name: str) -> Place:
    """The part of a model that a tensor belongs to, by its GGUF name."""
    return next(found for start, found in PLACES if name.startswith(start))


def counted(tensors: Iterable[str]) -> str:
    """How many tensors of each part there are, by their GGUF names, in words."""
    counts = Counter(map(place, tensors))
    found = [(counts[kind], words) for kind, words in PLACE_WORDS.items() if counts[kind]]
    nouns = ["tensor " if count == 1 else "tensors " for count, _ in found[:1]] + [""] * len(found)
    return ", ".join(f"{n} {noun}{words}" for (n, words), noun in zip(found, nouns, strict=False))


def is_buffer(source: str) -> bool:
    """Whether a tensor is ignored, because it is computed."""
    return BUFFERS.search(source) is not None


def is_head(source: str) -> bool:
    """Whether a tensor is the output head, under any of its names."""
    return unwrapped(source) in HEADS


def unwrapped(source: str) -> str:
    """A name without what wrappers of the model have put into it."""
    return WRAPPERS.sub("", source)


def target(source: str, *, tied: bool) -> Target:
    """Where a tensor of the checkpoint goes.

    Args:
        source: name in the checkpoint, in any of the published forms.
        tied: whether the output head is the embedding; then its copy is left out.

    Raises:
        CheckpointError: no table has the name, or it belongs to an adapter.
    """
    if UNMERGED.search(source):
        raise CheckpointError(
            f"{source} belongs to an adapter that isn't merged: the model was saved without "
            "merge_and_unload.",
            "Save it by model.merge_and_unload().save_pretrained(FOLDER), and convert that.",
        )
    given, source = source, unwrapped(source)
    if source in HEADS:
        return Target("unused", HEAD) if tied else Target("text", HEAD)
    found = _LAYER.search(source)
    layer = found.group() if found else ""
    pattern = _LAYER.sub("{}", source, count=1)
    for part, prefixes, table in (
        ("text", TEXT_PREFIXES, TEXT),
        ("projector", VISION_PREFIXES, VISION),
        ("projector", PROJECTOR_PREFIXES, PROJECTOR),
    ):
        for prefix in prefixes:
            if pattern.startswith(prefix) and (name := table.get(pattern.removeprefix(prefix))):
                return Target(part, name.format(layer))  # type: ignore[arg-type]
    unused = any(source.startswith(p + head) for p in VISION_PREFIXES for head in UNUSED_VISION)
    if unused or is_buffer(source):
        return Target("unused", source)
    raise CheckpointError(
        f"The tensor {given} has no place in a Gemma 3 model.",
        "Is it of another model, or was a layer added? Only unchanged Gemma 3 converts.",
    )


def text_names(layers: int, *, tied: bool) -> list[str]:
    """Every tensor that a text model must have, by its GGUF name."""
    return _expand(TEXT, layers) + ([] if tied else [HEAD])


def projector_names(layers: int) -> list[str]:
    """Every tensor that a projector must have, by its GGUF name."""
    return _expand(VISION, layers) + list(PROJECTOR.values())


def _expand(table: dict[str, str], layers: int) -> list[str]:
    once = [name for name in table.values() if "{}" not in name]
    each = [name for name in table.values() if "{}" in name]
    return once + [name.format(layer) for layer in range(layers) for name in each]
