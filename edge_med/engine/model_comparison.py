"""Two models along a text: the perplexity of both, and how far the one is from the other.

The protocol is that of llama.cpp's llama-perplexity (tools/perplexity/perplexity.cpp): chunks of
512 tokens, each read from an empty cache with the beginning of the text in place of its first
token, and of each chunk only the second half counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import astuple, dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np

from edge_med.artifacts.split import read_model
from edge_med.config import LoadOptions
from edge_med.engine.divergence import (
    Divergence,
    Estimate,
    Position,
    divergence,
    estimate,
    perplexity,
    position,
)
from edge_med.engine.engine import Engine
from edge_med.engine.llama.arrays import Floats, Wide
from edge_med.engine.llama.context import NEVER, Stop
from edge_med.errors import InputError, PairingError
from edge_med.planner.memory_plan import MemoryPlan, plan

CHUNK = 512
"""Tokens; llama-perplexity's context where none is given, and so that of most published figures."""

UNCOUNTED = CHUNK // 2
"""Tokens of a chunk that are only context for the others (`first` in perplexity.cpp)."""

COUNTED = CHUNK - UNCOUNTED - 1
"""Tokens that are predicted after those; what follows the last one isn't in the chunk."""

OPTIONS = LoadOptions(context=CHUNK, batch=CHUNK, outputs=CHUNK - UNCOUNTED)

Advance = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two models along a text.

    Attributes:
        tokens: number of the text's tokens, its beginning included.
        chunks: number of chunks that were read; what is left after the last whole one isn't.
        positions: number of positions that were counted.
        base_perplexity: the perplexity of the model that the other is compared with.
        perplexity: the perplexity of the other.
        log_ratio: natural logarithm of the other's perplexity divided by the base's.
        divergence: the divergence of the other from the base.
        stored_divergence: its mean as llama-perplexity has it, which rounds the base to 16 bits.
        same_top: share of positions where both find the same token most probable.
    """

    tokens: int
    chunks: int
    positions: int
    base_perplexity: Estimate
    perplexity: Estimate
    log_ratio: Estimate
    divergence: Divergence
    stored_divergence: Estimate
    same_top: Estimate


def memory(base: Path, other: Path) -> MemoryPlan:
    """What two models will take together.

    Raises:
        ArtifactError: a file is damaged or of another kind.
    """
    plans = [plan(read_model(path)[0], OPTIONS) for path in (base, other)]
    return MemoryPlan(*(sum(sizes) for sizes in zip(*map(astuple, plans), strict=True)))


class ModelPair:
    """Two opened models; close it, or use it with `contextlib.closing`."""

    def __init__(self, base: Path, other: Path, threads: int | None = None) -> None:
        """Open both, with so many threads that compute.

        Raises:
            ArtifactError: a file is damaged or of another kind.
            EngineError: llama.cpp can't load it.
        """
        options = replace(OPTIONS, threads=threads)
        self._base = Engine(base, None, options)
        try:
            self._other = Engine(other, None, options)
        except BaseException:
            self._base.close()
            raise

    def close(self) -> None:
        """Free everything; harmless when done twice."""
        self._base.close()
        self._other.close()

    def tokenize(self, text: str) -> list[int]:
        """The ids of a text, from its beginning on; one line break at its end doesn't count.

        Raises:
            PairingError: the models don't agree on them.
            InputError: they are less than a chunk.
        """
        ids, others = (_tokens(engine, text) for engine in (self._base, self._other))
        sizes = {engine.model.vocabulary.size for engine in (self._base, self._other)}
        if ids != others or len(sizes) > 1:
            raise PairingError(
                "The two models have different vocabularies.",
                "Compare two files of the same model.",
            )
        if len(ids) < CHUNK:
            raise InputError(
                f"The text has {len(ids)} tokens, and a comparison takes {CHUNK} or more.",
                "Give a longer text; ten thousand tokens make fair figures.",
            )
        return ids

    def compare(
        self, ids: Sequence[int], advance: Advance = lambda _: None, stop: Stop = NEVER
    ) -> Comparison:
        """Read a text with both.

        Args:
            ids: the ids that `tokenize` gave.
            advance: called with 1 after each chunk.
            stop: called often; true ends the comparison.

        Raises:
            CancelledError: `stop` became true.
            EngineError: llama.cpp failed.
        """
        chunks = len(ids) // CHUNK
        found: list[Position] = []
        for start in range(0, chunks * CHUNK, CHUNK):
            found += self._positions([ids[0], *ids[start + 1 : start + CHUNK]], stop)
            advance(1)
        return _summed_up(len(ids), chunks, np.array(found).T)

    def _positions(self, chunk: Sequence[int], stop: Stop) -> Iterator[Position]:
        """Both models, in turns, before each counted token of a chunk."""
        base, other = (_rows(engine, chunk, stop) for engine in (self._base, self._other))
        for token, mine, its in zip(chunk[UNCOUNTED + 1 :], base, other, strict=True):
            yield position(mine, its, token)


def _tokens(engine: Engine, text: str) -> list[int]:
    vocabulary = engine.model.vocabulary
    return [vocabulary.required("<bos>"), *vocabulary.tokenize(text.removesuffix("\n"))]


def _rows(engine: Engine, chunk: Sequence[int], stop: Stop) -> Iterator[Floats]:
    """The logits after each token of a chunk that isn't only context, except its last.

    The whole chunk is one batch, as in llama-perplexity: another size may meet other kernels.
    """
    engine.slot.cells.truncate(0)
    rows = engine.slot.cells.batch_rows(chunk, 0, stop, skip=UNCOUNTED)
    yield from islice(rows, COUNTED)


def _summed_up(tokens: int, chunks: int, found: Wide) -> Comparison:
    base_surprise, surprise, divergences, stored, same_top = found
    return Comparison(
        tokens=tokens,
        chunks=chunks,
        positions=found.shape[1],
        base_perplexity=perplexity(base_surprise),
        perplexity=perplexity(surprise),
        log_ratio=estimate(surprise - base_surprise),
        divergence=divergence(divergences),
        stored_divergence=estimate(stored),
        same_top=estimate(same_top),
    )
