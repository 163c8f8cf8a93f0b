"""Figures of two models beside each other, against the formulas written out in float64."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from edge_med.engine import divergence
from edge_med.errors import EngineError

Floats = npt.NDArray[np.float32]
Wide = npt.NDArray[np.float64]

VOCABULARY = 262_144
FLOOR = 2e-8
"""Nats; seen 5e-9, what F32 exponentials cost."""


def logits(seed: int, spread: float = 4.0) -> Floats:
    values: Floats = np.random.default_rng(seed).normal(0, spread, VOCABULARY).astype(np.float32)
    return values


def log_softmax(values: Floats) -> Wide:
    wide: Wide = values.astype(np.float64)
    shifted: Wide = wide - wide.max()
    total: Wide = shifted - np.log(np.exp(shifted).sum())
    return total


@pytest.mark.parametrize("apart", [3.0, 0.1, 1e-3, 1e-5])
def test_the_divergence_of_models_far_apart_and_close_together(apart: float) -> None:
    base = logits(1)
    other = (base + apart * logits(2, spread=1.0)).astype(np.float32)
    p, q = log_softmax(base), log_softmax(other)
    expected = float(np.exp(p) @ (p - q))
    found = divergence.position(base, other, 7)
    assert found.divergence == pytest.approx(expected, rel=1e-4, abs=FLOOR)


def test_a_token_surprises_each_model_by_its_log_probability() -> None:
    base, other = logits(1), logits(2)
    found = divergence.position(base, other, 7)
    assert found.base_surprise == pytest.approx(-log_softmax(base)[7], rel=1e-7)
    assert found.surprise == pytest.approx(-log_softmax(other)[7], rel=1e-7)


def test_the_same_top_token_is_noticed() -> None:
    base, other = logits(1), logits(2)
    assert divergence.position(base, base + np.float32(1), 0).same_top == 1
    assert divergence.position(base, other, 0).same_top == 0


def test_equal_models_do_not_diverge() -> None:
    base = logits(1)
    assert divergence.position(base, base.copy(), 0).divergence == 0


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_logit_that_is_no_number_is_refused(bad: float) -> None:
    base, other = logits(1), logits(2)
    other[5] = bad
    with pytest.raises(EngineError), np.errstate(invalid="ignore"):
        divergence.position(base, other, 0)


def test_an_estimate_has_the_standard_error_of_its_mean() -> None:
    values = np.array([1.0, 2.0, 4.0, 9.0])
    found = divergence.estimate(values)
    assert (found.value, found.error) == pytest.approx((4.0, values.std(ddof=1) / 2))


def test_perplexity_is_the_exponential_of_the_mean_surprise() -> None:
    found = divergence.perplexity(np.array([1.0, 3.0]))
    assert (found.value, found.error) == pytest.approx((np.e**2, np.e**2))


def test_a_perplexity_that_no_float_can_hold_is_infinite() -> None:
    found = divergence.perplexity(np.array([800.0, 800.0]))
    assert (found.value, found.error) == (np.inf, np.inf)
