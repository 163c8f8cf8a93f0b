"""Gemma 3 270M thinks on a device what it thinks on the CPU of the same build."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import closing

import numpy as np
import numpy.typing as npt
import pytest

from edge_med.config import LoadOptions
from edge_med.engine.core import Engine
from edge_med.models.machine import Device
from tests.conftest import RealModels
from tests.gpu.offloads import TEXT, Offload
from tests.real.continuations import continuations
from tests.real.texts import texts
from tests.tie_rule import (
    GPU_MARGIN,
    GPU_MEAN_KL,
    MAX_TIES,
    Agreement,
    Step,
    compare,
    step_of,
    together,
)

pytestmark = [pytest.mark.gpu, pytest.mark.real]

QUANTS = ("F16", "Q8_0", "Q4_K_M")
OPTIONS = LoadOptions(context=2048, threads=1)
"""A software device has threads of its own, which those of the CPU's layers would wait for."""

ALONG = 512
"""Tokens of each text that are read, in batches."""

Row = npt.NDArray[np.float32]
Read = Callable[[Engine], Iterator[Iterator[Row]]]


@pytest.fixture(scope="module")
def cpu(real_model: RealModels) -> Callable[[str, Read], list[list[Step]]]:
    """What the CPU thinks, run by run."""

    @functools.cache
    def steps(quant: str, read: Read) -> list[list[Step]]:
        with closing(Engine(real_model(quant), None, OPTIONS)) as engine:
            return [[step_of(row) for row in run] for run in read(engine)]

    return steps


def one_by_one(engine: Engine) -> Iterator[Iterator[Row]]:
    """After each token of transformers' continuations, read alone."""
    for run in continuations():
        yield (_after(engine, [*run.ids, *run.tokens[:n]]) for n in range(len(run.tokens)))


def in_batches(engine: Engine) -> Iterator[Iterator[Row]]:
    """After each token of texts, read in batches from the start."""
    for text in texts():
        engine._forget()
        yield engine.context.rows(text.ids[:ALONG], 0)


def _after(engine: Engine, ids: list[int]) -> Row:
    engine.read(ids)
    return engine.logits()


@pytest.mark.parametrize("read", [one_by_one, in_batches])
@pytest.mark.parametrize("quant", QUANTS)
@pytest.mark.parametrize("offload", TEXT, ids=str)
def test_logits_are_those_of_the_cpu(
    quant: str,
    offload: Offload,
    read: Read,
    cpu: Callable[[str, Read], list[list[Step]]],
    real_model: RealModels,
    device: Device,
) -> None:
    reference = cpu(quant, read)
    with closing(offload.on(device)(real_model(quant), None, OPTIONS)) as engine:
        runs = zip(reference, read(engine), strict=True)
        found = together([_compared(steps, rows) for steps, rows in runs])
    print(f"270m {quant}, {offload.layers} layers, {read.__name__}: {found}")
    assert found.positions >= 320
    assert found.wrong == 0
    assert found.mean_kl <= GPU_MEAN_KL
    assert found.ties <= MAX_TIES * found.positions


def _compared(steps: list[Step], rows: Iterator[Row]) -> Agreement:
    """Row by row, since each is a megabyte, and llama.cpp's until the next."""
    return together(
        [compare([step], [row], GPU_MARGIN) for step, row in zip(steps, rows, strict=True)]
    )
