"""The model's numbers, from config.json.

A missing key takes the default of transformers' own config class and nothing else is guessed; a
setting that llama.cpp would not honour is refused by name.

Sources: transformers 5.23 `configuration_gemma3.py` and `configuration_siglip.py` for defaults;
llama.cpp `src/models/gemma3.cpp` for what is fixed there: window pattern 6, attention scale,
activation, rope of the window layers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edge_med.artifacts.json_section import DAMAGED, REFUSED, Section, short
from edge_med.artifacts.normalization import check_size, read_normalization
from edge_med.artifacts.rope import read_rope
from edge_med.artifacts.shapes import WINDOW_PATTERN, TextShape, VisionShape
from edge_med.errors import CheckpointError

MULTIMODAL, TEXT_ALONE = ARCHITECTURES = ("Gemma3ForConditionalGeneration", "Gemma3ForCausalLM")
_BY_TYPE = {"gemma3": MULTIMODAL, "gemma3_text": TEXT_ALONE}
SCALED_BY_WIDTH = 62
"""At this number of layers, and no other, llama.cpp scales attention by 1/√(hidden/heads)."""

VOCABULARY = 262_208
"""transformers' default, which is that of the multimodal models."""

MAX_LAYERS = 9999
"""As many as a tensor's name can count (`tensor_names`); MedGemma 27B has 62."""


@dataclass(frozen=True, slots=True)
class TextParams(TextShape):
    """The text model.

    Attributes:
        rope_theta: base of the layers with global attention.
        rope_theta_window: base of the layers with a sliding window.
        rope_factor: linear scaling of the global layers' positions; None for none.
        softcap: softcap of the final logits; None for none.
    """

    epsilon: float
    rope_theta: float
    rope_theta_window: float
    rope_factor: float | None
    softcap: float | None


@dataclass(frozen=True, slots=True)
class VisionParams(VisionShape):
    """The vision tower and the projector; mean and deviation per channel."""

    epsilon: float
    mean: tuple[float, ...]
    deviation: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class ModelParams:
    """Both; `vision` is None for a text model."""

    text: TextParams
    vision: VisionParams | None


def read_params(config: Mapping[str, Any], preprocessor: Mapping[str, Any]) -> ModelParams:
    """Read and check the model's numbers.

    Args:
        config: config.json.
        preprocessor: the image processor's settings, and the processor's `image_seq_length`.

    Raises:
        CheckpointError: the architecture or a setting can't be converted; the message names it.
    """
    params = read_text_params(config)
    if architecture(config) != MULTIMODAL:
        return ModelParams(params, None)
    vision = Section(config.get("vision_config", {}), "vision_config")
    return ModelParams(params, _vision_params(vision, preprocessor, config))


def read_text_params(config: Mapping[str, Any]) -> TextParams:
    """The same of the text model alone."""
    check_architecture(architecture(config))
    text = text_section(config)
    tied = Section(config, "config").flag(
        "tie_word_embeddings", text.flag("tie_word_embeddings", True)
    )
    params = _text_params(text, tied)
    _check_text(text, params)
    return params


def architecture(config: Mapping[str, Any]) -> Any:
    """What config.json says that the model is; by its `model_type` where it names none."""
    listed = config.get("architectures")
    if isinstance(listed, list) and listed and listed[0]:
        return listed[0]
    return _BY_TYPE.get(str(config.get("model_type")))


def check_architecture(name: Any) -> None:
    """Refuse what isn't Gemma 3.

    Raises:
        CheckpointError: it is another architecture, or none.
    """
    if name not in ARCHITECTURES:
        raise CheckpointError(
            f"The architecture {short(name or '(none)')} can't be converted.",
            f"edge-med converts MedGemma and Gemma 3: {', '.join(ARCHITECTURES)}.",
        )


def text_section(config: Mapping[str, Any]) -> Section:
    """The text model's settings, which stand in `text_config` or, of a text model, at the top.

    Raises:
        CheckpointError: `text_config` isn't an object.
    """
    inner = config.get("text_config")
    return Section(config if inner is None else inner, "text_config")


def unsaid(config: Mapping[str, Any]) -> list[str]:
    """What config.json leaves to transformers' defaults of the numbers that make shapes."""
    text = text_section(config)
    return [key for key in _SIZES if text.get(key) is None]


_SIZES = (
    "hidden_size",
    "intermediate_size",
    "num_attention_heads",
    "num_key_value_heads",
    "head_dim",
)
TEXT_KEYS = (
    *_SIZES,
    *("num_hidden_layers", "vocab_size", "max_position_embeddings", "sliding_window"),
    *("rms_norm_eps", "rope_theta", "rope_local_base_freq", "rope_scaling", "rope_parameters"),
    *("final_logit_softcapping", "query_pre_attn_scalar", "layer_types", "hidden_activation"),
)
"""What is read of the text model."""


