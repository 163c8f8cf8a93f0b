"""Whether what an adapter has for a tensor fits that tensor of the base."""

from __future__ import annotations

import math
from collections.abc import Sequence

from converters.entries import Entry
from edge_med.artifacts.adapters.peft_adapter import OpenedAdapter, StoredTensor, TensorUpdate
from edge_med.errors import CheckpointError


def own_base(adapters: Sequence[OpenedAdapter]) -> str:
    """What to do where a base isn't that of adapters: give theirs, by its name if they say it."""
    named = dict.fromkeys(a.settings.base_id for a in adapters if a.settings.base_id)
    return f"Give the adapter's own base model{': ' if named else ''}{' or '.join(named)}."


def check(part: TensorUpdate, entry: Entry | None, own: str) -> None:
    """Compare the shapes of all that a part has with those of its tensor.

    Args:
        part: part of an adapter.
        entry: tensor of the base; None if the base lacks it.
        own: name of the base to give instead.

    Raises:
        CheckpointError: the base lacks the tensor, or a shape doesn't fit.
    """
    if entry is None:
        raise _missing(part, own)
    if entry.channels_last:
        raise CheckpointError(
            f"The adapter changes {part.module}, which this base has in MLX's order.",
            "Give the base as the hub has it, and not as MLX converted it.",
        )
    check_shapes(part, entry.source.shape, own)


def check_shapes(part: TensorUpdate, base: tuple[int, ...] | None, own: str) -> None:
    """Compare the shapes with that of a base's tensor; None if the base lacks it."""
    if base is None:
        raise _missing(part, own)
    outputs, inputs = base[0], math.prod(base[1:])
    turned = inputs if part.embedding else outputs
    rank = _shape(part.down)[:1]
    wanted = {
        "A": (part.down, (*rank, outputs if part.embedding else inputs)),
        "B": (part.up, (turned, *rank)),
        "magnitude": (part.magnitude, (1, turned) if _is_conv(part.magnitude) else (turned,)),
        "bias": (part.bias, (outputs,)),
        "trained rows": (part.rows, (len(part.indices), inputs)),
        "whole tensor": (part.whole, (outputs, inputs) if inputs > 1 else (outputs,)),
    }
    for what, (stored, shape) in wanted.items():
        there = _shape(stored)
        if stored and (there[0], math.prod(there[1:])) != (shape[0], math.prod(shape[1:])):
            raise CheckpointError(
                f"The adapter's {what} for {part.module} has the shape {list(there)}, and the "
                f"base's tensor {list(base)}.",
                own,
            )
    if any(index >= outputs for index in part.indices):
        raise CheckpointError(
            f"The adapter names the token {max(part.indices)}, and {part.module} has {outputs}.",
            own,
        )


def _missing(part: TensorUpdate, own: str) -> CheckpointError:
    return CheckpointError(
        f"The adapter changes {part.module}, which the base model lacks.",
        f"{own} A text model alone has no vision tower, and a smaller one has fewer layers.",
    )


def _is_conv(magnitude: StoredTensor | None) -> bool:
    """Whether a magnitude has four axes, as of the patches' convolution: (1, rows, 1, 1)."""
    return len(_shape(magnitude)) == 4


def _shape(stored: StoredTensor | None) -> tuple[int, ...]:
    return stored.tensor.shape if stored else ()
