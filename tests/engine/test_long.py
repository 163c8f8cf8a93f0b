"""MedGemma's limits on a tiny model: a prompt of 131,072 tokens and an answer of 8,192."""

from __future__ import annotations

import multiprocessing
import resource
import statistics
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from converters.pipeline import convert
from converters.request import Request
from edge_med.artifacts.naming import text_file
from edge_med.config import LONGEST_ANSWER, LoadOptions
from edge_med.engine.core import Engine
from edge_med.models.memory import plan
from tests.checkpoints.tiny import Text, Tiny, write_tiny

pytestmark = pytest.mark.long

PROMPT = 131_072
BATCH = 512
TEXT = Text(
    layers=6,
    hidden=64,
    feed_forward=128,
    heads=1,
    key_value_heads=1,
    head_size=64,
    context=PROMPT,
    rope_factor=8.0,
)
MIB = 1 << 20
MAXRSS_BYTES = 1 if sys.platform == "darwin" else 1024
"""Linux counts `ru_maxrss` in KiB (getrusage(2))."""


@dataclass(frozen=True)
class Told:
    """What a run to the limits told.

    Attributes:
        finite: whether all logits were that came out, after the prompt and each new token.
        seconds: for each new token.
        grown: bytes by which the process grew for the context and all that was computed in it.
        planned: bytes that were planned for these.
    """

    finite: bool
    seconds: list[float]
    grown: int
    planned: int


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    """A run in a process of its own, so that its memory is its own."""
    base = tmp_path_factory.mktemp("long")
    source = write_tiny(Tiny(seed=31, sharp=True, text=TEXT), base / "tiny")
    convert(Request(source=source, folder=base, quants=("F16",)))
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(run, base / text_file("tiny", "F16")).result()


def run(path: Path) -> Told:
    """Read the longest prompt, then write the longest answer, greedily."""
    rng = np.random.default_rng(0)
    prompt = rng.integers(3, TEXT.vocabulary - 64, PROMPT).tolist()
    short = LoadOptions(context=BATCH, batch=BATCH, threads=2)
    with closing(Engine(path, None, short)) as engine:  # what any context takes
        engine.read(prompt[:BATCH])
    start = peak()
    finite, seconds = [], []
    options = LoadOptions(context=PROMPT + LONGEST_ANSWER, batch=BATCH, threads=2)
    with closing(Engine(path, None, options)) as engine:
        planned = plan(engine.model.header, options)
        engine.read(prompt)
        finite.append(bool(np.isfinite(engine.logits()).all()))
        for _ in range(LONGEST_ANSWER):
            began = time.perf_counter()
            engine.add(int(engine.logits().argmax()))
            seconds.append(time.perf_counter() - began)
            finite.append(bool(np.isfinite(engine.logits()).all()))
    assert len(finite) == 1 + LONGEST_ANSWER
    return Told(all(finite), seconds, peak() - start, planned.kv + planned.compute)


def peak() -> int:
    """Bytes that the process had in memory at the most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * MAXRSS_BYTES


def test_all_logits_are_finite(told: Told) -> None:
    assert told.finite
    assert len(told.seconds) == LONGEST_ANSWER


def test_a_token_takes_as_long_at_the_end_as_at_the_start(told: Told) -> None:
    """Its cells to look through grow by 6 % meanwhile."""
    first, last = (
        statistics.median(told.seconds[part]) for part in (slice(1000), slice(-1000, None))
    )
    print(f"{first * 1e6:.0f} µs, {last * 1e6:.0f} µs a token")
    assert last < 1.3 * first


def test_the_context_takes_the_memory_that_was_planned(told: Told) -> None:
    """Within a tenth: the process reuses what a small context before it has left."""
    print(f"planned {told.planned / MIB:.1f} MiB, grown {told.grown / MIB:.1f} MiB")
    assert 0.9 * told.planned < told.grown < 1.05 * told.planned
