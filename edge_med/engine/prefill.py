"""Prefill: a prompt on its way into the cache, in which parts it is read, and what that took."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from edge_med.answers import Event
from edge_med.engine.cache.ledger import ImageBlock, Item
from edge_med.engine.llama.context import Stop
from edge_med.errors import CancelledError
from edge_med.imaging import Picture

Emit = Callable[[Event], None]

SILENT: Emit = lambda _event: None  # noqa: E731 - a name for the default


@dataclass(slots=True)
class PrefillStats:
    """What reading a prompt took: tokens, and seconds."""

    prompt: int
    image: int
    cached: int = 0
    load: float = 0.0
    encode: float = 0.0
    read: float = 0.0


@dataclass(slots=True)
class PrefillJob:
    """A prompt that is being read, and who wants to know of it."""

    pictures: Mapping[str, Picture]
    stop: Stop
    emit: Emit
    stats: PrefillStats
    began: float = field(default_factory=time.perf_counter)
    total: int = 0
    done: int = 0

    def raise_if_cancelled(self) -> None:
        """End it here if somebody wants that."""
        if self.stop():
            raise CancelledError("Stopped before the prompt was read.", "Ask again.")

    @property
    def seconds_left(self) -> float | None:
        """By the speed so far, without the images' own time; None as long as nothing is known."""
        spent = time.perf_counter() - self.began - self.stats.load - self.stats.encode
        return spent / self.done * (self.total - self.done) if self.done else None


def batches(items: Sequence[Item], size: int) -> Iterator[list[int] | ImageBlock]:
    """Runs of tokens no longer than a batch, and images one by one."""
    run: list[int] = []
    for item in items:
        if run and (isinstance(item, ImageBlock) or len(run) == size):
            yield run
            run = []
        if isinstance(item, ImageBlock):
            yield item
        else:
            run.append(item)
    if run:
        yield run
