"""What is open until it is closed, at the latest at the end of a `with`."""

from __future__ import annotations

import weakref
from types import TracebackType
from typing import Self

from edge_med.imaging.sandbox.pool import POOL

_OPEN: weakref.WeakSet[Closeable] = weakref.WeakSet()


class Closeable:
    """Something that holds memory and processes until it is closed.

    The processes that decode images are the program's: the last that is closed ends them, and the
    next image starts new ones.
    """

    def __init__(self) -> None:
        _OPEN.add(self)

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self not in _OPEN

    def close(self) -> None:
        """Free everything; harmless when done twice."""
        _OPEN.discard(self)
        self._free()
        if not _OPEN:
            POOL.close()

    def _free(self) -> None:
        """Free what is one's own."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
