"""Micro answers on a device what it answers on the CPU of the same build.

An answer may part from the CPU's only where two tokens were as good as equal to the CPU: by the tie
rule, at less than its margin, and for at most one per cent of the tokens.
"""

from __future__ import annotations

import functools
import math
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from devtools.golden.scores import rows
from devtools.micro.exam import Item, exam
from devtools.micro.score import answer
from devtools.tie_rule import GPU_MARGIN, GPU_MEAN_KL, MAX_TIES, compare, step_of, together
from edge_med import MedGemma
from edge_med.answers import Score
from edge_med.artifacts.gguf import read_header
from edge_med.config import LoadOptions
from edge_med.planner.machine import Device
from tests.gpu.offloads import ALL, Offload

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
def test_answers_are_unchanged(
    quant: str, offload: Offload, said: Said, opened: Callable[[str, Offload | None], MedGemma]
) -> None:
    given = list(zip(SAMPLE, said(quant, None), said(quant, offload), strict=True))
    other = [(item, cpu, gpu) for item, cpu, gpu in given if cpu != gpu]
    with opened(quant, None) as model:
        around = model.count("Yes").prompt - 1
        tokens = sum(model.count(cpu).prompt - around for _, cpu, _ in given)
        margins = [_margin(model, item, cpu, gpu) for item, cpu, gpu in other]
    same = len(given) - len(other)
    print(f"micro {quant}, {offload}: {same} of {len(given)} answers unchanged, ties {margins}")
    assert all(margin < GPU_MARGIN for margin in margins), other
    assert len(other) <= MAX_TIES * tokens


def _margin(model: MedGemma, item: Item, cpu: str, gpu: str) -> float:
    """By how much the CPU's token led where the answers part; infinite for one with a thought."""
    if item.kind == "thought":
        return math.inf
    begun = ""
    for token in model.score(item.messages(), cpu, top=2).tokens:
        begun += token.text
        if not gpu.startswith(begun):
            return token.top[0].logprob - token.top[1].logprob
    return math.inf  # one answer goes on where the other ends


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