def _text_params(text: Section, tied: bool) -> TextParams:  # noqa: FBT001
    rope_global, rope_window, factor = read_rope(text)
    softcap = text.get("final_logit_softcapping")
    return TextParams(
        layers=text.integer("num_hidden_layers", 26, MAX_LAYERS),
        hidden=text.integer("hidden_size", 2304),
        feed_forward=text.integer("intermediate_size", 9216),
        heads=text.integer("num_attention_heads", 8),
        key_value_heads=text.integer("num_key_value_heads", 4),
        head_size=text.integer("head_dim", 256),
        vocabulary=text.integer("vocab_size", VOCABULARY),
        context=text.integer("max_position_embeddings", 131_072),
        window=text.integer("sliding_window", 4096),
        epsilon=text.number("rms_norm_eps", 1e-6),
        rope_theta=rope_global,
        rope_theta_window=rope_window,
        rope_factor=factor,
        softcap=text.number("final_logit_softcapping", 0.0) if softcap else None,
        tied=tied,
    )


def _check_text(text: Section, params: TextParams) -> None:
    """Refuse what llama.cpp has fixed to another value than the config's."""
    by_width = params.layers == SCALED_BY_WIDTH
    scale = params.hidden // params.heads if by_width else params.head_size
    layer_types = [
        "full_attention" if (n + 1) % WINDOW_PATTERN == 0 else "sliding_attention"
        for n in range(params.layers)
    ]
    fixed = {
        "query_pre_attn_scalar": (256, (scale,)),
        "sliding_window_pattern": (WINDOW_PATTERN, (WINDOW_PATTERN,)),
        "_sliding_window_pattern": (WINDOW_PATTERN, (WINDOW_PATTERN,)),
        "layer_types": (layer_types, (layer_types, None)),
        "hidden_activation": ("gelu_pytorch_tanh", ("gelu_pytorch_tanh",)),
        "attention_bias": (False, (False, None)),
        "attn_logit_softcapping": (None, (None,)),
        "use_bidirectional_attention": (False, (False, None)),
    }
    for key, (default, honoured) in fixed.items():
        value = default if text.get(key) is None else text.get(key)
        if value in honoured:
            continue
        if key == "query_pre_attn_scalar" and text.get("head_dim") is None and not by_width:
            raise CheckpointError(
                f"head_dim isn't in config.json, which means {scale}, and {key} "
                f"{_said(text, key, default)}: Gemma 3 scales attention by head_dim.",
                "Copy both from config.json of the base model.",
            )
        raise CheckpointError(
            f"{key} {_said(text, key, default)}, and llama.cpp would use {short(honoured[0])}.",
            REFUSED,
        )
    for key, whole, part in (
        ("num_key_value_heads", params.heads, params.key_value_heads),
        ("num_attention_heads", params.hidden, params.heads),
    ):
        if whole % part:
            raise CheckpointError(
                f"{key} {_said(text, key, part)}, and that doesn't divide {whole}.", DAMAGED
            )


def _said(text: Section, key: str, default: object) -> str:
    """What config.json says of a key, or leaves to transformers' default."""
    if text.get(key) is None:
        return f"isn't in config.json, which means {short(default)}"
    return f"in config.json is {short(text.get(key))}"


def _vision_params(
    vision: Section, preprocessor: Mapping[str, Any], config: Mapping[str, Any]
) -> VisionParams:
    tokens = Section(config, "config").integer("mm_tokens_per_image", 256)
    mean, deviation = read_normalization(preprocessor)
    params = VisionParams(
        layers=vision.integer("num_hidden_layers", 12, MAX_LAYERS),
        hidden=vision.integer("hidden_size", 768),
        feed_forward=vision.integer("intermediate_size", 3072),
        heads=vision.integer("num_attention_heads", 12),
        image_size=vision.integer("image_size", 224),
        patch_size=vision.integer("patch_size", 16),
        epsilon=vision.number("layer_norm_eps", 1e-6),
        image_tokens=tokens,
        mean=mean,
        deviation=deviation,
    )
    _check_vision(vision, params, preprocessor)
    check_size(preprocessor, params.image_size)
    return params


def _check_vision(vision: Section, params: VisionParams, preprocessor: Mapping[str, Any]) -> None:
    side = math.isqrt(params.image_tokens)
    patches = params.image_size // params.patch_size
    checks = {
        "hidden_act": vision.get("hidden_act") in (None, "gelu_pytorch_tanh"),
        "num_channels": vision.get("num_channels") in (None, 3),
        "image_size": params.image_size % params.patch_size == 0,
        "mm_tokens_per_image": side * side == params.image_tokens and patches % side == 0,
    }
    for key, honoured in checks.items():
        if not honoured:
            raise CheckpointError(f"{key} in the checkpoint can't be converted.", REFUSED)
    length = preprocessor.get("image_seq_length")
    if length is not None and length != params.image_tokens:
        raise CheckpointError(
            f"image_seq_length of the processor is {short(length)}, and mm_tokens_per_image in "
            f"config.json {params.image_tokens}.",
            "Take the processor's files from the same model as config.json.",
        )
