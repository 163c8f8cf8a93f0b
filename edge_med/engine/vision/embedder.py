"""Embeddings of images: from the cache, else from a projector that is loaded when needed."""

from __future__ import annotations

import time
from pathlib import Path

from edge_med.answers import Notice, Progress
from edge_med.config import LoadOptions
from edge_med.engine.cache.ledger import ImageBlock
from edge_med.engine.llama.arrays import Floats
from edge_med.engine.llama.context import NEVER, Stop
from edge_med.engine.llama.memory_log import MemoryLog, capture_memory_log
from edge_med.engine.llama.text_model import TextModel
from edge_med.engine.prefill import PrefillJob
from edge_med.engine.vision.crosscheck import OnSecondsLeft, open_verified
from edge_med.engine.vision.embedding_cache import EmbeddingCache
from edge_med.engine.vision.encoder import OpenEncoder, VisionEncoder
from edge_med.engine.vision.mtmd import MtmdEncoder
from edge_med.errors import EngineError, blind


class ImageEmbedder:
    """The images of one text model; to be used from one thread at a time.

    Attributes:
        cache: embeddings of images that were seen.
        encoder: None before the first image.
        memory: what llama.cpp logged while the encoder was loaded.
        fallback: why the encoder isn't on the device that was asked for; None if it is.
    """

    def __init__(
        self,
        path: Path | None,
        model: TextModel,
        options: LoadOptions,
        device: str,
        opener: OpenEncoder = MtmdEncoder,
    ) -> None:
        """Prepare for a projector's file, which is loaded with the first image.

        Args:
            path: the projector's file; None for a model that can't see.
            model: the text model that the rows are for.
            options: the load options of the model.
            device: the name of the device that is asked for.
            opener: opens the encoder.
        """
        self._path, self._model, self._options = path, model, options
        self._wanted, self._opener = device, opener
        self.cache = EmbeddingCache(options.embedding_bytes)
        self.encoder: VisionEncoder | None = None
        self.memory = MemoryLog()
        self.fallback: str | None = None

    def close(self) -> None:
        """Free the encoder; harmless when done twice."""
        if self.encoder:
            self.encoder.close()

    @property
    def sees(self) -> bool:
        """Whether there is a projector."""
        return self._path is not None

    @property
    def device(self) -> str:
        """The device that encodes images, or will."""
        return self.encoder.device if self.encoder else self._wanted

    @property
    def notices(self) -> list[Notice]:
        """What the user should know of it."""
        if self.fallback is None:
            return []
        return [Notice("projector_on_cpu", f"Images are seen by the CPU: {self.fallback}.")]

    def require(self) -> None:
        """Check that there is a projector.

        Raises:
            ImageError: there is none.
        """
        if not self.sees:
            raise blind()

    def rows(self, image: ImageBlock, job: PrefillJob) -> Floats:
        """The embeddings of an image, encoded if nobody has seen it yet.

        Raises:
            CancelledError: the job was cancelled.
            EngineError: the projector can't be loaded, fails, or belongs to another model.
        """
        rows = self.cache.get(image.key)
        if rows is None:
            rows = self._encoded(image, job)
            self.cache.put(image.key, rows)
        if len(rows) != image.tokens:
            raise EngineError(
                f"The projector made {len(rows)} rows of an image instead of {image.tokens}.",
                "Text model and projector don't belong together; run edge-med verify.",
            )
        return rows

    def _encoded(self, image: ImageBlock, job: PrefillJob) -> Floats:
        job.raise_if_cancelled()
        opening = time.perf_counter()
        job.emit(Progress("load", 0, 1, None))
        encoder = self.opened(job.stop, lambda left: job.emit(Progress("load", 0, 1, left)))
        job.emit(Progress("load", 1, 1, 0.0))
        began = time.perf_counter()
        job.emit(Progress("encode", 0, 1, None))
        rows = encoder.encode(job.pictures[image.key], job.stop)
        job.emit(Progress("encode", 1, 1, 0.0))
        job.stats.load += began - opening
        job.stats.encode += time.perf_counter() - began
        return rows

    def opened(
        self, stop: Stop = NEVER, on_seconds_left: OnSecondsLeft = lambda _seconds: None
    ) -> VisionEncoder:
        """The encoder, opened and compared with the reference if that hasn't been done yet.

        Raises:
            CancelledError: `stop` became true.
            EngineError: llama.cpp can't load it on the CPU either.
        """
        if self.encoder is None:
            self.require()
            assert self._path is not None
            with capture_memory_log() as self.memory:
                self.encoder, self.fallback = open_verified(
                    self._path,
                    self._model,
                    self._options,
                    self._wanted,
                    stop,
                    self._opener,
                    on_seconds_left,
                )
        return self.encoder
