"""Embeddings of images that were seen, so that nobody waits for the same image twice."""

from __future__ import annotations

from collections import OrderedDict

from edge_med.engine.llama.arrays import Floats


class EmbeddingCache:
    """Keeps embeddings by the SHA-256 of their pixels; the one unused for longest goes first."""

    def __init__(self, limit: int) -> None:
        """An empty store with a limit in bytes."""
        self._limit = limit
        self._kept: OrderedDict[str, Floats] = OrderedDict()

    @property
    def size(self) -> int:
        """Bytes that are kept."""
        return sum(rows.nbytes for rows in self._kept.values())

    def get(self, key: str) -> Floats | None:
        """The embeddings of an image, F32 of shape (image tokens, width); None if unknown."""
        rows = self._kept.get(key)
        if rows is not None:
            self._kept.move_to_end(key)
        return rows

    def put(self, key: str, rows: Floats) -> None:
        """Keep the embeddings of an image, if they fit at all."""
        if rows.nbytes > self._limit:
            return
        self._kept[key] = rows
        self._kept.move_to_end(key)
        while self.size > self._limit:
            self._kept.popitem(last=False)
