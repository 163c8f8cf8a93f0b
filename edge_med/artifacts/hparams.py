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

from edge_med.artifacts.shapes import WINDOW_PATTERN, TextShape, VisionShape
from edge_med.errors import CheckpointError

ARCHITECTURES = ("Gemma3ForConditionalGeneration", "Gemma3ForCausalLM")
SCALED_BY_WIDTH = 62
"""At this number of layers, and no other, llama.cpp scales attention by 1/√(hidden/heads)."""

MAX_LAYERS = 9999
"""As many as a tensor's name can count (converters/names.py); MedGemma 27B has 62."""

_DAMAGED = "Download config.json and the preprocessor's file again."
_REFUSED = "llama.cpp would run this model differently; only unchanged Gemma 3 settings convert."


@dataclass(frozen=True, slots=True)
class TextParams(TextShape):
    """The text model.

    Attributes:
        rope_theta: base of the layers with global attention.
        rope_theta_window: base of the layers with a sliding window.
        rope_factor: linear scaling of the global layers' positions; None for none.
        softcap: of the final logits; None for none.
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
        preprocessor: preprocessor_config.json and processor_config.json, merged.

    Raises:
        CheckpointError: the architecture or a setting can't be converted; the message names it.
    """
    listed = config.get("architectures")
    names = listed if isinstance(listed, list) and listed else ["(none)"]
    if names[0] not in ARCHITECTURES:
        raise CheckpointError(
            f"The architecture {_short(names[0])} can't be converted.",
            f"edge-med converts MedGemma and Gemma 3: {', '.join(ARCHITECTURES)}.",
        )
    multimodal = names[0] == ARCHITECTURES[0]
    text = _Section(config.get("text_config", {}) if multimodal else config, "text_config")
    tied = _Section(config, "config").flag(
        "tie_word_embeddings", text.flag("tie_word_embeddings", True)
    )
    params = _text_params(text, tied)
    _check_text(text, params)
    if not multimodal:
        return ModelParams(params, None)
    vision = _Section(config.get("vision_config", {}), "vision_config")
    return ModelParams(params, _vision_params(vision, preprocessor, config))


class _Section:
    """One object of config.json, read with types."""

    def __init__(self, data: Any, name: str) -> None:
        if not isinstance(data, Mapping):
            raise CheckpointError(f"{name} in config.json isn't an object.", _DAMAGED)
        self._data = data

    def get(self, key: str) -> Any:
        return self._data.get(key)

    def integer(self, key: str, default: int, limit: int = (1 << 31) - 1) -> int:
        value = self._data.get(key, default)
        if type(value) is not int or not 0 < value <= limit:
            raise CheckpointError(
                f"{key} in config.json is {_short(value)}, not a number from 1 to {limit}.",
                _DAMAGED,
            )
        return value

    def number(self, key: str, default: float) -> float:
        value = self._data.get(key, default)
        if type(value) not in (int, float) or not 0 < value < math.inf:
            raise CheckpointError(
                f"{key} in config.json is {_short(value)}, not a positive number.", _DAMAGED
            )
        return float(value)

    def section(self, key: str) -> _Section | None:
        """An object inside, or None if it isn't there."""
        value = self._data.get(key)
        return None if value is None else _Section(value, key)

    def known(self, *keys: str) -> None:
        """Refuse an object that holds other keys: what isn't understood must not be dropped."""
        for key in self._data.keys() - set(keys):
            raise CheckpointError(f"{_short(key)} in config.json isn't known here.", _REFUSED)

    def flag(self, key: str, default: bool) -> bool:  # noqa: FBT001 - it is the value itself
        value = self._data.get(key, default)
        return bool(default if value is None else value)


def _text_params(text: _Section, tied: bool) -> TextParams:  # noqa: FBT001
    rope_global, rope_window, factor = _rope(text)
    softcap = text.get("final_logit_softcapping")
    return TextParams(
        layers=text.integer("num_hidden_layers", 26, MAX_LAYERS),
        hidden=text.integer("hidden_size", 2304),
        feed_forward=text.integer("intermediate_size", 9216),
        heads=text.integer("num_attention_heads", 8),
        key_value_heads=text.integer("num_key_value_heads", 4),
        head_size=text.integer("head_dim", 256),
        vocabulary=text.integer("vocab_size", 262_208),
        context=text.integer("max_position_embeddings", 131_072),
        window=text.integer("sliding_window", 4096),
        epsilon=text.number("rms_norm_eps", 1e-6),
        rope_theta=rope_global,
        rope_theta_window=rope_window,
        rope_factor=factor,
        softcap=text.number("final_logit_softcapping", 0.0) if softcap else None,
        tied=tied,
    )


