"""MedGemma's limits on a tiny model: a prompt of 131,072 tokens and an answer of 8,192."""

from __future__ import annotations

import multiprocessing
import statistics
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from math import inf, isfinite
from pathlib import Path

import numpy as np
import pytest

from converters.pipeline import convert
from converters.request import ConversionRequest
from devtools.checkpoints.tiny import Text, Tiny, write_tiny
from edge_med.answers import Answer, End, Event
from edge_med.artifacts.file_names import text_file
from edge_med.config import LONGEST_ANSWER, LoadOptions, Options
from edge_med.engine.cache.ledger import length
from edge_med.engine.engine import Engine
from edge_med.engine.prompt import compose
from edge_med.engine.tasks.answer_notices import ModelIdentity
from edge_med.engine.tasks.generate import GenerateRequest
from edge_med.messages import Message, as_messages
from edge_med.planner.memory_plan import plan
from edge_med.question import Question
from tests.engine.scripted import answer

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


@dataclass(frozen=True)
class Told:
    """What a run to the limits told.

    Attributes:
        answer: as a user would get it.
        seconds: for each new token.
        grown: bytes by which the process grew for the context and all that was computed in it.
        planned: bytes that were planned for these, and the checkpoints that were kept.
    """

    answer: Answer
    seconds: list[float]
    grown: int
    planned: int


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    """A run in a process of its own, so that its memory is its own."""
    base = tmp_path_factory.mktemp("long")
    source = write_tiny(Tiny(seed=31, sharp=True, text=TEXT), base / "tiny")
    convert(ConversionRequest(source=source, folder=base, quants=("F16",)))
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(run, base / text_file("tiny", "F16")).result()


def run(path: Path) -> Told:
    """Read the longest prompt and write the longest answer, greedily, as any question is."""
    short = LoadOptions(context=BATCH, batch=BATCH, threads=2)
    with closing(Engine(path, None, short)) as engine:  # what any context takes
        engine.slot.prefill([300] * BATCH)
    start = status("VmRSS")  # what the small one has given back is taken anew
    options = LoadOptions(context=PROMPT + LONGEST_ANSWER, batch=BATCH, threads=2)
    with closing(Engine(path, None, options)) as engine:
        planned = plan(engine.model.header, options)
        written, stamps = write(engine)
        kept = sum(checkpoint.size for checkpoint in engine.slot.ledger.checkpoints)
        grown = status("VmHWM") - start
    return Told(written, np.diff(stamps).tolist(), grown, planned.kv + planned.compute + kept)


def write(engine: Engine) -> tuple[Answer, list[float]]:
    """The answer, and when each of its tokens and the end began."""
    stamps: list[float] = []
    events: list[Event] = []

    def stop() -> bool:  # asked often while reading, then once a token
        stamps.append(time.perf_counter())
        return False

    vocabulary = engine.model.vocabulary
    ends = {token: -inf for token in range(vocabulary.size) if vocabulary.ends(token)}
    options = Options(
        max_new_tokens=LONGEST_ANSWER, think="off", stop_loops=False, logprobs=1, logit_bias=ends
    )
    identity = ModelIdentity(None, None, "F16", image_tokens=4)
    asked = GenerateRequest(Question(tuple(prompt(engine)), options))
    answer(engine, asked, events.append, stop, identity)
    end = events[-1]
    assert isinstance(end, End)
    return end.answer, stamps[-LONGEST_ANSWER:]


def prompt(engine: Engine) -> tuple[Message, ...]:
    """One question that takes the whole prompt, with its turns; every digit is a token."""
    turns = length(compose(engine.model, as_messages("")))
    return as_messages("1" * (PROMPT - turns))


def status(field: str) -> int:
    """Bytes of this process in memory, now or at the most; Linux counts them in KiB (proc(5)).

    Not getrusage: there a process begins with the peak of the one that started it.
    """
    lines = Path("/proc/self/status").read_text("utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) << 10


def test_the_whole_answer_is_written_and_every_probability_is_a_number(told: Told) -> None:
    written = told.answer
    assert (written.usage.prompt, written.usage.answer) == (PROMPT, LONGEST_ANSWER)
    assert written.finish_reason == "length"
    assert written.logprobs is not None
    assert all(isfinite(token.logprob) for token in written.logprobs)


def test_a_token_takes_as_long_at_the_end_as_at_the_start(told: Told) -> None:
    """Its cells to look through grow by 6 % meanwhile."""
    first, last = (
        statistics.median(told.seconds[part]) for part in (slice(1000), slice(-1000, None))
    )
    print(f"{first * 1e6:.0f} µs, {last * 1e6:.0f} µs a token")
    assert last < 1.3 * first


def test_the_context_takes_the_memory_that_was_planned(told: Told) -> None:
    """Within a tenth: the process keeps some of what a small context before it has left."""
    print(f"planned {told.planned / MIB:.1f} MiB, grown {told.grown / MIB:.1f} MiB")
    assert 0.9 * told.planned < told.grown < 1.05 * told.planned
