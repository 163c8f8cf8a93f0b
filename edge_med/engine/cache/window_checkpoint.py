"""The window layers as they were at one place, so that it can be gone back to."""

from __future__ import annotations

from dataclasses import dataclass

from edge_med.engine.llama.arrays import Floats


@dataclass(frozen=True, slots=True, eq=False)
class WindowCheckpoint:
    """The window layers at one place.

    Attributes:
        items: read until there.
        position: number of positions that the items take.
        window: the cells of the window layers.
        logits: the logits of the token that follows; None where nobody asked for them.
    """

    items: int
    position: int
    window: bytearray
    logits: Floats | None

    @property
    def size(self) -> int:
        """Bytes in memory."""
        return len(self.window) + (self.logits.nbytes if self.logits is not None else 0)
