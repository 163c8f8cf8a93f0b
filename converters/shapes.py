"""The shape that every tensor must have, rows first, by the model's numbers."""

from __future__ import annotations

import re

from converters.hparams import ModelParams, TextParams, VisionParams

_LAYER = re.compile(r"\.blk\.\d+|blk\.\d+\.")

Shape = tuple[int, ...]


def text_shapes(params: TextParams) -> dict[str, Shape]:
    """Shapes of a text model's tensors; a layer's without the `blk.N.` before their name."""
    hidden, wide = (params.hidden,), (params.feed_forward, params.hidden)
    queries, keys = params.heads * params.head_size, params.key_value_heads * params.head_size
    return {
        "token_embd.weight": (params.vocabulary, params.hidden),
        "output.weight": (params.vocabulary, params.hidden),
        "output_norm.weight": hidden,
        "attn_norm.weight": hidden,
        "post_attention_norm.weight": hidden,
        "ffn_norm.weight": hidden,
        "post_ffw_norm.weight": hidden,
        "attn_q_norm.weight": (params.head_size,),
        "attn_k_norm.weight": (params.head_size,),
        "attn_q.weight": (queries, params.hidden),
        "attn_k.weight": (keys, params.hidden),
        "attn_v.weight": (keys, params.hidden),
        "attn_output.weight": (params.hidden, queries),
        "ffn_gate.weight": wide,
        "ffn_up.weight": wide,
        "ffn_down.weight": wide[::-1],
    }


def projector_shapes(vision: VisionParams, text_hidden: int) -> dict[str, Shape]:
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


def all_shapes(params: ModelParams) -> dict[str, Shape]:
    """Both tables."""
    shapes = text_shapes(params.text)
    if params.vision:
        shapes |= projector_shapes(params.vision, params.text.hidden)
    return shapes


def without_layer(name: str) -> str:
    """A tensor's name as the tables have it."""
    return _LAYER.sub("", name)
