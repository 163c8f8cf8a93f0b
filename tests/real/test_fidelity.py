"""On real weights the engine thinks what transformers thinks: docs/evidence/fidelity.md."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from devtools.golden.continuations import Continuation, continuations
from devtools.golden.texts import Text, texts
from devtools.tie_rule import MAX_TIES, MEAN_KL, Agreement, compare
from edge_med.config import LoadOptions
from edge_med.engine.engine import Engine
from edge_med.engine.prompt import compose
from edge_med.messages import Message, TextPart

pytestmark = pytest.mark.real

QUANTS = ("F32", "F16", "BF16", "Q8_0")
LOST = {"F16": 1e-5, "BF16": 1e-4, "Q8_0": 5e-3}
"""Seen 1.6e-6, 5.5e-5 and 2.5e-3: what the types cost, so that a worse one is noticed."""

Compared = Callable[[str], list[Agreement]]
Model = Callable[[str], Path]


@contextmanager
def opened(path: Path) -> Iterator[Engine]:
    engine = Engine(path, None, LoadOptions(context=2048))
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def continued(real_model: Model) -> Compared:
    """How the model of one type compares with the reference, prompt by prompt."""

    @functools.cache
    def agreements(quant: str) -> list[Agreement]:
        with opened(real_model(quant)) as engine:
            return [followed(engine, run) for run in continuations()]

    return agreements


@pytest.fixture(scope="module")
def thought(real_model: Model) -> Compared:
    """The same along texts, position by position."""

    @functools.cache
    def agreements(quant: str) -> list[Agreement]:
        with opened(real_model(quant)) as engine:
            return [along(engine, text) for text in texts()]

    return agreements


def followed(engine: Engine, run: Continuation) -> Agreement:
    """Follow the reference's tokens and keep what the engine thought at each."""
    prompt = compose(engine.model, [Message("user", (TextPart(run.prompt),))])
    assert prompt == list(run.ids)
    seen = []
    for count in range(len(run.tokens)):
        engine.slot.prefill([*prompt, *run.tokens[:count]])
        seen.append(engine.slot.logits().copy())
    return compare(run.steps, seen)


def along(engine: Engine, text: Text) -> Agreement:
    """Read a text from its start and keep what the engine thought after each token."""
    engine.slot.clear()
    return compare(text.steps, [row.copy() for row in engine.slot.cells.rows(text.ids, 0)])


def mean_kl(runs: list[Agreement]) -> float:
    total = sum(run.positions for run in runs)
    return sum(run.mean_kl * run.positions for run in runs) / total


@pytest.mark.parametrize("prompt", range(10))
def test_the_f32_file_agrees_with_transformers(prompt: int, continued: Compared) -> None:
    agreement = continued("F32")[prompt]
    assert agreement.wrong == 0
    assert agreement.mean_kl <= MEAN_KL


def test_few_positions_of_the_f32_file_are_ties(continued: Compared, thought: Compared) -> None:
    """Over all of them: a prompt of 32 positions can't have one per cent."""
    runs = [*continued("F32"), *thought("F32")]
    assert sum(r.ties for r in runs) <= MAX_TIES * sum(r.positions for r in runs)


def test_the_f32_file_agrees_along_two_thousand_tokens_of_text(thought: Compared) -> None:
    runs = thought("F32")
    assert sum(run.positions for run in runs) >= 2000
    assert mean_kl(runs) <= MEAN_KL
    assert all(run.wrong == 0 for run in runs), runs


@pytest.mark.parametrize("quant", LOST)
def test_other_types_lose_what_they_are_known_to_lose(quant: str, continued: Compared) -> None:
    assert np.mean([run.mean_kl for run in continued(quant)]) < LOST[quant]


def test_the_table_of_the_docs(
    continued: Compared, thought: Compared, capsys: pytest.CaptureFixture[str]
) -> None:
    """Prints what docs/evidence/fidelity.md shows."""
    with capsys.disabled():
        for compared, total in ((continued, 320), (thought, 2300)):
            print("\n| file | runs that agree | wrong | ties | mean KL |\n|---|---|---|---|---|")
            for quant in QUANTS:
                runs = compared(quant)
                wrong, ties = (sum(getattr(r, n) for r in runs) for n in ("wrong", "ties"))
                held = sum(run.holds() for run in runs)
                print(
                    f"| {quant} | {held}/{len(runs)} | {wrong}/{total} | {ties}/{total} "
                    f"| {mean_kl(runs):.1e} |"
                )
                assert sum(run.positions for run in runs) == total
