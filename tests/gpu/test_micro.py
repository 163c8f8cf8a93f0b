"""Micro answers on a device what it answers on the CPU of the same build."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from edge_med import MedGemma
from edge_med.answers import Score
from edge_med.artifacts.gguf import read_header
from edge_med.config import LoadOptions
from edge_med.models.machine import Device
from scripts.micro.exam import exam
from scripts.micro.score import answer
from tests.gpu.offloads import ALL, Offload
from tests.scores import rows
from tests.tie_rule import GPU_MARGIN, GPU_MEAN_KL, MAX_TIES, compare, step_of, together

pytestmark = pytest.mark.gpu

QUANTS = ("Q8_0", "Q4_K_M")
SAMPLE = exam()[::17]
TOP = 1000
"""Candidates of each position that are compared, of 1,088: `score` tells no more."""

Said = Callable[[str, Offload | None], list[str]]
Rated = Callable[[str, Offload | None], list[Score]]


@pytest.fixture(scope="module")
def opened(micro: Path, device: Device) -> Callable[[str, Offload | None], MedGemma]:
    def load(quant: str, offload: Offload | None) -> MedGemma:
        text = micro / f"micro-{quant}.gguf"
        if offload is None:
            return MedGemma.load(text, context=1024, device="cpu", threads=1)
        options = offload.options(text, device, LoadOptions())
        return MedGemma.load(
            text,
            context=1024,
            device=options.device,
            gpu_layers=options.gpu_layers,
            projector_device=options.projector_device,
            threads=1,
        )

    return load


@pytest.fixture(scope="module")
def said(opened: Callable[[str, Offload | None], MedGemma]) -> Said:
    @functools.cache
    def answers(quant: str, offload: Offload | None) -> list[str]:
        with opened(quant, offload) as model:
            return [answer(model, item) for item in SAMPLE]

    return answers


@pytest.fixture(scope="module")
def rated(opened: Callable[[str, Offload | None], MedGemma]) -> Rated:
    """What is thought along the right answers, token by token."""

    @functools.cache
    def scores(quant: str, offload: Offload | None) -> list[Score]:
        with opened(quant, offload) as model:
            return [model.score(item.messages(), item.answer, top=TOP) for item in SAMPLE]

    return scores


def test_the_sample_is_of_all_kinds() -> None:
    assert len(SAMPLE) >= 40
    assert min(Counter(item.kind for item in SAMPLE).values()) >= 5
    assert len({item.kind for item in SAMPLE}) == 10


@pytest.mark.parametrize("quant", QUANTS)
@pytest.mark.parametrize("offload", ALL, ids=str)
def test_answers_are_unchanged(quant: str, offload: Offload, said: Said) -> None:
    pairs = list(zip(said(quant, None), said(quant, offload), strict=True))
    same = sum(cpu == gpu for cpu, gpu in pairs)
    print(f"micro {quant}, {offload}: {same} of {len(pairs)} answers unchanged")
    assert same == len(pairs), [pair for pair in pairs if pair[0] != pair[1]]


@pytest.mark.parametrize("quant", QUANTS)
@pytest.mark.parametrize("offload", ALL, ids=str)
def test_along_the_right_answers_it_thinks_what_the_cpu_thinks(
    quant: str, offload: Offload, rated: Rated, micro: Path
) -> None:
    size = read_header(micro / f"micro-{quant}.gguf").array("tokenizer.ggml.tokens")
    assert size is not None
    found = together(
        [
            compare([step_of(row) for row in cpu], gpu, GPU_MARGIN)
            for cpu, gpu in zip(
                (rows(score, size.count) for score in rated(quant, None)),
                (rows(score, size.count) for score in rated(quant, offload)),
                strict=True,
            )
        ]
    )
    print(f"micro {quant}, {offload}: {found}")
    assert found.wrong == 0
    assert found.mean_kl <= GPU_MEAN_KL
    assert found.ties <= MAX_TIES * found.positions
