"""How much memory a model takes, from the headers of its files, before anything is loaded."""

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
    copies,
    image_compute_bytes,
    kept_bytes,
    kv_bytes,
    logit_bytes,
    tensor_bytes,
    text_compute_bytes,
    work_bytes,
)

LOGGER = logging.getLogger(__name__)

NOTED = 0.05, 32 << 20
"""Share and bytes from which on a plan that was wrong is worth a warning."""


@dataclass(frozen=True, slots=True)
class MemoryPlan:
    """Bytes that a model takes once it has been loaded and has seen its first image.

    Attributes:
        weights: of the text model.
        projector: its weights.
        kv: the cache of all that was read.
        compute: what text model and projector compute in, and the rows of logits.
        repacked: copies of weights, in the order in which this processor reads them fastest.
        kept: budgets of what is kept for later: the window's checkpoints, embeddings of images.
        adapters: all that are loaded, applied or not.
        originals: of the weights, those that were copied.
    """

    weights: int
    projector: int
    kv: int
    compute: int
    repacked: int = 0
    kept: int = 0
    adapters: int = 0
    originals: int = 0

    @property
    def total(self) -> int:
        """All of them together."""
        used = self.weights + self.repacked + self.projector + self.kv + self.compute
        return used + self.kept + self.adapters

    @property
    def needed(self) -> int:
        """What must be free: of weights that were copied the file's own pages may be dropped."""
        return self.total - self.originals


def plan(
    text: Header,
    options: LoadOptions,
    projector: Header | None = None,
    adapters: Sequence[GgufAdapter] = (),
) -> MemoryPlan:
    """What a model will take.

    Args:
        text: the header of the text model.
        options: its context, batch and type of cache.
        projector: its header; None if no image will be seen.
        adapters: that are loaded with the model.

    Raises:
        ArtifactError: a header doesn't tell enough.
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
        kept=kept_bytes(text, options, sees=projector is not None),
        adapters=sum(adapter.size for adapter in adapters),
    )


def check(planned: MemoryPlan, rule: MemoryRule, available: int | None) -> None:
    """Compare a plan with the memory that there is, and do what the rule says if it is too small.

    Args:
        planned: what will be taken.
        rule: `plan` refuses, `warn` says so in the log, `ignore` does nothing.
        available: bytes; None if nobody knows, and then nothing is done.

    Raises:
        MemoryShortError: the rule is `plan`, and the memory doesn't suffice.
    """
    if rule == "ignore" or available is None or planned.needed <= available:
        return
    message = (
        f"The model needs {_gb(planned.needed)} of memory, and {_gb(available)} are free: "
        f"weights {_gb(planned.weights)}, projector {_gb(planned.projector)}, "
        f"KV cache {_gb(planned.kv)}, computing {_gb(planned.compute)}, "
        f"kept for later turns up to {_gb(planned.kept)}"
        + (f", adapters {_gb(planned.adapters)}." if planned.adapters else ".")
    )
    if rule == "warn":
        LOGGER.warning("%s", message)
        return
    raise MemoryShortError(
        message,
        'Use a smaller `context`, `kv="q8_0"` or a smaller quant, or close other programs; '
        'edge-med plan says what would fit, and `memory="ignore"` tries it all the same.',
    )


def compare(text: Header, options: LoadOptions, taken: int) -> None:
    """Warn if a text model and its context have taken much more or less than was planned.

    Args:
        text: the header of the text model.
        options: that it was loaded with.
        taken: bytes of all buffers that llama.cpp made for both.
    """
    more = options.outputs - 1  # rows of logits; their buffer begins with one
    planned = tensor_bytes(text) + copies(text, options).size + kv_bytes(text, options)
    planned += text_compute_bytes(text, options) - logit_bytes(text) * more
    share, size = NOTED
    if abs(taken - planned) > max(share * planned, size):
        LOGGER.warning("%s of memory were planned, and %s taken.", _gb(planned), _gb(taken))


def plan_of(placement: Placement, adapters: Sequence[GgufAdapter] = ()) -> MemoryPlan:
    """What a placement takes on all devices together."""
    shares = placement.shares
    return MemoryPlan(
        weights=sum(share.weights for share in shares),
        projector=sum(share.projector for share in shares),
        kv=sum(share.kv for share in shares),
        compute=sum(share.compute for share in shares),
        kept=sum(share.kept for share in shares),
        adapters=sum(adapter.size for adapter in adapters),
    )


def compare_placed(placement: Placement, placed: Sequence[DeviceUsage]) -> None:
    """Warn for each device but the CPU on which much more or less was taken than was planned.

    The CPU's weights are a stretch of the file, with what lies between them. Less computing than
    was planned is no news: an image's part of it comes with the first image.

    Args:
        placement: that the model was loaded with.
        placed: what llama.cpp has put where.
    """
    shares = {share.device: share for share in placement.shares[:-1]}
    for one in placed:
        if share := shares.get(one.device):
            planned, taken = share.weights + share.kv, one.weights + one.kv
            wrong = abs(taken - planned) + max(0, one.compute - share.compute)
            part, size = NOTED
            if wrong > max(part * planned, size):
                told = f"{_gb(share.total)} of {one.device} were planned"
                LOGGER.warning("%s, and %s taken.", told, _gb(taken + one.compute))


def _gb(size: int) -> str:
    return f"{size / 1e9:.2f} GB"
