"""The tensors of a checkpoint by where they go: all that a model needs, and nothing else."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

from converters.checkpoint import Checkpoint
from converters.quantize import Bytes
from edge_med.artifacts import tensor_names as names
from edge_med.artifacts.hparams import ModelParams, unsaid
from edge_med.artifacts.manifest import Finding
from edge_med.artifacts.safetensors import SourceTensor
from edge_med.artifacts.shapes import all_shapes, without_layer
from edge_med.errors import CheckpointError


class Preparation(Protocol):
    """What is made of a tensor's numbers before they are quantized."""

    def apply(self, tensor: SourceTensor, start: int, raw: Bytes) -> Bytes:
        """Whole rows from `start` on, as they are stored, and in the same type again."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A tensor of the checkpoint with its GGUF name, and the shape that it will have there.

    Attributes:
        change: change by adapters.
    """

    source: SourceTensor
    name: str
    shape: tuple[int, ...]
    change: Preparation | None = None

    @property
    def channels_last(self) -> bool:
        """Whether its filters have the colours last, which only MLX does."""
        return len(self.shape) == FILTERS and self.source.shape != self.shape


FILTERS = 4
"""Dimensions of the patch embedding: filters, colours, rows, columns."""


def parameters(entries: list[Entry]) -> int:
    """Numbers in all of them."""
    return sum(math.prod(entry.shape) for entry in entries)


def read_entries(checkpoint: Checkpoint, params: ModelParams) -> tuple[list[Entry], list[Entry]]:
    """The tensors of the text model and of the projector, in the order of the source.

    Raises:
        CheckpointError: one is missing, there twice, of another shape, or of no such model.
    """
    parts: dict[names.Part, list[Entry]] = {"text": [], "projector": [], "unused": []}
    shapes = all_shapes(params.text, params.vision)
    for shard in checkpoint.shards:
        for source in shard.tensors:
            goal = names.target(source.name, tied=params.text.tied)
            unused = goal.part == "unused"
            shape = source.shape if unused else _shape(source, goal.name, shapes, checkpoint)
            parts[goal.part].append(Entry(source, goal.name, shape))
    _compare(parts["text"], names.text_names(params.text.layers, tied=params.text.tied))
    _compare(
        parts["projector"], names.projector_names(params.vision.layers) if params.vision else []
    )
    return parts["text"], parts["projector"]


def layout_warnings(projector: list[Entry]) -> list[Finding]:
    """Filters that were turned."""
    text = "{} lies as MLX stores filters, with the colours last: it was turned to Gemma 3's order."
    return [Finding("mlx", text.format(e.source.name)) for e in projector if e.channels_last]


def _shape(
    source: SourceTensor, name: str, shapes: dict[str, tuple[int, ...]], checkpoint: Checkpoint
) -> tuple[int, ...]:
    """The shape in the file; rows beyond the vocabulary are left out."""
    wanted, there = shapes.get(without_layer(name)), source.shape
    if wanted and len(wanted) == len(there) == FILTERS and there[0::3] == wanted[0:2]:
        there = (there[0], there[3], *there[1:3])
    cut = (wanted or ())[:1] + there[1:] if name in ("token_embd.weight", names.HEAD) else ()
    if wanted is None or (there != wanted and (cut != wanted or there < wanted)):
        keys = unsaid(checkpoint.config)
        defaults = f" with transformers' defaults for {', '.join(keys)}" if keys else ""
        raise CheckpointError(
            f"{source.name} has the shape {list(source.shape)}; by config.json{defaults} it should "
            f"be {list(wanted) if wanted else 'absent'}.",
            "Weights and config.json don't belong together: take both from the same model.",
        )
    return wanted


def _compare(entries: list[Entry], wanted: list[str]) -> None:
    """Every tensor must be there once, and no other."""
    taken: dict[str, str] = {}
    for entry in entries:
        if entry.name in taken:
            raise CheckpointError(
                f"{entry.source.name} and {taken[entry.name]} are the same tensor.",
                "Remove one of the two, or download the checkpoint again.",
            )
        taken[entry.name] = entry.source.name
    missing = [name for name in wanted if name not in taken]
    leftover = [source for name, source in taken.items() if name not in set(wanted)]
    if missing:
        raise CheckpointError(
            f"{len(missing)} tensors are missing, among them {missing[0]}.",
            "Copy or download the missing shards; is num_hidden_layers in config.json right?",
        )
    if leftover:
        raise CheckpointError(
            f"{leftover[0]} doesn't belong to a model of this config.json.",
            "Weights and config.json don't belong together: take both from the same model.",
        )
