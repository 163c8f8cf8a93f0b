"""What an image costs with a model on this machine: its tokens, and the time to see and read it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edge_med import native
from edge_med.artifacts import split
from edge_med.artifacts.vision_facts import IMAGE_TOKENS, MEDGEMMA_SIDE
from edge_med.config import Options
from edge_med.errors import EngineError, UsageError
from edge_med.library import default_model, store
from edge_med.planner.latency import Estimates, duration_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from edge_med.answers import Answer
    from edge_med.imaging import Picture, SliceBudget, Study


@dataclass(frozen=True, slots=True)
class VisionTarget:
    """What images are shown to.

    Attributes:
        model: name of the model; None if none was chosen.
        side: side of its square, in pixels.
        tokens: number of tokens of an image.
        encode: seconds for an image on this machine; None if not known yet.
        read: seconds for a token; None if not known yet.
        blind: whether the model has no projector.
        files: size of its files in bytes, which will be in memory.
        gpu: whether a GPU can encode images.
    """

    model: str | None = None
    side: int = MEDGEMMA_SIDE
    tokens: int = IMAGE_TOKENS
    encode: float | None = None
    read: float | None = None
    blind: bool = False
    files: int = 0
    gpu: bool = False

    def seconds(self, images: int, tokens: int) -> float | None:
        """Until images are seen and their tokens read; None if that isn't known."""
        if self.encode is None or self.read is None:
            return None
        return images * self.encode + tokens * self.read

    def time(self, images: int, tokens: int) -> str:
        """The same for people."""
        if self.model is None:
            return "not known: name a model with --model"
        if self.blind:
            return f"none: {self.model} reads text only"
        seconds = self.seconds(images, tokens)
        if seconds is None:
            return f"not known yet: it is measured with the first image that {self.model} reads"
        return f"about {duration_text(seconds)} until {self.model} has read it"

    def room(self, context: int) -> SliceBudget:
        """What there is for a series' slices, in so many tokens of question and answer."""
        from edge_med.imaging.volume.slice_budget import free_budget

        return free_budget(
            context,
            Options().max_new_tokens,
            seconds=self.encode,
            image_tokens=self.tokens,
            gpu=self.gpu,
            files=self.files,
        )


def vision_target(named: str | None, threads: int | None) -> VisionTarget:
    """What images would be shown to.

    Args:
        named: model by flag, environment or config.toml; None for the only one installed.
        threads: number of compute threads.

    Raises:
        EdgeMedError: the named model isn't there, or can't be read.
    """
    try:
        choice = default_model.choose(named)
    except UsageError:  # several, and none is named
        return VisionTarget()
    if choice.embedded and not (choice.named and default_model.is_complete(default_model.MICRO)):
        return VisionTarget()
    found = store.find(choice.model)
    name = found.text.stem
    if found.projector is None:
        return VisionTarget(name, blind=True)
    estimates = Estimates(found.text, threads)
    rates = estimates.rates
    return VisionTarget(
        name,
        found.vision.side,
        found.vision.tokens,
        1 / rates.encode if rates.encode else None,
        1 / rates.read if rates.read else None,
        files=split.size(found.text) + found.projector.stat().st_size,
        gpu=_has_gpu(),
    )


def _has_gpu() -> bool:
    """Whether llama.cpp finds a GPU; it isn't loaded where it was built for none."""
    try:
        libraries = [path.name for path in native.native_library("llama").parent.iterdir()]
        if not any(f"ggml-{kind}" in name for kind in native.GPUS for name in libraries):
            return False
        from edge_med.engine.llama import devices

        return bool(devices.gpus())
    except EngineError:  # nothing can be asked here, which ask and chat will say
        return False


def learn(
    model: str | Path, threads: int | None, images: Iterable[Picture | Study], answer: Answer
) -> None:
    """Remember how long a model took to see some images and to read."""
    if answer.finish_reason == "cancelled":
        return
    from edge_med.imaging.volume.study import all_pictures

    seen = {picture.sha256 for picture in all_pictures(images)}
    estimates = Estimates(store.find(model).text, threads)
    estimates.learn_encode(len(seen), answer.timings.encode)
    estimates.learn_read(answer.usage.prompt, answer.timings.read)
