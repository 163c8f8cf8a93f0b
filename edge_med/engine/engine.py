"""The engine without its thread: what was read stays read, and only the rest is computed."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from edge_med.answers import Notice, Progress
from edge_med.artifacts.gguf import Header
from edge_med.config import LoadOptions
from edge_med.engine.cache.ledger import ImageBlock, Item, Ledger, length
from edge_med.engine.llama.arrays import Floats
from edge_med.engine.llama.bindings import listening
from edge_med.engine.llama.context import NEVER, Stop
from edge_med.engine.llama.loader import open_model
from edge_med.engine.llama.offload import with_eye
from edge_med.engine.prefill import Emit, Reading, Task, batches
from edge_med.engine.vision.crosscheck import Tell, open_tried
from edge_med.engine.vision.embedding_cache import Embeddings
from edge_med.engine.vision.mtmd import Projector
from edge_med.errors import (
    CancelledError,
    EngineError,
    ImageError,
    UsageError,
    too_long,
)
from edge_med.imaging import Picture
from edge_med.models.shares import Placement, devices_of

SILENT: Emit = lambda _event: None  # noqa: E731 - a name for the default


class Engine:
    """A model, its context and its projector; to be used from one thread at a time."""

    def __init__(
        self,
        text: Path,
        projector: Path | None = None,
        options: LoadOptions | None = None,
        adapters: Mapping[str, Path] | None = None,
        *,
        header: Header | None = None,
        placements: Sequence[Placement] = (),
        notices: Sequence[Notice] = (),
    ) -> None:
        """Open a model and its adapters, by name; its projector when the first image comes.

        Args:
            text: the text model's file.
            projector: its projector's; None for a model that can't see.
            options: of a model on the CPU alone.
            adapters: files by name.
            header: of the text model, if it has been read already.
            placements: where it goes, and where if that fails; none for the CPU alone. Their
                options are taken.
            notices: what the user should know of it.

        Raises:
            ArtifactError: a file is damaged or of another kind.
            EngineError: llama.cpp can't load it.
        """
        self._projector_path = projector
        self._projector: Projector | None = None
        opened = open_model(text, header, adapters or {}, options or LoadOptions(), placements)
        self.model, self.adapters, self.context = opened.model, opened.adapters, opened.context
        self.options, self.placed, self._eye = opened.options, opened.placed, opened.eye
        self.notices = [*notices, *opened.notices]
        self.fallbacks = [opened.fallback] if opened.fallback else []
        self.embeddings = Embeddings(self.options.embedding_bytes)
        self.ledger = Ledger(self.model.window, self.options.checkpoint_bytes)
        self.reading = Reading(0, 0)
        """Of the last prompt; also of one that was stopped on the way."""
        self.told: set[str] = set()  # codes of notices that are given once
        self._logits: Floats | None = None

    def close(self) -> None:
        """Free everything; harmless when done twice."""
        if self._projector:
            self._projector.close()
        self.context.close()
        self.adapters.close()
        self.model.close()

    @property
    def device(self) -> str:
        """What computes texts: `cpu` or a device's name, or several joined by `+`."""
        return devices_of(self.placed)

    @property
    def eye(self) -> str:
        """What encodes images, or shall."""
        return self._projector.device if self._projector else self._eye

    @property
    def room(self) -> int:
        """How many more tokens the context takes."""
        return self.options.context - self.ledger.position

    def logits(self) -> Floats:
        """Of the token after the last item read; F32, valid until the next call of the engine."""
        return self.context.logits() if self._logits is None else self._logits

    def read(
        self,
        items: Sequence[Item],
        pictures: Mapping[str, Picture] | None = None,
        stop: Stop = NEVER,
        emit: Emit = SILENT,
        adapters: Mapping[str, float] | None = None,
    ) -> Reading:
        """Bring the cache to hold exactly these items, computing only what it doesn't hold.

        Args:
            items: a whole prompt.
            pictures: by their keys; every image that isn't cached must be among them.
            stop: asked often; true ends it, and what was read so far stays.
            emit: told of progress.
            adapters: under which the items are read, by name, with scales; none if None.

        Raises:
            UsageError: there is no such adapter.
            ContextOverflowError: the items don't fit.
            CancelledError: `stop` became true; if it was from the start, the cache is as it was.
            EngineError: llama.cpp failed; the cache is empty then.
        """
        images = [item for item in items if isinstance(item, ImageBlock)]
        self.reading = reading = Reading(length(items), length(images))
        task = Task(pictures or {}, stop, emit, reading)
        task.heed()  # before anything of the cache is given up
        self._check(reading, images)
        self._adapt(adapters or {})
        try:
            rest = self._reuse(items, task)
            parts = list(batches(rest, self.options.batch))
            for index, part in enumerate(parts, 1):
                self._read_part(part, task, logits=index == len(parts))
        except CancelledError:
            self.context.truncate(self.ledger.position)
            raise
        except EngineError:
            self._forget()
            raise
        reading.read = time.perf_counter() - task.began - reading.load - reading.encode
        return reading

    def add(self, token: int) -> None:
        """Read one more token.

        Raises:
            EngineError: llama.cpp failed.
        """
        self._logits = None
        self.context.decode([token], self.ledger.position)
        self.ledger.append([token])

    def rows(self, ids: Sequence[int], stop: Stop = NEVER) -> Iterator[Floats]:
        """Read tokens and yield the logits after each; they are valid until the next is asked for.

        Raises:
            CancelledError: `stop` became true, and what was yielded stays read.
            EngineError: llama.cpp failed.
        """
        self._logits = None
        try:
            rows = self.context.rows(ids, self.ledger.position, stop)
            for token, row in zip(ids, rows, strict=True):
                self.ledger.append([token])
                yield row
        finally:  # llama.cpp may have read further than anybody has asked
            self.context.truncate(self.ledger.position)

    def keep(self, *, logits: bool) -> None:
        """Make this place one that can be gone back to; with `logits`, without any computing.

        Nothing is kept where the window layers hold the whole context anyway.
        """
        here = self.ledger.position
        if here and self.context.recycles and self.ledger.checkpoint_here is None:
            kept = self.logits().copy() if logits else None
            self.ledger.keep(self.context.save_window(), kept)

    def _check(self, reading: Reading, images: Sequence[ImageBlock]) -> None:
        if (tokens := reading.prompt) > (context := self.options.context):
            what, hint = f"The prompt has {tokens} tokens", "Shorten it, or raise --context."
            raise too_long(what, tokens, context, hint)
        if images and self._projector_path is None:
            raise ImageError(
                "This model can't see: it has no projector.",
                "Put its -mmproj- file into the same folder, or convert the whole checkpoint; a "
                "projector of another model is passed over.",
            )
        widest = max((image.tokens for image in images), default=0)
        if widest > self.options.batch:
            raise UsageError(
                f"An image of {widest} tokens must fit into one batch of {self.options.batch}.",
                "Raise the batch.",
            )

    def _adapt(self, scales: Mapping[str, float]) -> None:
        """Apply these adapters and no others; what was read under others is forgotten."""
        applied = self.adapters.applied(scales)
        if self.ledger.adapt(applied):
            self._forget()
            try:
                self.context.adapt(self.adapters.handles(applied))
            except EngineError:
                self.ledger.adapters = None
                raise

    def _reuse(self, items: Sequence[Item], task: Task) -> Sequence[Item]:
        """Go back to where the cache and the prompt part; returns what is left to read."""
        reuse = self.ledger.reuse(items, self.context.oldest)
        self._logits = None
        if reuse.checkpoint is not None:
            self.context.restore_window(reuse.checkpoint.window, reuse.position)
            self._logits = reuse.checkpoint.logits if reuse.items == len(items) else None
        else:
            self.context.truncate(reuse.position)
        self.ledger.truncate(reuse.items)
        task.reading.cached = reuse.position
        task.total = task.reading.prompt - reuse.position
        return items[reuse.items :]

    def _read_part(self, part: list[int] | ImageBlock, task: Task, *, logits: bool) -> None:
        position = self.ledger.position
        if isinstance(part, ImageBlock):
            rows = self._rows(part, task)
            self.context.decode_image(rows, position, task.stop, logits=logits)
            self.ledger.append([part])
        else:
            self.context.decode(part, position, task.stop, logits=logits)
            self.ledger.append(part)
        self._logits = None
        task.done += self.ledger.position - position
        task.emit(Progress("read", task.done, task.total, task.seconds_left))

    def _rows(self, image: ImageBlock, task: Task) -> Floats:
        """The embeddings of an image, encoded if nobody has seen it yet."""
        rows = self.embeddings.get(image.key)
        if rows is None:
            task.heed()
            opening = time.perf_counter()
            task.emit(Progress("load", 0, 1, None))
            tell = lambda left: task.emit(Progress("load", 0, 1, left))  # noqa: E731
            projector = self._opened_projector(task.stop, tell)
            task.emit(Progress("load", 1, 1, 0.0))
            began = time.perf_counter()
            task.emit(Progress("encode", 0, 1, None))
            rows = projector.encode(task.pictures[image.key], task.stop)
            task.emit(Progress("encode", 1, 1, 0.0))
            task.reading.load += began - opening
            task.reading.encode += time.perf_counter() - began
            self.embeddings.put(image.key, rows)
        if len(rows) != image.tokens:
            raise EngineError(
                f"The projector made {len(rows)} rows of an image instead of {image.tokens}.",
                "Text model and projector don't belong together; run edge-med verify.",
            )
        return rows

    def _opened_projector(
        self, stop: Stop = NEVER, tell: Tell = lambda _seconds: None
    ) -> Projector:
        if self._projector is None:
            assert self._projector_path is not None
            with listening() as heard:
                self._projector, why = open_tried(
                    self._projector_path,
                    self.model,
                    self.options,
                    self._eye,
                    stop,
                    Projector,
                    tell,
                )
            self.placed = with_eye(self.placed, heard, self._projector.device)
            if why:
                self.fallbacks.append(why)
                self.notices.append(
                    Notice("projector_on_cpu", f"Images are seen by the CPU: {why}.")
                )
        return self._projector

    def _forget(self) -> None:
        """Start over: what the cache holds is unknown, or no use any more."""
        self.context.truncate(0)
        self.ledger.truncate(0)
