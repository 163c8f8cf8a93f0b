"""Whether a model runs here: it reads a text, and sees a built-in picture as the CPU does.

Wrong images from some GPU drivers are real (llama.cpp issues #12973 and #13046, LM Studio #989),
and nothing but a comparison finds them. Today's engine computes on the CPU alone, so the picture is
encoded twice there, which shows that the encoder runs, and does so alike each time.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge_med import imaging
from edge_med.config import LoadOptions
from edge_med.engine.arrays import Floats
from edge_med.engine.core import Engine
from edge_med.engine.projector import Projector
from edge_med.errors import UsageError
from edge_med.imaging import Picture

COSINE = 0.999
ERROR = 0.02
TEXT = "The heart pumps blood through the"


@dataclass(frozen=True, slots=True)
class SelfTest:
    """How a run went.

    Attributes:
        device: that was held against the CPU.
        finite: whether all logits after a short text are numbers.
        cosine: between the embeddings of the picture, of both devices; None without a projector.
        error: their largest difference, beside the CPU's largest value.
        sound: whether all of it is as it must be.
    """

    device: str
    finite: bool
    cosine: float | None
    error: float | None
    sound: bool


def run(text: Path, projector: Path | None, side: int, device: str = "cpu") -> SelfTest:
    """Load a model and try it.

    Args:
        text: the text model's file.
        projector: its projector's; None for a model that can't see.
        side: of the projector's square, in pixels.
        device: to be tried; `cpu` alone is there today, and is then held against itself.

    Raises:
        UsageError: the device isn't there.
        EngineError: it doesn't even load.
    """
    if device != "cpu":
        raise UsageError(
            f"'{device}' can't be tried: only the CPU is there in this build.", "Use cpu."
        )
    options = LoadOptions(context=256)
    engine = Engine(text, projector, options)
    try:
        engine.read(engine.model.vocabulary.tokenize(TEXT))
        finite = bool(np.isfinite(engine.logits()).all())
        if projector is None:
            return SelfTest(device, finite, None, None, finite)
        rows = [_seen(projector, engine, picture(side)) for _ in ("cpu", device)]
    finally:
        engine.close()
    cosine, error = compare(*rows)
    return SelfTest(device, finite, cosine, error, finite and cosine >= COSINE and error <= ERROR)


def compare(cpu: Floats, other: Floats) -> tuple[float, float]:
    """Cosine of two sets of embeddings, and their largest difference beside the largest value."""
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


def _seen(projector: Path, engine: Engine, shown: Picture) -> Floats:
    opened = Projector(projector, engine.model, engine.options)
    try:
        return opened.encode(shown)
    finally:
        opened.close()
