"""What of an adapter llama.cpp can apply while a model runs, and what only a merge can have.

Source: llama-adapter.cpp and `build_lora_mm` in llama-graph.cpp of llama.cpp 0.5.0. What Gemma 3's
graph multiplies with adapters: `edge_med.artifacts.adapters.gguf_adapter.ADAPTED`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from edge_med.artifacts import tensor_names as names
from edge_med.artifacts.adapters.gguf_adapter import ADAPTED
from edge_med.artifacts.adapters.peft_adapter import OpenedAdapter, TensorUpdate


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A tensor that an adapter changes, and why a GGUF adapter can't hold that."""

    name: str
    reason: str

    @property
    def of_text(self) -> bool:
        """Whether answers about text are others without it."""
        return names.place(self.name) in ("text", "head")


@dataclass(frozen=True, slots=True)
class Division:
    """An adapter in two: what a GGUF adapter holds, by GGUF names, and what it leaves out."""

    tensors: Mapping[str, TensorUpdate]
    left: tuple[LeftOut, ...]


_Reason = tuple[Callable[[str, TensorUpdate], bool], str]

_REASONS: tuple[_Reason, ...] = (
    (
        lambda name, _: names.place(name) in ("vision", "projector"),
        "llama.cpp applies adapters to the text model alone",
    ),
    (lambda _, part: part.magnitude is not None, "DoRA brings its rows to magnitudes"),
    (lambda _, part: part.whole is not None, "it is replaced whole"),
    (lambda _, part: part.rows is not None, "rows of it were trained alone"),
    (lambda _, part: part.bias is not None, "Gemma 3's text model has no bias there"),
    (lambda _, part: part.embedding, "llama.cpp can't adapt an embedding that is the head too"),
)
"""Reasons why a GGUF adapter can't hold a part; the first that applies counts."""

_TIED = "in the base the output head is the embedding, which llama.cpp can't adapt"
_UNKNOWN = "llama.cpp doesn't adapt it"


def divide(adapter: OpenedAdapter, *, tied: bool = True) -> Division:
    """Find out what of an adapter a GGUF adapter can hold.

    Args:
        adapter: an opened one of PEFT's.
        tied: whether the base's output head is its embedding, as in every MedGemma.
    """
    tensors: dict[str, TensorUpdate] = {}
    left = []
    for name, part in adapter.parts.items():
        why = _why_not(name, part, tied=tied)
        if why is None:
            tensors[name] = part
        else:
            left.append(LeftOut(name, why))
    return Division(tensors, tuple(left))


def _why_not(name: str, part: TensorUpdate, *, tied: bool) -> str | None:
    for applies, why in _REASONS:
        if applies(name, part):
            return why
    if tied and name == names.HEAD:
        return _TIED
    return None if ADAPTED.fullmatch(name) else _UNKNOWN
