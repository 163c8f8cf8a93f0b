"""Tiny checkpoints of every form that the converter must take, made in well under a second each."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from devtools.checkpoints.safetensors import write_safetensors, write_shards
from devtools.checkpoints.tokenizer import tiny_tokenizer, write_tokenizer
from edge_med.demo.gemma_270m import to_bf16

PADDED_VOCABULARY = -(-(len(tiny_tokenizer().tokens) + 1) // 64) * 64
Names = Literal["old", "new", "transformers5"]

TEXT_PREFIX = {
    "old": "language_model.model.",
    "new": "model.language_model.",
    "transformers5": "language_model.model.",
}
VISION_PREFIX = {
    "old": "vision_tower.vision_model.",
    "new": "model.vision_tower.",
    "transformers5": "vision_tower.",
}
PROJECTOR_PREFIX = {
    "old": "multi_modal_projector.",
    "new": "model.multi_modal_projector.",
    "transformers5": "multi_modal_projector.",
}


@dataclass(frozen=True, kw_only=True)
class Text:
    """A text model; the names are those of `edge_med.artifacts.hparams`."""

    layers: int = 10
    hidden: int = 256
    feed_forward: int = 512
    heads: int = 4
    key_value_heads: int = 2
    head_size: int = 64
    window: int = 32
    context: int = 512
    rope_factor: float | None = None
    tied: bool = True
    vocabulary: int = PADDED_VOCABULARY


@dataclass(frozen=True, kw_only=True)
class Vision:
    """A vision tower; 144 isn't a multiple of 32, as MedGemma's 4304 isn't."""

    layers: int = 2
    hidden: int = 64
    feed_forward: int = 144
    heads: int = 2
    image_size: int = 56
    patch_size: int = 14
    image_tokens: int = 4


@dataclass(frozen=True, kw_only=True)
class Tiny:
    """A checkpoint to be written; the seed decides all its weights.

    A sharp one has opinions: it is fairly sure of the next token, and what it attends to matters.
    """

    seed: int = 0
    sharp: bool = False
    text: Text = field(default_factory=Text)
    vision: Vision | None = None
    dtype: Literal["BF16", "F16", "F32"] = "BF16"
    names: Names = "old"
    shards: int = 1
    tokenizer_model: bool = True


MULTIMODAL = Tiny(seed=2, text=Text(layers=6), vision=Vision(), shards=3)

TINY = {
    "text": Tiny(seed=1),
    "multimodal": MULTIMODAL,
    "multimodal-new-names": replace(MULTIMODAL, names="new"),
    "multimodal-transformers5": replace(MULTIMODAL, names="transformers5", shards=1),
    # Rows of 160 and 336 fit no K-quant, and 336 isn't a multiple of 32 either.
    "odd-rows": Tiny(
        seed=3, text=Text(hidden=160, feed_forward=336, heads=4, key_value_heads=1, head_size=32)
    ),
    # 27B's ratio of width to heads to head size, and the number of layers that changes the scale.
    "62-layers": Tiny(
        seed=4,
        text=Text(layers=62, hidden=168, feed_forward=256, heads=4, head_size=32, rope_factor=8.0),
    ),
    "float16": Tiny(seed=5, text=Text(layers=6), vision=Vision(), dtype="F16"),
    "float32": Tiny(seed=6, text=Text(layers=6), vision=Vision(), dtype="F32"),
    "untied": Tiny(seed=7, text=Text(layers=6, tied=False)),
    "tokenizer-json": Tiny(seed=1, tokenizer_model=False),
}


SHARPENED = {
    "norm": (6.0, 5.0),
    "q_norm": (2.0, 1.0),
    "post_attention_layernorm": (3.0, 2.0),
    "layer_norm1": (1.0, 1.0),
    "layer_norm2": (1.0, 1.0),
    "post_layernorm": (1.0, 1.0),
}
"""Factor and offset of the norms of a sharp checkpoint.

Gemma's norms multiply by 1 + weight, so that w to 6 w + 5 makes them six times as strong; those of
the vision tower multiply by the weight itself, which should lie around 1.
"""


