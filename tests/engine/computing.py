"""What the engine thinks along the cases of devtools/golden/numbers.py."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from converters.pipeline import convert
from converters.request import ConversionRequest
from devtools.checkpoints.tiny import Tiny, write_tiny
from devtools.golden.numbers import Case, Run, pixels
from edge_med import imaging
from edge_med.artifacts.file_names import projector_file, text_file
from edge_med.config import LoadOptions
from edge_med.engine.cache.ledger import ImageBlock, length
from edge_med.engine.engine import Engine

Opener = Callable[[Path, Path, LoadOptions], Engine]


@dataclass(frozen=True)
class Seen:
    """What the engine thought after each tested item, and the first position it still held."""

    logits: list[npt.NDArray[np.float32]]
    oldest: int


def converted(folder: Path, tiny: Tiny, quant: str) -> tuple[Path, Path]:
    """The files of a checkpoint; text and projector are of the same type."""
    source, out = folder / "checkpoint", folder / quant
    if not source.exists():
        write_tiny(tiny, source)
    if not out.exists():
        convert(
            ConversionRequest(source=source, folder=out, quants=(quant,), mmproj=quant, name="tiny")
        )
    return out / text_file("tiny", quant), out / projector_file("tiny", quant)


def read(
    text: Path,
    projector: Path,
    tiny: Tiny,
    case: Case,
    run: Run,
    opened: Opener = Engine,
    threads: int = 2,
) -> Seen:
    """Read up to each tested item in turn; only what is new is computed."""
    assert tiny.vision is not None
    side = tiny.vision.image_size
    shown = {
        name: imaging.open(pixels(name, side), fit=case.fit, side=side)
        for name in run.items
        if isinstance(name, str)
    }
    pictures = {picture.sha256: picture for picture in shown.values()}
    items = [
        ImageBlock(shown[item].sha256, tiny.vision.image_tokens) if isinstance(item, str) else item
        for item in run.items
    ]
    options = LoadOptions(context=length(items), batch=case.batch, threads=threads)
    logits = []
    with closing(opened(text, projector, options)) as engine:
        for last in (place % len(items) for place in run.tested):
            engine.slot.prefill(items[: last + 1], pictures)
            logits.append(engine.slot.logits().copy())
        return Seen(logits, engine.slot.cells.oldest)
