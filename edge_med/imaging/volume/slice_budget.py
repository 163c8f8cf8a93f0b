"""What there is for the slices of a volume: tokens of the context, memory, and patience."""

from __future__ import annotations

from dataclasses import dataclass

from edge_med import _platform
from edge_med.artifacts.vision_facts import IMAGE_TOKENS

AROUND = 12
"""Tokens around a slice's image tokens: its marks and newlines, and `SLICE n`."""

QUESTION = 512
"""Tokens that are left for a question where slices are chosen to fit the context."""


@dataclass(frozen=True, slots=True)
class SliceBudget:
    """The budget for the slices of a volume; None for a number that isn't known.

    Attributes:
        tokens: number of free tokens of the context.
        memory: free memory in bytes.
        seconds: time that an image takes on this machine; it is shown, and decides nothing.
        image_tokens: number of tokens of an image.
        gpu: whether a GPU encodes the slices.
        beside: number of tokens of the context that are reserved for a question and its answer.
    """

    tokens: int | None = None
    memory: int | None = None
    seconds: float | None = None
    image_tokens: int = IMAGE_TOKENS
    gpu: bool = False
    beside: int = 0

    @property
    def each(self) -> int:
        """Number of tokens that a slice takes, with those around it."""
        return self.image_tokens + AROUND


def free_budget(
    context: int,
    used: int,
    *,
    seconds: float | None,
    image_tokens: int,
    gpu: bool,
    files: int = 0,
) -> SliceBudget:
    """What is left for slices next to a question, its answer, and what was read before.

    Args:
        context: number of tokens that the context holds.
        used: number of those that are for an answer and for what was read before.
        seconds: time that an image takes on this machine; None if nobody knows.
        image_tokens: number of tokens that an image takes.
        gpu: whether a GPU sees the images.
        files: bytes of a model that isn't in memory yet.
    """
    beside, memory = used + QUESTION, _platform.available_memory()
    return SliceBudget(
        tokens=max(0, context - beside),
        memory=None if memory is None else max(0, memory - files),
        seconds=seconds,
        image_tokens=image_tokens,
        gpu=gpu,
        beside=beside,
    )


def is_gpu(device: str) -> bool:
    """Whether a projector's device, once that was decided, is a GPU."""
    return device.lower() not in ("auto", "cpu")