def write_tiny(tiny: Tiny, folder: Path) -> Path:
    """Write a checkpoint into a folder, and return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    write_tokenizer(folder, model=tiny.tokenizer_model)
    _write(folder / "config.json", config(tiny))
    _write(folder / "generation_config.json", {"do_sample": True, "top_k": 64, "top_p": 0.95})
    if tiny.vision:
        _write(folder / "preprocessor_config.json", preprocessor(tiny.vision))
    weights = stored_weights(tiny, tiny.dtype)
    if tiny.shards == 1:
        write_safetensors(folder / "model.safetensors", weights)
    else:
        write_shards(folder, weights, tiny.shards)
    return folder


def config(tiny: Tiny) -> dict[str, Any]:
    """The config.json of a checkpoint."""
    text = tiny.text
    by_width = text.layers == 62
    linear = {"rope_type": "linear", "factor": text.rope_factor}
    inner = {
        "model_type": "gemma3_text",
        "vocab_size": text.vocabulary,
        "hidden_size": text.hidden,
        "intermediate_size": text.feed_forward,
        "num_hidden_layers": text.layers,
        "num_attention_heads": text.heads,
        "num_key_value_heads": text.key_value_heads,
        "head_dim": text.head_size,
        "query_pre_attn_scalar": text.hidden // text.heads if by_width else text.head_size,
        "sliding_window": text.window,
        "sliding_window_pattern": 6,
        "max_position_embeddings": text.context,
        "rope_theta": 1000000.0,
        "rope_local_base_freq": 10000.0,
        "rope_scaling": linear if text.rope_factor else None,
        "rms_norm_eps": 1e-6,
        "hidden_activation": "gelu_pytorch_tanh",
        "attention_bias": False,
        "tie_word_embeddings": text.tied,
        "bos_token_id": 2,
        "eos_token_id": 1,
        "pad_token_id": 0,
    }
    if tiny.vision is None:
        return {"architectures": ["Gemma3ForCausalLM"], **inner}
    return {
        "architectures": ["Gemma3ForConditionalGeneration"],
        "model_type": "gemma3",
        "text_config": inner,
        "vision_config": _vision_config(tiny.vision),
        "mm_tokens_per_image": tiny.vision.image_tokens,
        "boi_token_index": tiny_tokenizer().id("<start_of_image>"),
        "eoi_token_index": tiny_tokenizer().id("<end_of_image>"),
        "image_token_index": len(tiny_tokenizer().tokens),
        "tie_word_embeddings": text.tied,
    }


def preprocessor(vision: Vision) -> dict[str, Any]:
    """The preprocessor_config.json of a multimodal checkpoint."""
    return {
        "image_mean": [0.5] * 3,
        "image_std": [0.5] * 3,
        "image_seq_length": vision.image_tokens,
        "image_processor_type": "Gemma3ImageProcessor",
        "processor_class": "Gemma3Processor",
        "size": {"height": vision.image_size, "width": vision.image_size},
    }


def _vision_config(vision: Vision) -> dict[str, Any]:
    return {
        "model_type": "siglip_vision_model",
        "hidden_size": vision.hidden,
        "intermediate_size": vision.feed_forward,
        "num_hidden_layers": vision.layers,
        "num_attention_heads": vision.heads,
        "image_size": vision.image_size,
        "patch_size": vision.patch_size,
        "num_channels": 3,
        "layer_norm_eps": 1e-6,
        "hidden_act": "gelu_pytorch_tanh",
        "vision_use_head": False,
    }


def shapes(tiny: Tiny) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Every tensor of a checkpoint with its shape, rows first."""
    yield from _text_shapes(tiny.text, TEXT_PREFIX[tiny.names] if tiny.vision else "model.")
    if not tiny.text.tied:
        yield "lm_head.weight", (tiny.text.vocabulary, tiny.text.hidden)
    if tiny.vision:
        yield from _vision_shapes(tiny.vision, tiny.text.hidden, tiny.names)


def stored_weights(
    tiny: Tiny, dtype: str, first_number: Mapping[str, float] | None = None
) -> dict[str, tuple[str, npt.NDArray[Any]]]:
    """Every tensor as it is stored; some may begin with a number of the caller's."""
    weights = {}
    for name, shape in shapes(tiny):
        # The weights of a tensor depend on what it is, not on how a version calls it.
        values = seeded(tiny.seed, _plain(name), shape)
        if tiny.sharp:
            factor, offset = SHARPENED.get(name.split(".")[-2], (1.0, 0.0))
            values = values * np.float32(factor) + np.float32(offset)
        values.flat[0] = (first_number or {}).get(name, values.flat[0])
        weights[name] = (dtype, _stored(values, dtype))
    return weights


