"""The numbers that make a model's size, and the shape that every tensor has by them, rows first."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass

WINDOW_PATTERN = 6
"""Every so many layers, the last one is global; the others see the window alone (gemma3.cpp)."""

_LAYER = re.compile(r"\.blk\.\d+|blk\.\d+\.")

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class TextShape:
    """The text model; names are those of config.json, in full words.

    Attributes:
        tied: whether the output head is the embedding.
    """

    layers: int
    hidden: int
    feed_forward: int
    heads: int
    key_value_heads: int
    head_size: int
    vocabulary: int
    context: int
    window: int
    tied: bool


@dataclass(frozen=True, slots=True)
class VisionShape:
    """The vision tower and the projector; sizes in pixels."""

    layers: int
    hidden: int
    feed_forward: int
    heads: int
    image_size: int
    patch_size: int
    image_tokens: int

    @property
    def pool(self) -> int:
        """How many patches of one side are averaged into one token."""
        return self.image_size // self.patch_size // math.isqrt(self.image_tokens)


def text_shapes(text: TextShape) -> dict[str, Shape]:
    """Shapes of a text model's tensors; a layer's without the `blk.N.` before their name."""
    hidden, wide = (text.hidden,), (text.feed_forward, text.hidden)
    queries, keys = text.heads * text.head_size, text.key_value_heads * text.head_size
    return {
        "token_embd.weight": (text.vocabulary, text.hidden),
        "output.weight": (text.vocabulary, text.hidden),
        "output_norm.weight": hidden,
        "attn_norm.weight": hidden,
        "post_attention_norm.weight": hidden,
        "ffn_norm.weight": hidden,
        "post_ffw_norm.weight": hidden,
        "attn_q_norm.weight": (text.head_size,),
        "attn_k_norm.weight": (text.head_size,),
        "attn_q.weight": (queries, text.hidden),
        "attn_k.weight": (keys, text.hidden),
        "attn_v.weight": (keys, text.hidden),
        "attn_output.weight": (text.hidden, queries),
        "ffn_gate.weight": wide,
        "ffn_up.weight": wide,
        "ffn_down.weight": wide[::-1],
    }


def projector_shapes(vision: VisionShape, text_hidden: int) -> dict[str, Shape]:
    """Shapes of a projector's tensors; a layer's without the `blk.N` in their name."""
    side = vision.image_size // vision.patch_size
    width, wide = vision.hidden, vision.feed_forward
    matrices = {
        "v.attn_q": (width, width),
        "v.attn_k": (width, width),
        "v.attn_v": (width, width),
        "v.attn_out": (width, width),
        "v.ffn_up": (wide, width),
        "v.ffn_down": (width, wide),
        "v.patch_embd": (width, 3, vision.patch_size, vision.patch_size),
    }
    return {
        "v.position_embd.weight": (side * side, width),
        "mm.input_projection.weight": (width, text_hidden),
        "mm.soft_emb_norm.weight": (width,),
        **{f"v.{norm}.{kind}": (width,) for norm in ("ln1", "ln2", "post_ln") for kind in _KINDS},
        **{f"{name}.weight": shape for name, shape in matrices.items()},
        **{f"{name}.bias": shape[:1] for name, shape in matrices.items()},
    }


_KINDS = ("weight", "bias")
_ONCE = ("token_embd", "output", "output_norm", "v.position_embd", "v.patch_embd", "v.post_ln")


def all_shapes(text: TextShape, vision: VisionShape | None) -> dict[str, Shape]:
    """Both tables."""
    return text_shapes(text) | (projector_shapes(vision, text.hidden) if vision else {})


def without_layer(name: str) -> str:
    """A tensor's name as the tables have it."""
    return _LAYER.sub("", name)


def text_tensors(text: TextShape) -> dict[str, Shape]:
    """Every tensor of a text model by its name in a GGUF file."""
    shapes = text_shapes(text)
    if text.tied:
        del shapes["output.weight"]
    return _for_each_layer(shapes, text.layers, lambda name, layer: f"blk.{layer}.{name}")


def projector_tensors(vision: VisionShape, text_hidden: int) -> dict[str, Shape]:
    """Every tensor of a projector by its name in a GGUF file."""
    shapes = projector_shapes(vision, text_hidden)
    return _for_each_layer(
        shapes, vision.layers, lambda name, layer: f"v.blk.{layer}.{name.removeprefix('v.')}"
    )


def _for_each_layer(
    shapes: dict[str, Shape], layers: int, named: Callable[[str, int], str]
) -> dict[str, Shape]:
    once = {name: shape for name, shape in shapes.items() if _is_once(name)}
    return once | {
        named(name, layer): shape
        for layer in range(layers)
        for name, shape in shapes.items()
        if name not in once
    }


def _is_once(name: str) -> bool:
    return name.startswith("mm.") or name.rpartition(".")[0] in _ONCE
