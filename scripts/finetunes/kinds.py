"""Kinds of adapters, as settings of PEFT's LoraConfig and what else goes with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

LINEAR = {"target_modules": "all-linear"}
QUERIES = {"target_modules": ["q_proj", "v_proj"]}
VISION = {"target_modules": r".*vision_tower.*\.(q_proj|k_proj|v_proj|out_proj|fc1|fc2)"}
NEW_ROWS = 1152
TOKENS = [107, 300, 421, 640, 1016]
"""Such as stand in prompts and answers; the last is `<start_of_image>`."""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """An adapter to be made.

    Attributes:
        settings: of LoraConfig; `r` is 8 and `lora_alpha` 12, unless they are said.
        then: settings of more adapters, which are merged after it.
        trained: the model that it is made for: micro, or its text model alone.
        merged: the model that it is merged into; the same if None.
        parted: whether head and embedding differ after training, and PEFT's merge of a model that
            has them as one would change both.
        tied: whether both stay one, and PEFT's merge would change that one twice.
        since: of PEFT.
        merges: the version since which PEFT's own merge gives what was trained.
        dtype: that the adapter is saved in.
        whole: whether all its numbers are small whole ones, so that nothing is rounded.
        strength: what its effect is multiplied with.
        rows: of the embedding, after it grew.
        stored: whether it is saved with `save_embedding_layers=True`.
        converted: whether it is saved as one for the plain base.
        refused: what the refusal names.
    """

    settings: Mapping[str, Any]
    then: tuple[Mapping[str, Any], ...] = ()
    trained: Literal["micro", "text"] = "micro"
    merged: Literal["micro", "text"] | None = None
    parted: bool = False
    tied: bool = False
    since: tuple[int, int] = (0, 15)
    merges: tuple[int, int] = (0, 15)
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    whole: bool = False
    strength: float = 1.0
    rows: int | None = None
    stored: bool = False
    converted: bool = False
    refused: str = ""

    @property
    def into(self) -> Literal["micro", "text"]:
        """The model that it is merged into."""
        return self.merged or self.trained


def _kind(base: Mapping[str, Any], **settings: Any) -> Kind:
    return Kind(settings={**base, **settings})


_SAVED = {"modules_to_save": ["lm_head", "embed_tokens"]}
_PATTERNS = {"q_proj": 4, r"layers\.1\.mlp\.down_proj": 2}
_ALPHAS = {"v_proj": 3, r"layers\.[0-3]\.mlp\.up_proj": 20}

KINDS: dict[str, Kind] = {
    "queries and values": _kind(QUERIES),
    "all linear layers": _kind(LINEAR),
    "names by a regular expression": _kind(
        {"target_modules": r".*language_model.*\.(o_proj|down_proj)"}
    ),
    "vision tower alone": _kind(VISION),
    "text model alone (Gemma3ForCausalLM)": replace(_kind(LINEAR), trained="text"),
    "the same, into the whole model": replace(_kind(LINEAR), trained="text", merged="micro"),
    "use_rslora": _kind(LINEAR, use_rslora=True),
    "use_dora": _kind(LINEAR, use_dora=True),
    "rank_pattern": _kind(LINEAR, rank_pattern=_PATTERNS),
    "alpha_pattern": _kind(LINEAR, alpha_pattern=_ALPHAS),
    "both patterns, use_rslora": _kind(
        LINEAR, rank_pattern=_PATTERNS, alpha_pattern=_ALPHAS, use_rslora=True
    ),
    "layers_to_transform": _kind(
        {"target_modules": ["q_proj", "v_proj", "o_proj", "up_proj", "down_proj"]},
        layers_to_transform=[1, 2, 3],
        layers_pattern="layers",
    ),
    "exclude_modules": _kind(LINEAR, exclude_modules=r".*vision_tower.*|.*mlp.*"),
    "modules_to_save: head, embedding": replace(_kind(LINEAR, **_SAVED), parted=True),
    "modules_to_save: embedding": replace(
        _kind(QUERIES, modules_to_save=["embed_tokens"]), parted=True
    ),
    "modules_to_save: head": replace(_kind(QUERIES, modules_to_save=["lm_head"]), parted=True),
    "modules_to_save: norms": _kind(QUERIES, modules_to_save=["input_layernorm", "layer_norm1"]),
    "modules_to_save: projector": _kind(QUERIES, modules_to_save=["multi_modal_projector"]),
    "LoRA of the embedding": replace(
        _kind({"target_modules": ["q_proj", "embed_tokens"]}), parted=True, merges=(0, 18)
    ),
    "LoRA of the head": replace(_kind({"target_modules": ["q_proj", "lm_head"]}), parted=True),
    "LoRA of both": replace(
        _kind({"target_modules": ["q_proj", "lm_head", "embed_tokens"]}),
        parted=True,
        merges=(0, 18),
    ),
    "DoRA of the embedding": replace(
        _kind({"target_modules": ["q_proj", "embed_tokens"]}, use_dora=True),
        parted=True,
        since=(0, 18),
    ),
    "trainable_token_indices": _kind(QUERIES, trainable_token_indices=TOKENS),
    "trainable_token_indices by module": _kind(
        QUERIES, trainable_token_indices={"embed_tokens": TOKENS}
    ),
    "ensure_weight_tying: saved": replace(
        _kind(QUERIES, modules_to_save=["embed_tokens"], ensure_weight_tying=True), since=(0, 18)
    ),
    "ensure_weight_tying: LoRA": replace(
        _kind({"target_modules": ["q_proj", "embed_tokens"]}, ensure_weight_tying=True),
        since=(0, 19),
        tied=True,
    ),
    "ensure_weight_tying: tokens": replace(
        _kind(QUERIES, trainable_token_indices=TOKENS, ensure_weight_tying=True), since=(0, 18)
    ),
    'bias="all"': _kind(LINEAR, bias="all"),
    'bias="lora_only"': _kind(LINEAR, bias="lora_only"),
    "lora_bias of the vision tower": replace(_kind(VISION, lora_bias=True), merges=(0, 18)),
    "two, one after the other": Kind(settings=LINEAR, then=({**QUERIES, "use_rslora": True},)),
    "a scale of 0.5": replace(_kind(LINEAR), strength=0.5),
    "saved in BF16": replace(_kind(LINEAR), dtype="bfloat16"),
    "saved in F16": replace(_kind(LINEAR, **_SAVED), dtype="float16", parted=True),
    "more tokens (resize_token_embeddings)": replace(_kind(QUERIES), rows=NEW_ROWS, stored=True),
    "more tokens, head and embedding saved": replace(
        _kind(QUERIES, **_SAVED), rows=NEW_ROWS, parted=True
    ),
    "fan_in_fan_out": _kind(LINEAR, fan_in_fan_out=True),
    "PiSSA, converted": replace(_kind(LINEAR, init_lora_weights="pissa"), converted=True),
    "OLoRA, converted": replace(_kind(LINEAR, init_lora_weights="olora"), converted=True),
    "PiSSA as it is": replace(_kind(LINEAR, init_lora_weights="pissa"), refused="pissa"),
    "OLoRA as it is": replace(_kind(LINEAR, init_lora_weights="olora"), refused="olora"),
    "small whole numbers": replace(_kind(LINEAR, lora_alpha=0.0625), whole=True),
}
