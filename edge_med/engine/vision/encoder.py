"""What any encoder of images must be, llama.cpp's or another's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from edge_med.config import LoadOptions
from edge_med.engine.llama.arrays import Floats
from edge_med.engine.llama.context import NEVER, Stop
from edge_med.engine.llama.text_model import TextModel
from edge_med.imaging import Picture
from edge_med.planner.placement_types import CPU

Advance = Callable[[int], None]
"""Is given often how many steps of an image are done."""

UNWATCHED: Advance = lambda _steps: None  # noqa: E731 - a name for the default


class VisionEncoder(Protocol):
    """An opened projector of an opened text model; close it before the model.

    Attributes:
        device: the device that it computes on.
        side: side of the square that it sees, in pixels.
        steps: number of steps of the last image; about the same for every image, and on every
            device that has the same encoder.
    """

    device: str
    side: int
    steps: int

    @property
    def tokens(self) -> int | None:
        """Rows that each image becomes; None before the first, where the file doesn't say."""

    def encode(self, picture: Picture, stop: Stop = NEVER, advance: Advance = UNWATCHED) -> Floats:
        """The embeddings of a picture, F32 of shape (tokens, width of the text model).

        Args:
            picture: a picture of exactly the encoder's size.
            stop: called often; true ends the encoding.
            advance: called often, with the steps that are done.

        Raises:
            ImageError: the picture has another size.
            CancelledError: `stop` became true.
            EngineError: the encoder failed.
        """

    def close(self) -> None:
        """Free everything; harmless when done twice."""


class OpenEncoder(Protocol):
    """Opens an encoder of a projector's file for a model, on a device."""

    def __call__(
        self, path: Path, model: TextModel, options: LoadOptions, device: str = CPU, /
    ) -> VisionEncoder:
        """Open it.

        Raises:
            EngineError: the projector can't be loaded, or the device isn't there.
        """