def _rope(text: _Section) -> tuple[float, float, float | None]:
    """Bases and linear factor, as transformers 5 (`rope_parameters`) or 4 writes them."""
    layers = text.section("rope_parameters") or _Section({}, "rope_parameters")
    layers.known("full_attention", "sliding_attention")
    full = layers.section("full_attention") or text.section("rope_scaling")
    window = layers.section("sliding_attention")
    theta = _rope_base(full, text.number("rope_theta", 1_000_000.0))
    theta_window = _rope_base(window, text.number("rope_local_base_freq", 10_000.0))
    if window is not None and _rope_type(window) != "default":
        raise CheckpointError("The window layers' rope in config.json is scaled.", _REFUSED)
    if full is None or _rope_type(full) == "default":
        return theta, theta_window, None
    return theta, theta_window, full.number("factor", 1.0)


def _rope_base(rope: _Section | None, default: float) -> float:
    if rope is None:
        return default
    rope.known("rope_type", "type", "rope_theta", "factor")
    return rope.number("rope_theta", default)


def _rope_type(rope: _Section) -> str:
    kind = rope.get("rope_type") or rope.get("type") or "default"
    if kind not in ("default", "linear"):
        raise CheckpointError(f"rope_type in config.json is {_short(kind)}.", _REFUSED)
    return str(kind)


def _check_text(text: _Section, params: TextParams) -> None:
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
        if value not in honoured:
            raise CheckpointError(
                f"{key} in config.json is {_short(value)}, and llama.cpp would use "
                f"{_short(honoured[0])}.",
                _REFUSED,
            )
    for key, whole, part in (
        ("num_key_value_heads", params.heads, params.key_value_heads),
        ("num_attention_heads", params.hidden, params.heads),
    ):
        if whole % part:
            raise CheckpointError(
                f"{key} in config.json is {part}, which doesn't divide {whole}.", _DAMAGED
            )


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"


def _vision_params(
    vision: _Section, preprocessor: Mapping[str, Any], config: Mapping[str, Any]
) -> VisionParams:
    tokens = _Section(config, "config").integer("mm_tokens_per_image", 256)
    params = VisionParams(
        layers=vision.integer("num_hidden_layers", 12, MAX_LAYERS),
        hidden=vision.integer("hidden_size", 768),
        feed_forward=vision.integer("intermediate_size", 3072),
        heads=vision.integer("num_attention_heads", 12),
        image_size=vision.integer("image_size", 224),
        patch_size=vision.integer("patch_size", 16),
        epsilon=vision.number("layer_norm_eps", 1e-6),
        image_tokens=tokens,
        mean=_channels(preprocessor, "image_mean"),
        deviation=_channels(preprocessor, "image_std"),
    )
    _check_vision(vision, params, preprocessor)
    return params


def _check_vision(vision: _Section, params: VisionParams, preprocessor: Mapping[str, Any]) -> None:
    side = math.isqrt(params.image_tokens)
    patches = params.image_size // params.patch_size
    checks = {
        "hidden_act": vision.get("hidden_act") in (None, "gelu_pytorch_tanh"),
        "num_channels": vision.get("num_channels") in (None, 3),
        "image_size": params.image_size % params.patch_size == 0,
        "mm_tokens_per_image": side * side == params.image_tokens and patches % side == 0,
        "image_seq_length": preprocessor.get("image_seq_length", params.image_tokens)
        == params.image_tokens,
    }
    for key, honoured in checks.items():
        if not honoured:
            raise CheckpointError(f"{key} in the checkpoint can't be converted.", _REFUSED)


def _channels(preprocessor: Mapping[str, Any], key: str) -> tuple[float, ...]:
    """Three numbers; Gemma 3's own are 0.5 each, but a projector without the file is incomplete."""
    values = preprocessor.get(key)
    if not isinstance(values, list) or len(values) != 3:
        raise CheckpointError(
            f"{key} is missing: preprocessor_config.json or processor_config.json should have it.",
            "Download the missing file of the checkpoint.",
        )
    return tuple(_Section({key: value}, key).number(key, 1.0) for value in values)
