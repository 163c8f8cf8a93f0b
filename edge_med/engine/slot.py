"""A slot: one sequence of the context with its ledger, brought to hold one prompt after another."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence

from edge_med.answers import Progress
from edge_med.config import LoadOptions
from edge_med.engine.cache.ledger import ImageBlock, Item, Ledger, length
from edge_med.engine.llama.arrays import Floats
from edge_med.engine.llama.context import NEVER, Ids, Stop
from edge_med.engine.llama.lora import Adapters
from edge_med.engine.llama.sequence import Sequence as Cells
from edge_med.engine.prefill import SILENT, Emit, PrefillJob, PrefillStats, batches
from edge_med.engine.vision.embedder import ImageEmbedder
from edge_med.errors import CancelledError, EngineError, UsageError, too_long
from edge_med.imaging import Picture


class Slot:
    """What was read stays read, and only the rest is computed.

    Attributes:
        cells: the sequence in llama.cpp's cache.
        ledger: the ledger of the sequence.
        stats: figures of the last prefill, also of one that was stopped on the way.
    """

    def __init__(
        self,
        cells: Cells,
        ledger: Ledger,
        adapters: Adapters,
        images: ImageEmbedder,
        options: LoadOptions,
    ) -> None:
        """An empty slot of an opened model; `Engine` makes them."""
        self.cells, self.ledger = cells, ledger
        self._adapters, self._images, self._options = adapters, images, options
        self.stats = PrefillStats(0, 0)
        self._logits: Floats | None = None

    @property
    def tokens_left(self) -> int:
        """How many more tokens the context takes."""
        return self._options.context - self.ledger.position

    def logits(self) -> Floats:
        """Of the token after the last item read; F32, valid until the next call of the engine."""
        return self.cells.context.logits() if self._logits is None else self._logits

    def prefill(
        self,
        items: Sequence[Item],
        pictures: Mapping[str, Picture] | None = None,
        stop: Stop = NEVER,
        emit: Emit = SILENT,
        adapters: Mapping[str, float] | None = None,
    ) -> PrefillStats:
        """Bring the cache to hold exactly these items, computing only what it doesn't hold.

        Args:
            items: a whole prompt.
            pictures: the pictures by their keys; every image that isn't cached must be among them.
            stop: called often; true ends the prefill, and what was read so far stays.
            emit: receives progress.
            adapters: under which the items are read, by name, with scales; none if None.

        Raises:
            UsageError: there is no such adapter.
            ContextOverflowError: the items don't fit.
            ImageError: the model can't see.
            CancelledError: `stop` became true; if it was from the start, the cache is as it was.
            EngineError: llama.cpp failed; the cache is empty then.
        """
        images = [item for item in items if isinstance(item, ImageBlock)]
        self.stats = stats = PrefillStats(length(items), length(images))
        job = PrefillJob(pictures or {}, stop, emit, stats)
        job.raise_if_cancelled()  # before anything of the cache is given up
        self._check(stats, images)
        self._adapt(adapters or {})
        try:
            rest = self._reuse(items, job)
            parts = list(batches(rest, self._options.batch))
            for index, part in enumerate(parts, 1):
                self._prefill_part(part, job, logits=index == len(parts))
        except CancelledError:
            self.cells.truncate(self.ledger.position)
            raise
        except EngineError:
            self.clear()
            raise
        stats.read = time.perf_counter() - job.began - stats.load - stats.encode
        return stats

    def decode(self, ids: Ids, stop: Stop = NEVER) -> Iterator[Floats]:
        """Read tokens that a task has chosen, and yield the logits after each.

        One is read alone, several are read in batches; rows are valid until the next is asked for.

        Raises:
            CancelledError: `stop` became true, and what was yielded stays read.
            EngineError: llama.cpp failed.
        """
        if len(ids) > 1:
            return self.logits_per_token(ids, stop)
        self.decode_one(ids[0])
        return iter((self.logits(),))

    def decode_one(self, token: int) -> None:
        """Read one more token.

        Raises:
            EngineError: llama.cpp failed.
        """
        self._logits = None
        self.cells.decode([token], self.ledger.position)
        self.ledger.append([token])

    def logits_per_token(self, ids: Ids, stop: Stop = NEVER) -> Iterator[Floats]:
        """Read tokens and yield the logits after each; they are valid until the next is asked for.

        Raises:
            CancelledError: `stop` became true, and what was yielded stays read.
            EngineError: llama.cpp failed.
        """
        self._logits = None
        try:
            rows = self.cells.rows(ids, self.ledger.position, stop)
            for token, row in zip(ids, rows, strict=True):
                self.ledger.append([token])
                yield row
        finally:  # llama.cpp may have read further than anybody has asked
            self.cells.truncate(self.ledger.position)

    def save_checkpoint(self, *, logits: bool) -> None:
        """Make this place one that can be gone back to; with `logits`, without any computing.

        Nothing is kept where the window layers hold the whole context anyway.
        """
        recycles = self.cells.context.recycles
        if self.ledger.position and recycles and self.ledger.checkpoint_here is None:
            kept = self.logits().copy() if logits else None
            self.ledger.keep(self.cells.save_window(), kept)

    def _check(self, stats: PrefillStats, images: Sequence[ImageBlock]) -> None:
        if images:
            self._images.require()
        if (tokens := stats.prompt) > (context := self._options.context):
            raise too_long(f"The prompt has {tokens} tokens", tokens, context, "Shorten it.")
        widest = max((image.tokens for image in images), default=0)
        if widest > self._options.batch:
            raise UsageError(
                f"An image of {widest} tokens must fit into one batch of {self._options.batch}.",
                "Raise the batch.",
            )

    def _adapt(self, scales: Mapping[str, float]) -> None:
        """Apply these adapters and no others; what was read under others is forgotten."""
        applied = self._adapters.applied(scales)
        if self.ledger.adapt(applied):
            self.clear()
            try:
                self.cells.context.adapt(self._adapters.handles(applied))
            except EngineError:
                self.ledger.adapters = None
                raise

    def _reuse(self, items: Sequence[Item], job: PrefillJob) -> Sequence[Item]:
        """Go back to where the cache and the prompt part; returns what is left to read."""
        reuse = self.ledger.reuse(items, self.cells.oldest)
        self._logits = None
        if reuse.checkpoint is not None:
            self.cells.restore_window(reuse.checkpoint.window, reuse.position)
            self._logits = reuse.checkpoint.logits if reuse.items == len(items) else None
        else:
            self.cells.truncate(reuse.position)
        self.ledger.truncate(reuse.items)
        job.stats.cached = reuse.position
        job.total = job.stats.prompt - reuse.position
        return items[reuse.items :]

    def _prefill_part(self, part: list[int] | ImageBlock, job: PrefillJob, *, logits: bool) -> None:
        position = self.ledger.position
        if isinstance(part, ImageBlock):
            rows = self._images.rows(part, job)
            self.cells.decode_image(rows, position, job.stop, logits=logits)
            self.ledger.append([part])
        else:
            self.cells.decode(part, position, job.stop, logits=logits)
            self.ledger.append(part)
        self._logits = None
        job.done += self.ledger.position - position
        job.emit(Progress("read", job.done, job.total, job.seconds_left))

    def clear(self) -> None:
        """Start over: what the cache holds is unknown, or no use any more."""
        self.cells.truncate(0)
        self.ledger.truncate(0)
