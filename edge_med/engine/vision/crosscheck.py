"""Whether a projector sees on a device what it sees on the CPU, before anybody relies on it.

Wrong images from some GPU drivers are real (llama.cpp issues #12973 and #13046, LM Studio #989),
and nothing but a comparison finds them. The CPU takes a minute for MedGemma's picture on two cores,
so a device that has passed isn't tried again in the same process, nor in another one if the trial
can be remembered.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from edge_med import imaging
from edge_med.config import LoadOptions
from edge_med.engine.llama.arrays import Floats
from edge_med.engine.llama.context import NEVER, Stop
from edge_med.engine.llama.text_model import TextModel
from edge_med.engine.vision.encoder import Advance, OpenEncoder, VisionEncoder
from edge_med.engine.vision.mtmd import MtmdEncoder
from edge_med.engine.vision.verified import VerifiedProjectors
from edge_med.errors import CancelledError, EngineError
from edge_med.imaging import Picture
from edge_med.planner.placement_types import CPU

COSINE = 0.999
"""The least between the embeddings of the CPU and of another device."""

ERROR = 0.02
"""The largest difference between them, relative to the CPU's largest value."""

OnSecondsLeft = Callable[[float], None]
"""Receives often how many seconds a cross-check will still take."""


def open_verified(
    path: Path,
    model: TextModel,
    options: LoadOptions,
    device: str,
    stop: Stop = NEVER,
    opener: OpenEncoder = MtmdEncoder,
    on_seconds_left: OnSecondsLeft = lambda _seconds: None,
) -> tuple[VisionEncoder, str | None]:
    """Open a projector on a device if it sees there what it should, else the reference on the CPU.

    Every encoder but the reference on the CPU is compared with that one first.

    Args:
        path: the projector's file.
        model: the text model that it belongs to.
        options: the load options of the model.
        device: the name of the device that is asked for.
        stop: called often while the pictures are compared; true ends the comparison.
        opener: opens the encoder that is asked for; `reference_of` says which encoder it is
            compared with, and which takes its place.
        on_seconds_left: called with the seconds that the comparison will still take.

    Returns:
        The projector, and why it isn't on the device that was asked for; None if it is.

    Raises:
        CancelledError: `stop` became true.
        EngineError: llama.cpp can't load it on the CPU either.
    """
    reference = reference_of(opener)
    if device == CPU and opener is reference:
        return reference(path, model, options), None
    try:
        candidate = opener(path, model, options, device)
    except EngineError:
        return reference(path, model, options), f"the projector can't be loaded on {device}"
    verified = VerifiedProjectors(path, device)
    if verified.remembered:
        return candidate, None
    why = _why_unfit(candidate, lambda: reference(path, model, options), stop, on_seconds_left)
    if why is None:
        verified.remember()
        return candidate, None
    return reference(path, model, options), why


def reference_of(opener: OpenEncoder) -> OpenEncoder:
    """The encoder that another is compared with: its own `reference`, else llama.cpp's."""
    found: OpenEncoder = getattr(opener, "reference", MtmdEncoder)
    return found


def _why_unfit(
    candidate: VisionEncoder,
    on_cpu: Callable[[], VisionEncoder],
    stop: Stop,
    on_seconds_left: OnSecondsLeft,
) -> str | None:
    """Why a projector isn't fit for use, which closes it; None if it is fit."""
    sound = False
    try:
        shown = picture(candidate.side)
        seen = _seen(candidate, shown, stop)
        if seen is None:
            return f"the projector fails on {candidate.device}"
        if why := fault(seen):
            return f"the projector gives {why} on {candidate.device}"
        reference = on_cpu()
        try:
            expected = reference.encode(
                shown, stop, _seconds_left(candidate.steps, on_seconds_left)
            )
        finally:
            reference.close()
        sound = alike(expected, seen)
        return (
            None if sound else f"the projector doesn't see on {candidate.device} what the CPU sees"
        )
    finally:
        if not sound:
            candidate.close()


def _seconds_left(steps: int, on_seconds_left: OnSecondsLeft) -> Advance:
    """A callback that estimates how long an image of so many steps will still take."""
    began = time.perf_counter()

    def advance(done: int) -> None:
        if 0 < done <= steps:
            on_seconds_left((steps / done - 1) * (time.perf_counter() - began))

    return advance


def _seen(projector: VisionEncoder, shown: Picture, stop: Stop) -> Floats | None:
    """The embeddings of a picture; None if llama.cpp fails."""
    try:
        return projector.encode(shown, stop)
    except CancelledError:
        raise
    except EngineError:
        return None


def fault(rows: Floats) -> str | None:
    """What is wrong with embeddings, whatever they are of."""
    if not np.isfinite(rows).all():
        return "values that aren't numbers"
    return None if rows.any() else "nothing but zeros"


def alike(cpu: Floats, other: Floats) -> bool:
    """Whether two sets of embeddings are the same but for the device's rounding."""
    if cpu.shape != other.shape or fault(cpu) or fault(other):
        return False
    cosine, error = compare(cpu, other)
    return cosine >= COSINE and error <= ERROR


def compare(cpu: Floats, other: Floats) -> tuple[float, float]:
    """Cosine of two sets of embeddings; their largest difference, relative to the largest value."""
    a, b = cpu.astype(np.float64).ravel(), other.astype(np.float64).ravel()
    cosine = float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))
    return cosine, float(np.abs(a - b).max() / np.abs(a).max())


@functools.cache
def picture(side: int) -> Picture:
    """A bright disc and a ring on a slope of greys, with a coloured corner."""
    y, x = np.mgrid[0:side, 0:side] / side
    distance = np.hypot(x - 0.4, y - 0.55)
    grey = np.where(distance < 0.2, 230, 40 + 120 * x)
    grey = np.where(abs(distance - 0.35) < 0.03, 10, grey)
    pixels = np.repeat(grey[..., None], 3, axis=2).astype(np.uint8)
    pixels[: side // 8, : side // 8] = (200, 30, 60)
    return imaging.open(pixels, side=side)
