"""On real weights the engine writes what transformers writes: docs/fidelity.md has the figures."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from edge_med.engine.generate import stream
from edge_med.engine.model import LoadOptions, Model
from edge_med.engine.tokens import compose
from tests.real.continuations import Continuation, continuations
from tests.tie_rule import Agreement, compare

pytestmark = pytest.mark.real

QUANTS = ("F32", "F16", "BF16", "Q8_0")
MEAN_KL = {"F16": 1e-5, "BF16": 1e-4, "Q8_0": 5e-3}
"""Seen 1.6e-6, 5.5e-5 and 2.5e-3: what the types cost, so that a worse one is noticed."""

Compared = Callable[[str], list[Agreement]]


@pytest.fixture(scope="module")
def compared(real_model: Callable[[str], Path]) -> Compared:
    """How the model of one type compares with the reference, prompt by prompt."""

    @functools.cache
    def agreements(quant: str) -> list[Agreement]:
        return [agreement(real_model(quant), run) for run in continuations()]

    return agreements


def agreement(path: Path, run: Continuation) -> Agreement:
    """Follow the reference's tokens and keep what the engine thought at each."""
    seen: list[npt.NDArray[np.float32]] = []
    forced: Iterator[int] = iter(run.tokens)

    def follow(logits: npt.NDArray[np.float32]) -> int:
        seen.append(logits)
        return next(forced)

    with Model(path, LoadOptions(context=256)) as model:
        prompt = compose(model, run.prompt)
        assert list(prompt) == list(run.ids)
        for _ in stream(model, prompt, max_new_tokens=len(run.tokens), choose=follow):
            pass
    return compare(run.steps, seen)


@pytest.mark.parametrize("prompt", range(10))
def test_the_f32_file_agrees_with_transformers(prompt: int, compared: Compared) -> None:
    assert compared("F32")[prompt].holds()


@pytest.mark.parametrize("quant", MEAN_KL)
def test_other_types_lose_what_they_are_known_to_lose(quant: str, compared: Compared) -> None:
    assert np.mean([run.mean_kl for run in compared(quant)]) < MEAN_KL[quant]


def test_the_table_of_the_docs(compared: Compared, capsys: pytest.CaptureFixture[str]) -> None:
    """Prints what docs/fidelity.md shows."""
    with capsys.disabled():
        print("\n| file | prompts that agree | wrong | ties | mean KL |\n|---|---|---|---|---|")
        for quant in QUANTS:
            runs = compared(quant)
            wrong, ties = (sum(getattr(r, n) for r in runs) for n in ("wrong", "ties"))
            kl = np.mean([run.mean_kl for run in runs])
            held = sum(run.holds() for run in runs)
            print(f"| {quant} | {held}/{len(runs)} | {wrong}/320 | {ties}/320 | {kl:.1e} |")
            assert sum(run.positions for run in runs) == 320
