"""Gemma 3 270M thinks on a device what follows from its weights.

llama.cpp's CPU code rounds activations to eight bits before it multiplies them with quantized
weights, which takes 270M farther from what follows from these weights than the tie rule allows
between two devices (docs/evidence/gpu.md). So the reference is the CPU with the same weights in
F32; where the CPU itself doesn't keep the rule, a device may be as far from it as the CPU, and no
farther.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from devtools.golden.continuations import continuations
from devtools.golden.texts import texts
from devtools.tie_rule import (
    GPU_MARGIN,
    GPU_MEAN_KL,
    MAX_TIES,
    Agreement,
    Step,
    compare,
    step_of,
    together,
)
from edge_med.config import LoadOptions
from edge_med.engine.engine import Engine
from edge_med.planner.machine import Device
from tests.conftest import RealModels
from tests.gpu.offloads import TEXT, Offload
from tests.gpu.widened import widened

pytestmark = [pytest.mark.gpu, pytest.mark.real]

QUANTS = ("F16", "Q8_0", "Q4_K_M")
OPTIONS = LoadOptions(context=2048, threads=1)
"""A software device has threads of its own, which those of the CPU's layers would wait for."""

ALONG = 128
"""Tokens of each text that are read, in batches."""

Row = npt.NDArray[np.float32]
Read = Callable[[Engine], Iterator[Iterator[Row]]]


@pytest.fixture(scope="module")
def exact(
    real_model: RealModels, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str, Read], list[list[Step]]]:
    """What follows from a file's weights, run by run."""
    folder = tmp_path_factory.mktemp("widened")

    @functools.cache
    def wide(quant: str) -> Path:
        return widened(real_model(quant), folder / f"{quant}.gguf")

    @functools.cache
    def steps(quant: str, read: Read) -> list[list[Step]]:
        with closing(Engine(wide(quant), None, OPTIONS)) as engine:
            return [[step_of(row) for row in run] for run in read(engine)]

    return steps


@pytest.fixture(scope="module")
def on_cpu(
    real_model: RealModels, exact: Callable[[str, Read], list[list[Step]]]
) -> Callable[[str, Read], Agreement]:
    """How near the CPU comes to it."""

    @functools.cache
    def found(quant: str, read: Read) -> Agreement:
        with closing(Engine(real_model(quant), None, OPTIONS)) as engine:
            return _agreement(exact(quant, read), read(engine))

    return found


def one_by_one(engine: Engine) -> Iterator[Iterator[Row]]:
    """After each token of transformers' continuations, read alone."""
    for run in continuations():
        yield (_after(engine, [*run.ids, *run.tokens[:n]]) for n in range(len(run.tokens)))


def in_batches(engine: Engine) -> Iterator[Iterator[Row]]:
    """After each token of texts, read in batches from the start."""
    for text in texts():
        engine.slot.clear()
        yield engine.slot.cells.rows(text.ids[:ALONG], 0)


def _after(engine: Engine, ids: list[int]) -> Row:
    engine.slot.prefill(ids)
    return engine.slot.logits()


@pytest.mark.parametrize("read", [one_by_one, in_batches])
@pytest.mark.parametrize("quant", QUANTS)
@pytest.mark.parametrize("offload", TEXT, ids=str)
def test_logits_follow_from_the_weights(
    quant: str,
    offload: Offload,
    read: Read,
    exact: Callable[[str, Read], list[list[Step]]],
    on_cpu: Callable[[str, Read], Agreement],
    real_model: RealModels,
    device: Device,
) -> None:
    cpu = on_cpu(quant, read)
    with closing(offload.on(device)(real_model(quant), None, OPTIONS)) as engine:
        found = _agreement(exact(quant, read), read(engine))
    print(f"270m {quant}, {offload.layers} layers, {read.__name__}: {found}; the CPU: {cpu}")
    assert found.positions >= 320
    assert found.wrong <= cpu.wrong
    assert found.mean_kl <= max(GPU_MEAN_KL, cpu.mean_kl)
    assert found.ties <= max(MAX_TIES * found.positions, cpu.ties)


def _agreement(reference: list[list[Step]], runs: Iterator[Iterator[Row]]) -> Agreement:
    return together([_compared(steps, rows) for steps, rows in zip(reference, runs, strict=True)])


def _compared(steps: list[Step], rows: Iterator[Row]) -> Agreement:
    """Row by row, since each is a megabyte, and llama.cpp's until the next."""
    return together(
        [compare([step], [row], GPU_MARGIN) for step, row in zip(steps, rows, strict=True)]
    )
