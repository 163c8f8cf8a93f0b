"""On real weights a continuation's score is that of transformers, and a base model chooses well."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from devtools.golden.continuations import continuations
from edge_med import MedGemma
from edge_med.engine.llama.text_model import TextModel

pytestmark = pytest.mark.real

CLOSE = 0.01
"""Nats; seen 0.004."""

RUNS = continuations()


@pytest.fixture(scope="module")
def path(real_model: Callable[[str], Path]) -> Path:
    return real_model("F32")


@pytest.fixture(scope="module")
def gemma(path: Path) -> Iterator[MedGemma]:
    with MedGemma.load(path, context=512, threads=1) as model:
        yield model


@pytest.fixture(scope="module")
def texts(path: Path) -> list[str]:
    """What transformers has written after each prompt."""
    with TextModel(path) as model:
        pieces = [[model.vocabulary.piece(token) for token in run.tokens] for run in RUNS]
    return [b"".join(run).decode() for run in pieces]


@pytest.mark.parametrize("number", range(len(RUNS)))
def test_tokens_have_the_probabilities_that_transformers_gives_them(
    number: int, gemma: MedGemma, texts: list[str]
) -> None:
    run, score = RUNS[number], gemma.score(RUNS[number].prompt, texts[number])
    assert tuple(token.id for token in score.tokens) == run.tokens
    expected = [step.logprobs[0] for step in run.steps]  # it was greedy
    off = np.abs(np.subtract([token.logprob for token in score.tokens], expected))
    print(f"{run.prompt}: {off.max():.5f}")
    assert off.max() < CLOSE


def test_a_base_model_chooses_the_likely_word(gemma: MedGemma) -> None:
    choice = gemma.choose("The heart pumps blood through the", [" sky", " body", " table"])
    assert (choice.option, choice.index) == (" body", 1)
    assert choice.probabilities[1] > 0.99
