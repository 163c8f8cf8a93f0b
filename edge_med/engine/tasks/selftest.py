"""Whether a model runs here: it reads a text, and sees a built-in picture as the CPU does.

On the CPU the picture is encoded twice, which shows that the encoder runs, and does so alike each
time. Another device has the projector tried there; the text is read on the CPU.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge_med.config import LoadOptions
from edge_med.engine.engine import Engine
from edge_med.engine.llama import devices
from edge_med.engine.llama.arrays import Floats
from edge_med.engine.vision.crosscheck import COSINE, ERROR, compare, fault, picture
from edge_med.engine.vision.mtmd import MtmdEncoder
from edge_med.errors import UsageError
from edge_med.imaging import Picture
from edge_med.planner.placement_types import CPU

TEXT = "The heart pumps blood through the"


@dataclass(frozen=True, slots=True)
class SelfTest:
    """How a run went.

    Attributes:
        device: the device that was compared with the CPU.
        finite: whether all logits after a short text are numbers.
        logits_differ: whether these logits differ, so that one token is likelier than another.
        cosine: between the embeddings of the picture, of both devices; None without a projector.
        error: their largest difference, relative to the CPU's largest value.
        sound: whether all of it is as it must be.
        fault: what is wrong with the embeddings by themselves; None if nothing is.
        notes: what speaks against text model and projector as a pair.
    """

    device: str
    finite: bool
    cosine: float | None
    error: float | None
    sound: bool
    fault: str | None = None
    notes: tuple[str, ...] = ()
    logits_differ: bool = True


def run(text: Path, projector: Path | None, side: int, device: str = CPU) -> SelfTest:
    """Load a model and try it.

    Args:
        text: the text model's file.
        projector: its projector's; None for a model that can't see.
        side: side of the projector's square, in pixels.
        device: the device that the projector is tried on; the CPU is compared with itself.

    Raises:
        UsageError: the device isn't there.
        EngineError: the model or the projector can't be loaded.
    """
    names = [CPU, *(one.name for one in devices.gpus())]
    if device not in names:
        raise UsageError(f"'{device}' can't be tried.", f"There is: {', '.join(names)}.")
    options = LoadOptions(context=256)
    engine = Engine(text, projector, options)
    try:
        engine.slot.prefill(engine.model.vocabulary.tokenize(TEXT))
        logits = engine.slot.logits()
        finite = bool(np.isfinite(logits).all())
        logits_differ = bool((logits != logits[0]).any())
        if projector is None or not (finite and logits_differ):
            reads = finite and logits_differ
            return SelfTest(device, finite, None, None, reads, logits_differ=logits_differ)
        rows = [_seen(projector, engine, picture(side), where) for where in (CPU, device)]
    finally:
        engine.close()
    if why := next(filter(None, map(fault, rows)), None):
        return SelfTest(device, finite, None, None, sound=False, fault=why)
    cosine, error = compare(*rows)
    return SelfTest(device, finite, cosine, error, cosine >= COSINE and error <= ERROR)


def _seen(projector: Path, engine: Engine, shown: Picture, device: str) -> Floats:
    opened = MtmdEncoder(projector, engine.model, engine.options, device)
    try:
        return opened.encode(shown)
    finally:
        opened.close()