def _plain(name: str) -> str:
    for prefix in ("model.", "language_model.", "model.", "vision_tower.", "vision_model."):
        name = name.removeprefix(prefix)
    return name


def _stored(values: npt.NDArray[np.float32], dtype: str) -> npt.NDArray[Any]:
    if dtype == "BF16":
        return to_bf16(values)
    return values.astype(np.float16 if dtype == "F16" else np.float32)


def seeded(seed: int, name: str, shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
    """Bell-shaped numbers around 0 that depend on integer arithmetic alone (splitmix64).

    Matrices spread by 1/√row, so that a deep stack of them neither dies nor explodes.
    """
    start = np.uint64(zlib.crc32(name.encode()) + (seed << 32))
    state = np.arange(int(np.prod(shape)), dtype=np.uint64) + (start << np.uint64(20))
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB), (31, 1)):
        state = (state ^ (state >> np.uint64(shift))) * np.uint64(factor)
    quarters = state.view(np.uint16).reshape(-1, 4).astype(np.float32)
    bell = (quarters.sum(axis=1) - 131070) / 37837  # mean and spread of four 16-bit numbers
    spread = 0.1 if len(shape) == 1 else float(np.prod(shape[1:])) ** -0.5
    values: npt.NDArray[np.float32] = (bell * np.float32(spread)).reshape(shape)
    return values


def _text_shapes(text: Text, prefix: str) -> Iterator[tuple[str, tuple[int, ...]]]:
    queries, keys = text.heads * text.head_size, text.key_value_heads * text.head_size
    yield f"{prefix}embed_tokens.weight", (text.vocabulary, text.hidden)
    for layer in range(text.layers):
        for name, shape in {
            "input_layernorm": (text.hidden,),
            "post_attention_layernorm": (text.hidden,),
            "pre_feedforward_layernorm": (text.hidden,),
            "post_feedforward_layernorm": (text.hidden,),
            "self_attn.q_norm": (text.head_size,),
            "self_attn.k_norm": (text.head_size,),
            "self_attn.q_proj": (queries, text.hidden),
            "self_attn.k_proj": (keys, text.hidden),
            "self_attn.v_proj": (keys, text.hidden),
            "self_attn.o_proj": (text.hidden, queries),
            "mlp.gate_proj": (text.feed_forward, text.hidden),
            "mlp.up_proj": (text.feed_forward, text.hidden),
            "mlp.down_proj": (text.hidden, text.feed_forward),
        }.items():
            yield f"{prefix}layers.{layer}.{name}.weight", shape
    yield f"{prefix}norm.weight", (text.hidden,)


def _vision_shapes(
    vision: Vision, text_hidden: int, names: Names
) -> Iterator[tuple[str, tuple[int, ...]]]:
    prefix, projector = VISION_PREFIX[names], PROJECTOR_PREFIX[names]
    width, wide = vision.hidden, vision.feed_forward
    side = vision.image_size // vision.patch_size
    yield f"{projector}mm_input_projection_weight", (width, text_hidden)
    yield f"{projector}mm_soft_emb_norm.weight", (width,)
    yield f"{prefix}embeddings.patch_embedding.weight", (width, 3, *[vision.patch_size] * 2)
    yield f"{prefix}embeddings.patch_embedding.bias", (width,)
    yield f"{prefix}embeddings.position_embedding.weight", (side * side, width)
    for layer in range(vision.layers):
        for name, shape in {
            "layer_norm1": (width,),
            "layer_norm2": (width,),
            "self_attn.q_proj": (width, width),
            "self_attn.k_proj": (width, width),
            "self_attn.v_proj": (width, width),
            "self_attn.out_proj": (width, width),
            "mlp.fc1": (wide, width),
            "mlp.fc2": (width, wide),
        }.items():
            yield f"{prefix}encoder.layers.{layer}.{name}.weight", shape
            yield f"{prefix}encoder.layers.{layer}.{name}.bias", shape[:1]
    yield f"{prefix}post_layernorm.weight", (width,)
    yield f"{prefix}post_layernorm.bias", (width,)


def _write(path: Path, data: object) -> None:
    path.write_text(json.dumps(data, indent=1))
