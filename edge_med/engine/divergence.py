"""How far two models' logits are apart, position by position and over all of them.

The figures and their errors are those of llama.cpp's llama-perplexity (`kl_divergence` in
tools/perplexity/perplexity.cpp). It keeps the base's log-probabilities in a file, in 16 bits, and
leaves out all below -16: that divergence is given as well as the exact one, for comparisons.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from edge_med.engine.llama.arrays import Floats, Wide
from edge_med.errors import EngineError

_RANGE = 16
"""Nats from the most probable token down that llama-perplexity stores."""

_STEPS = 65_535
"""Into which it divides them."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over positions, and its standard error."""

    value: float
    error: float


@dataclass(frozen=True, slots=True)
class Divergence:
    """KL(base ‖ other) over the positions, in nats: the loss by the other's word."""

    mean: Estimate
    median: float
    percentile_99: float
    maximum: float


class Position(NamedTuple):
    """Two models before one token of a text.

    Attributes:
        base_surprise: minus the token's natural log-probability by the base.
        surprise: the same by the other model.
        divergence: KL(base ‖ other) in nats.
        stored_divergence: the same as llama-perplexity has it.
        same_top: 1 if both find the same token most probable, else 0.
    """

    base_surprise: float
    surprise: float
    divergence: float
    stored_divergence: float
    same_top: float


def position(base: Floats, other: Floats, token: int) -> Position:
    """Compare two models' logits [vocabulary] of the position where a token stands.

    Raises:
        EngineError: a logit isn't a number.
    """
    base_total, weights = _log_total(base)
    other_total, _ = _log_total(other)
    # The totals' difference is taken off before anything is summed, so that the terms are as small
    # as the divergence; F32 hardly rounds the difference of two logits that are close.
    shift = np.float32(base_total - other_total)
    difference = base - other
    difference -= shift
    mean = float(weights @ difference) / float(weights.sum(dtype=np.float64))
    divergence = mean + (float(shift) - (base_total - other_total))
    if not math.isfinite(divergence):
        raise EngineError("A logit isn't a number.", "Check both models with edge-med verify.")
    return Position(
        base_surprise=base_total - float(base[token]),
        surprise=other_total - float(other[token]),
        divergence=divergence,
        stored_divergence=_stored(base, base_total, other, other_total),
        same_top=float(base.argmax() == other.argmax()),
    )


def _log_total(logits: Floats) -> tuple[float, Floats]:
    """The logarithm of the sum of all exponentials, and these relative to the highest."""
    highest = logits.max()
    weights = logits - highest
    np.exp(weights, out=weights)
    return float(highest) + math.log(weights.sum(dtype=np.float64)), weights


def _stored(base: Floats, base_total: float, other: Floats, other_total: float) -> float:
    """The divergence from a base that was rounded as llama-perplexity stores it."""
    highest = float(base.max())
    floor = max(float(base.min()), highest - _RANGE)
    step = (highest - floor) / _STEPS or 1.0
    likely = np.flatnonzero(base > base_total - _RANGE - step)
    levels = np.rint((base[likely].astype(np.float64) - floor) / step)
    logprobs = levels * step + floor - base_total
    kept = logprobs > -_RANGE
    ours, its = logprobs[kept], other[likely[kept]] - other_total
    return float(np.exp(ours) @ (ours - its))


def estimate(values: Wide) -> Estimate:
    """The mean of values [positions], at least two, and its standard error."""
    return Estimate(float(values.mean()), float(values.std() / math.sqrt(values.size - 1)))


def perplexity(surprises: Wide) -> Estimate:
    """Of a text, by the surprise of each of its tokens [positions]; infinite beyond a float."""
    mean = estimate(surprises)
    try:
        value = math.exp(mean.value)
    except OverflowError:
        return Estimate(math.inf, math.inf)
    return Estimate(value, value * mean.error)


def divergence(values: Wide) -> Divergence:
    """Of positions, by the divergence of each of them [positions]."""
    return Divergence(
        mean=estimate(values),
        median=float(np.median(values)),
        percentile_99=float(np.percentile(values, 99)),
        maximum=float(values.max()),
    )
