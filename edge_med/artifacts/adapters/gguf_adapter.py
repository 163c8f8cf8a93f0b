"""A LoRA adapter for llama.cpp, checked before it is loaded.

For a weight W of the model it holds A (rank, inputs) and B (outputs, rank): with the adapter the
model computes with W + scale · alpha / rank · B A. Where an adapter breaks a rule of this page,
llama.cpp would end the process, or leave a part of the adapter out without a word.

Source: llama-adapter.cpp and llama-graph.cpp (`build_lora_mm`) of llama.cpp 0.5.0.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from edge_med.artifacts.adapters.peft_folder import merge_command
from edge_med.artifacts.gguf import GgufTensor, Header, read_header
from edge_med.artifacts.tensor_names import HEAD
from edge_med.artifacts.tensor_types import BY_NAME, FLOATS
from edge_med.errors import ArtifactError, PairingError

KIND = "adapter"
"""The `general.type` of an adapter."""

ALPHA = "adapter.lora.alpha"

TYPES = (*FLOATS, BY_NAME["Q8_0"])
"""What the converter writes; with integers, for one, llama.cpp can't multiply."""

_SIDES = {".lora_a": 0, ".lora_b": 1}

ADAPTED = re.compile(r"blk\.\d+\.(attn_(q|k|v|output)|ffn_(gate|up|down))\.weight|output\.weight")
"""Weights that Gemma 3's graph multiplies together with their adapters (gemma3.cpp).

It leaves out adapters of norms. One of the embedding lies the other way round than where the
embedding is the output head too, as in every MedGemma, and there llama.cpp ends the process.
"""

_ACTIVATED = "adapter.alora.invocation_tokens"
"""An adapter that is applied from certain tokens on; llama.cpp leaves that to its caller."""

_MERGE = f"Merge it while its base is converted: {merge_command('FOLDER')}"
_AGAIN = (
    "Make it again of the adapter's PEFT folder: "
    "edge-med convert BASE --adapter FOLDER --as-gguf --out adapters"
)
MADE_OF = "edge_med.adapter"
"""The key of the hash of the PEFT weights that a file of ours was made of."""

STRENGTH = "edge_med.adapter_strength"
"""The key of what the effect was multiplied with when it was made; it is in the numbers of B."""


@dataclass(frozen=True, slots=True)
class LoraPair:
    """A (rank, inputs) and B (outputs, rank) for one weight of the model."""

    a: GgufTensor
    b: GgufTensor

    @property
    def rank(self) -> int:
        """What both share."""
        return self.a.shape[0]

    @property
    def fits(self) -> tuple[int, int]:
        """The shape of the weight that it is for, rows first."""
        return self.b.shape[0], self.a.shape[1]


@dataclass(frozen=True, slots=True)
class GgufAdapter:
    """What an adapter's header says.

    Attributes:
        file: name of the file.
        architecture: architecture of its base model.
        alpha: factor of B A, before it is divided by the rank.
        pairs: pairs by the name of the model's weight.
        made_of: the hash of the PEFT weights that a file of ours was made of; else empty.
    """

    file: str
    architecture: str | None
    alpha: float
    pairs: Mapping[str, LoraPair] = field(repr=False)
    made_of: str = ""

    @property
    def rank(self) -> int:
        """The largest of its pairs'; each counts with its own."""
        return max(pair.rank for pair in self.pairs.values())

    @property
    def scaled(self) -> bool:
        """Whether what PEFT multiplies single pairs with is in their numbers, as in ours."""
        return bool(self.made_of)

    @property
    def size(self) -> int:
        """Bytes in memory."""
        return sum(pair.a.size + pair.b.size for pair in self.pairs.values())


def read_adapter(path: Path) -> GgufAdapter:
    """Read an adapter's header, and check all that can be checked without its model.

    Raises:
        ArtifactError: the file is damaged, no LoRA adapter, or can't be applied whole.
    """
    header = read_header(path)
    if not is_adapter(header):
        raise ArtifactError(f"{path.name} isn't an adapter.", _AGAIN)
    if (kind := header.text("adapter.type")) != "lora":
        raise ArtifactError(f"{path.name} is an adapter of type {kind}, not lora.", _MERGE)
    if _ACTIVATED in header.metadata:
        raise ArtifactError(f"{path.name} waits for invocation tokens (aLoRA).", _MERGE)
    alpha = header.single(ALPHA)
    if alpha is None or not 0 < alpha < math.inf:  # llama.cpp takes a missing one, or 0, for rank
        raise ArtifactError(f"{path.name} has an alpha of {header.metadata.get(ALPHA)}.", _AGAIN)
    architecture = header.text("general.architecture")
    pairs = _pairs(header, path.name)
    return GgufAdapter(path.name, architecture, alpha, pairs, header.text(MADE_OF) or "")


def is_adapter(header: Header) -> bool:
    """Whether a file says that it is one; its architecture is that of its model."""
    return header.text("general.type") == KIND


def check_fits(adapter: GgufAdapter, text: Header) -> None:
    """Check that an adapter was made for a model of this shape.

    Raises:
        PairingError: it wasn't; the message names the first tensor that doesn't fit.
    """
    hint = "Give the adapter's own base model, in any quantization."
    if (ours := text.text("general.architecture")) != adapter.architecture:
        raise PairingError(
            f"{adapter.file} is made for {adapter.architecture}, not for {ours}.", hint
        )
    shapes = {tensor.name: tensor.shape for tensor in text.tensors}
    for name, pair in adapter.pairs.items():
        if name == HEAD and name not in shapes:
            raise PairingError(
                f"{adapter.file} is for the output head, which is the embedding in this model: "
                "llama.cpp can't adapt it.",
                _MERGE,
            )
        if name not in shapes:
            raise PairingError(
                f"{adapter.file} has a part for {name}, which the model lacks.", hint
            )
        if pair.fits != shapes[name]:
            raise PairingError(
                f"{adapter.file} is for a {name} of {_sides(pair.fits)}, and the model's is "
                f"{_sides(shapes[name])}.",
                hint,
            )


def _pairs(header: Header, file: str) -> dict[str, LoraPair]:
    """The tensors, two by two."""
    sides: tuple[dict[str, GgufTensor], dict[str, GgufTensor]] = ({}, {})
    for tensor in header.tensors:
        weight, suffix = tensor.name[:-7], tensor.name[-7:]
        if suffix not in _SIDES or not ADAPTED.fullmatch(weight):
            raise ArtifactError(f"{file} has a {tensor.name}, which can't be applied.", _MERGE)
        if len(tensor.shape) != 2 or tensor.type not in TYPES:
            raise _misshaped(file, tensor)
        sides[_SIDES[suffix]][weight] = tensor
    if alone := sorted(sides[0].keys() ^ sides[1].keys()):
        raise ArtifactError(f"{file} has only half of what belongs to {alone[0]}.", _AGAIN)
    if not sides[0]:
        raise ArtifactError(f"{file} is empty.", _AGAIN)
    pairs = {weight: LoraPair(a, sides[1][weight]) for weight, a in sides[0].items()}
    for pair in pairs.values():
        if pair.b.shape[1] != pair.rank:
            raise _misshaped(file, pair.b)
    return pairs


def _misshaped(file: str, tensor: GgufTensor) -> ArtifactError:
    shape = _sides(tensor.shape)
    return ArtifactError(f"{file} has a {tensor.name} of {shape} in {tensor.type.name}.", _AGAIN)


def _sides(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
