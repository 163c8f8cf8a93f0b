"""Which tensor is stored in which type, for every quantization of a text model.

The mixes are those of llama.cpp's `src/llama-quant.cpp` (llama_tensor_get_type_impl,
tensor_type_fallback, tensor_allows_quantization) for a dense model of architecture gemma3 without
an importance matrix. The oracle is llama-quantize itself: tests hold every tensor against it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from edge_med.artifacts.tensor_types import BY_NAME, F16, F32, TensorType
from edge_med.errors import UsageError

EMBEDDING, HEAD = "token_embd.weight", "output.weight"
_LAYER = re.compile(r"blk\.(\d+)\.")


@dataclass(frozen=True, slots=True)
class TensorPlace:
    """Where a tensor stands: its layer, of how many, and query heads per key-value head."""

    layer: int
    layers: int
    heads_per_key: int


Rule = Callable[[TensorPlace], bool]


def more_bits(place: TensorPlace) -> bool:
    """The first and the last eighth of the layers, and every third between (`use_more_bits`)."""
    eighth = place.layers // 8
    last = place.layer >= 7 * place.layers // 8
    return place.layer < eighth or last or (place.layer - eighth) % 3 == 2


def first_eighth(place: TensorPlace) -> bool:
    """The first eighth of the layers."""
    return place.layer < place.layers // 8


def first_four(place: TensorPlace) -> bool:
    """The first four layers."""
    return place.layer < 4


def shared_by_four(place: TensorPlace) -> bool:
    """Four or more query heads share a key-value head, so that its matrices are small."""
    return place.heads_per_key >= 4


@dataclass(frozen=True, slots=True)
class Mix:
    """The types of one quantization.

    Attributes:
        default: type of all matrices without a rule of their own.
        head: type of the output head, and of the embedding where that is the head too.
        value: type and rule of the attention's value matrices, where they differ.
        down: the same of the feed-forward's down matrices.
    """

    default: str
    head: str
    value: tuple[str, Rule] | None = None
    down: tuple[str, Rule] | None = None


MIXES = {
    "F32": Mix("F32", "F32"),
    "F16": Mix("F16", "F16"),
    "BF16": Mix("BF16", "BF16"),
    "Q8_0": Mix("Q8_0", "Q8_0"),
    "Q6_K": Mix("Q6_K", "Q6_K"),
    "Q5_K_M": Mix("Q5_K", "Q6_K", value=("Q6_K", more_bits), down=("Q6_K", more_bits)),
    "Q4_K_M": Mix("Q4_K", "Q6_K", value=("Q6_K", more_bits), down=("Q6_K", more_bits)),
    "Q4_K_S": Mix("Q4_K", "Q6_K", value=("Q5_K", first_four), down=("Q5_K", first_eighth)),
    "Q4_0": Mix("Q4_0", "Q6_K"),
    "IQ4_XS": Mix("IQ4_XS", "Q6_K", value=("Q5_K", shared_by_four), down=("Q5_K", first_eighth)),
}

FALLBACKS = {"Q4_K": "Q5_0", "Q5_K": "Q5_1", "Q6_K": "Q8_0", "IQ4_XS": "IQ4_NL"}
"""What a row that isn't a multiple of 256 is stored as; one that isn't of 32 either becomes F16."""

WRITTEN = frozenset({*FALLBACKS, *FALLBACKS.values(), "F32", "F16", "BF16", "Q4_0", "Q4_1"})
"""Every type that a tensor of ours can have."""


@dataclass(frozen=True, slots=True)
class Override:
    """A type that the user asked for: of tensors whose name the expression is found in."""

    pattern: re.Pattern[str]
    type: TensorType


def parse_override(text: str) -> Override:
    """Read a `REGEX=TYPE`.

    Raises:
        UsageError: there is no `=`, the expression can't be compiled, or the type isn't written.
    """
    pattern, _, name = text.rpartition("=")
    if not pattern or name.upper() not in WRITTEN:
        raise UsageError(
            f"'{text}' isn't REGEX=TYPE.", f"The types are: {', '.join(sorted(WRITTEN))}."
        )
    try:
        return Override(re.compile(pattern, re.IGNORECASE), BY_NAME[name.upper()])
    except re.error as error:
        raise UsageError(
            f"'{pattern}' isn't a regular expression: {error}.",
            "Such as: 'blk\\.[0-3]\\.ffn_down=Q6_K'.",
        ) from None


@dataclass(frozen=True, slots=True)
class Mixer:
    """Chooses the type of every tensor of one text file.

    Attributes:
        quant: a name in `MIXES`.
        layers: number of the model's layers.
        heads_per_key: query heads per key-value head.
        tied: whether the embedding is the output head as well.
        overrides: tried in order; the first that matches decides.
    """

    quant: str
    layers: int
    heads_per_key: int
    tied: bool
    overrides: tuple[Override, ...] = ()

    def type_of(self, name: str, shape: tuple[int, ...]) -> TensorType:
        """The type of a tensor, by its GGUF name and its shape with rows first."""
        if is_kept_float(name, shape):
            return F32
        wanted = self._overridden(name) or BY_NAME[self._chosen(name, shape[-1])]
        return fit(wanted, shape[-1])

    def _overridden(self, name: str) -> TensorType | None:
        return next((o.type for o in self.overrides if o.pattern.search(name)), None)

    def _chosen(self, name: str, row: int) -> str:
        mix = MIXES[self.quant]
        if name == HEAD or (name == EMBEDDING and self.tied):
            # A row that the default doesn't fit goes to Q8_0 at once, not to the head's fallback.
            return mix.head if BY_NAME[mix.default].fits(row) else "Q8_0"
        special = {"attn_v": mix.value, "ffn_down": mix.down}
        found = _LAYER.match(name)
        rule = special.get(name.split(".")[-2]) if found else None
        if found and rule and rule[1](self._place(int(found[1]))):
            return rule[0]
        return mix.default

    def _place(self, layer: int) -> TensorPlace:
        return TensorPlace(layer, self.layers, self.heads_per_key)


def is_kept_float(name: str, shape: tuple[int, ...]) -> bool:
    """Whether a tensor stays F32 in every file: norms, and all that has one dimension."""
    return len(shape) < 2 or name.endswith("_norm.weight")


def fit(wanted: TensorType, row: int) -> TensorType:
    """The type itself if a row fits it, else what llama.cpp falls back to."""
    if wanted.fits(row):
        return wanted
    fallback = BY_NAME[FALLBACKS.get(wanted.name, wanted.name)]
    return fallback if fallback.fits(row) else F16


def projector_type_of(name: str, shape: tuple[int, ...], wanted: str) -> TensorType:
    """The type of a projector's tensor, by llama.cpp's `conversion/gemma.py` (Gemma3VisionModel).

    The patch and position embeddings stay F32; the projection is F16 always, because the graph
    transposes it at run time.
    """
    if len(shape) < 2 or name.startswith(("v.patch_embd", "v.position_embd")):
        return F32
    if name == "mm.input_projection.weight":
        return F16
    kind = BY_NAME[wanted]
    return kind if kind.fits(shape[-1]) else F16


def goes_through_bf16(quant: str) -> bool:
    """Whether F32 and F16 weights are rounded to BF16 first, as llama.cpp's own way does.

    Its tools convert to BF16 and quantize that; F32 and F16 files it converts directly.
    """
    return BY_NAME.get(quant) not in (F32, F16)
