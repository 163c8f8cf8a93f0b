"""The memory that a model takes, from the headers of its files, before anything is loaded."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from edge_med.artifacts.adapters.gguf_adapter import GgufAdapter
from edge_med.artifacts.gguf import Header
from edge_med.config import LoadOptions, MemoryRule
from edge_med.errors import MemoryShortError
from edge_med.planner.placement_types import DeviceUsage, Placement
from edge_med.planner.sizes import (
    cache_budget_bytes,
    copies,
    image_compute_bytes,
    kv_bytes,
    logit_bytes,
    tensor_bytes,
    text_compute_bytes,
    work_bytes,
)
from edge_med.units import show_size

LOGGER = logging.getLogger(__name__)

TOLERANCE = 0.05, 32 << 20
"""The relative and the absolute error (bytes) of a plan up to which there is no warning."""


@dataclass(frozen=True, slots=True)
class MemoryPlan:
    """The memory of a model in bytes, once it is loaded and has seen its first image.

    Attributes:
        weights: weights of the text model.
        projector: weights of the projector.
        kv: KV cache.
        compute: compute buffers of text model and projector, and the rows of logits.
        repacked: copies of weights, in the order in which this processor reads them fastest.
        cache_budget: upper bound of the caches that grow with use: window checkpoints and
            embeddings of images.
        adapters: all loaded adapters, applied or not.
        originals: the part of the weights that was copied.
    """

    weights: int
    projector: int
    kv: int
    compute: int
    repacked: int = 0
    cache_budget: int = 0
    adapters: int = 0
    originals: int = 0

    @property
    def total(self) -> int:
        """All of them together."""
        used = self.weights + self.repacked + self.projector + self.kv + self.compute
        return used + self.cache_budget + self.adapters

    @property
    def needed(self) -> int:
        """Memory that must be free: the system may drop the file's pages of copied weights."""
        return self.total - self.originals


def plan(
    text: Header,
    options: LoadOptions,
    projector: Header | None = None,
    adapters: Sequence[GgufAdapter] = (),
) -> MemoryPlan:
    """The memory that a model will take.

    Args:
        text: header of the text model.
        options: options with context, batch and type of cache.
        projector: header of the projector; None if no image will be seen.
        adapters: adapters that are loaded with the model.

    Raises:
        ArtifactError: a header lacks a number.
    """
    copied = copies(text, options)
    return MemoryPlan(
        weights=tensor_bytes(text),
        projector=tensor_bytes(projector) if projector else 0,
        kv=kv_bytes(text, options),
        compute=text_compute_bytes(text, options)
        + work_bytes(text, options)
        + (image_compute_bytes(projector) if projector else 0),
        repacked=copied.size,
        originals=copied.originals,
        cache_budget=cache_budget_bytes(text, options, sees=projector is not None),
        adapters=sum(adapter.size for adapter in adapters),
    )


def check(planned: MemoryPlan, rule: MemoryRule, available: int | None) -> None:
    """Compare a plan with the free memory, and do what the rule says if that is too small.

    Args:
        planned: plan of the memory.
        rule: rule for too little memory: `plan` refuses, `warn` logs a warning, `ignore` does
            nothing.
        available: free memory in bytes; None if it isn't known, and then nothing is done.

    Raises:
        MemoryShortError: the rule is `plan`, and the free memory is too small.
    """
    if rule == "ignore" or available is None or planned.needed <= available:
        return
    message = (
        f"The model needs {show_size(planned.needed)} of memory, and {show_size(available)} are "
        f"free: weights {show_size(planned.weights)}, projector {show_size(planned.projector)}, "
        f"KV cache {show_size(planned.kv)}, computing {show_size(planned.compute)}, "
        f"caches for later turns up to {show_size(planned.cache_budget)}"
        + (f", adapters {show_size(planned.adapters)}." if planned.adapters else ".")
    )
    if rule == "warn":
        LOGGER.warning("%s", message)
        return
    raise MemoryShortError(
        message,
        'Use a smaller `context`, `kv="q8_0"` or a smaller quant, or close other programs; '
        'edge-med plan shows what fits, and `memory="ignore"` loads the model anyway.',
    )


def compare(text: Header, options: LoadOptions, taken: int) -> None:
    """Warn if a text model and its context use much more or less memory than was planned.

    Args:
        text: header of the text model.
        options: options of the load.
        taken: size in bytes of all buffers that llama.cpp made for both.
    """
    more = options.outputs - 1  # rows of logits; their buffer begins with one
    planned = tensor_bytes(text) + copies(text, options).size + kv_bytes(text, options)
    planned += text_compute_bytes(text, options) - logit_bytes(text) * more
    share, size = TOLERANCE
    if abs(taken - planned) > max(share * planned, size):
        LOGGER.warning(
            "%s of memory were planned, and %s are used.", show_size(planned), show_size(taken)
        )


def plan_of(placement: Placement, adapters: Sequence[GgufAdapter] = ()) -> MemoryPlan:
    """What a placement takes on all devices together."""
    shares = placement.devices
    return MemoryPlan(
        weights=sum(share.weights for share in shares),
        projector=sum(share.projector for share in shares),
        kv=sum(share.kv for share in shares),
        compute=sum(share.compute for share in shares),
        cache_budget=sum(share.cache_budget for share in shares),
        adapters=sum(adapter.size for adapter in adapters),
    )


def compare_usage(placement: Placement, usage: Sequence[DeviceUsage]) -> None:
    """Warn for each device but the CPU that uses much more or less memory than was planned.

    The CPU's weights are a stretch of the file, with what lies between them. Less computing than
    was planned is no news: an image's part of it comes with the first image.

    Args:
        placement: placement that the model was loaded with.
        usage: memory that llama.cpp uses on each device.
    """
    shares = {share.device: share for share in placement.devices[:-1]}
    for one in usage:
        if share := shares.get(one.device):
            planned, taken = share.weights + share.kv, one.weights + one.kv
            wrong = abs(taken - planned) + max(0, one.compute - share.compute)
            part, size = TOLERANCE
            if wrong > max(part * planned, size):
                message = f"{show_size(share.total)} of {one.device} were planned"
                LOGGER.warning("%s, and %s are used.", message, show_size(taken + one.compute))
