"""What the KV cache holds, item by item, and how much of a new prompt is there already.

The rule of reuse: a prefix counts only as far as the window layers still hold what its next token
sees. They keep the last `window` tokens and a batch; once that has moved on, an earlier place can
be gone back to only by a checkpoint of the window, or by reading again from the start.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from edge_med.engine.cache.window_checkpoint import WindowCheckpoint
from edge_med.engine.llama.arrays import Floats
from edge_med.engine.llama.lora import Applied


@dataclass(frozen=True, slots=True)
class ImageBlock:
    """The tokens of one image.

    Attributes:
        key: SHA-256 of the prepared pixels. An engine has one projector, and the fit is in the
            pixels, so this names the embeddings.
        tokens: number of positions that it takes.
    """

    key: str
    tokens: int


Item = int | ImageBlock
"""A token by its id, or an image as one."""


def length(items: Iterable[Item]) -> int:
    """How many positions items take."""
    return sum(item.tokens if isinstance(item, ImageBlock) else 1 for item in items)


@dataclass(frozen=True, slots=True)
class Reuse:
    """From where a prompt has to be read.

    Attributes:
        items: number of items that are in the cache already.
        position: number of positions that they take.
        checkpoint: the window checkpoint to restore first; None if the cache is good as it is.
    """

    items: int
    position: int
    checkpoint: WindowCheckpoint | None = None


class Ledger:
    """The items in the KV cache, in order, and the checkpoints along the way."""

    def __init__(self, window: int | None, budget: int) -> None:
        """An empty cache of a model with this window, and bytes for checkpoints."""
        self._window = window
        self._budget = budget
        self.items: list[Item] = []
        self.position = 0
        self.adapters: Applied | None = ()  # None: nobody knows, so that any are others
        self.checkpoints: list[WindowCheckpoint] = []

    @property
    def checkpoint_here(self) -> WindowCheckpoint | None:
        """The checkpoint of the cache as it is, if there is one."""
        return next((kept for kept in self.checkpoints if kept.items == len(self.items)), None)

    def append(self, items: Sequence[Item]) -> None:
        """Items were read."""
        self.items.extend(items)
        self.position += length(items)

    def truncate(self, items: int) -> None:
        """Everything after so many items was forgotten, and the checkpoints there with it."""
        del self.items[items:]
        self.position = length(self.items)
        self.checkpoints = [kept for kept in self.checkpoints if kept.items <= items]

    def adapt(self, adapters: Applied) -> bool:
        """Say what is applied from here on; true if it is something else, and all is forgotten.

        Keys and values are those of the adapters that they were computed under.
        """
        if adapters == self.adapters:
            return False
        self.truncate(0)
        self.adapters = adapters
        return True

    def keep(self, window: bytearray, logits: Floats | None = None) -> None:
        """Add a checkpoint of where we are, if it fits the budget at all.

        If the budget is used up, the oldest go: first those without logits, which stand where an
        answer ended, then those from which an answer can be written anew.
        """
        made = WindowCheckpoint(len(self.items), self.position, window, logits)
        if made.size > self._budget:
            return
        self.checkpoints.append(made)
        while sum(kept.size for kept in self.checkpoints) > self._budget:
            without = (kept for kept in self.checkpoints if kept.logits is None)
            self.checkpoints.remove(next(without, self.checkpoints[0]))

    def reuse(self, wanted: Sequence[Item], oldest: int) -> Reuse:
        """How much of a prompt is in the cache already; the rest is read, so that there are logits.

        Args:
            wanted: the whole prompt.
            oldest: the first position that the window layers hold.
        """
        common = self._common(wanted)
        whole = next((c for c in self.checkpoints if c.items == len(wanted) <= common), None)
        if whole is not None and whole.logits is not None:
            return Reuse(whole.items, whole.position, whole)
        shared = min(common, len(wanted) - 1)
        position = length(wanted[:shared])
        if self._sees(position, oldest):
            return Reuse(shared, position)
        before = [kept for kept in self.checkpoints if kept.items <= shared]
        if not before:
            return Reuse(0, 0)
        last = max(before, key=lambda kept: kept.items)
        return Reuse(last.items, last.position, last)

    def _sees(self, position: int, oldest: int) -> bool:
        """Whether the token at a position finds all that its window layers look at."""
        return self._window is None or oldest <= max(0, position + 1 - self._window)

    def _common(self, wanted: Sequence[Item]) -> int:
        pairs = zip(self.items, wanted, strict=False)
        return next(
            (index for index, (cached, item) in enumerate(pairs) if cached != item),
            min(len(self.items), len(wanted)),
        )
