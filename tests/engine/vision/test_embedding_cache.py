"""EmbeddingCache of images: what is kept, and for how long."""

from __future__ import annotations

import numpy as np

from edge_med.engine.vision.embedding_cache import EmbeddingCache

ROWS = np.zeros((4, 8), np.float32)


def test_the_one_unused_for_longest_goes_first() -> None:
    kept = EmbeddingCache(2 * ROWS.nbytes)
    kept.put("a", ROWS)
    kept.put("b", ROWS)
    assert kept.get("a") is not None
    kept.put("c", ROWS)
    assert [key for key in "abc" if kept.get(key) is not None] == ["a", "c"]


def test_what_does_not_fit_at_all_drives_nothing_out() -> None:
    kept = EmbeddingCache(2 * ROWS.nbytes)
    kept.put("a", ROWS)
    kept.put("large", np.zeros((12, 8), np.float32))
    assert kept.get("a") is not None
    assert kept.get("large") is None
