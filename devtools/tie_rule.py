"""When two runs count as the same: the tie rule of docs/reference/contract.md.

llama.cpp computes a row of a large batch and a row alone with different kernels, so equal tokens
aren't a property to ask for. Teacher-forced along the reference's tokens, every position's best
token must be the reference's wherever its best two differ by a margin, and the mean divergence be
small.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

MARGIN = 0.05
MEAN_KL = 1e-4
MAX_TIES = 0.01

GPU_MARGIN = 0.2
GPU_MEAN_KL = 1e-3


@dataclass(frozen=True, slots=True)
class Step:
    """What the reference thought of one position: its best tokens, the most probable first.

    Attributes:
        ids: of the best tokens.
        logprobs: their natural log-probabilities; the rest of the vocabulary is one more outcome.
    """

    ids: tuple[int, ...]
    logprobs: tuple[float, ...]

    @property
    def margin(self) -> float:
        """By how much the best token leads."""
        return self.logprobs[0] - self.logprobs[1]


@dataclass(frozen=True, slots=True)
class Agreement:
    """How a run compares with its reference.

    Attributes:
        positions: compared.
        wrong: positions with another best token although the reference's margin was enough.
        ties: positions with another best token, excused by a small margin.
        mean_kl: mean Kullback-Leibler divergence from the reference, in nats.
    """

    positions: int
    wrong: int
    ties: int
    mean_kl: float

    def holds(self, mean_kl: float = MEAN_KL) -> bool:
        """Whether the tie rule is kept."""
        few = self.ties <= MAX_TIES * self.positions
        return self.wrong == 0 and few and self.mean_kl <= mean_kl


def compare(
    steps: Sequence[Step], logits: Sequence[npt.NDArray[np.float32]], margin: float = MARGIN
) -> Agreement:
    """Hold the logits of a run against its reference, position by position."""
    other = [step for step, row in zip(steps, logits, strict=True) if row.argmax() != step.ids[0]]
    ties = sum(step.margin < margin for step in other)
    mean = float(np.mean([divergence(s, row) for s, row in zip(steps, logits, strict=True)]))
    return Agreement(len(steps), len(other) - ties, ties, mean)


def step_of(logits: npt.NDArray[np.float32], kept: int = 20) -> Step:
    """What a run that serves as the reference thought of a position."""
    wide = logits.astype(np.float64)
    peak = wide.max()
    logprobs = wide - peak - np.log(np.exp(wide - peak).sum())
    best = np.argsort(-logprobs, kind="stable")[:kept]
    return Step(tuple(best.tolist()), tuple(logprobs[best].tolist()))


def together(runs: Sequence[Agreement]) -> Agreement:
    """Several runs as one."""
    positions = sum(run.positions for run in runs)
    return Agreement(
        positions,
        sum(run.wrong for run in runs),
        sum(run.ties for run in runs),
        sum(run.mean_kl * run.positions for run in runs) / positions,
    )


def divergence(step: Step, logits: npt.NDArray[np.float32]) -> float:
    """KL(reference ‖ run) over the reference's best tokens, and all others as one outcome."""
    wide = logits.astype(np.float64)
    peak = wide.max()
    ours = wide[list(step.ids)] - peak - np.log(np.exp(wide - peak).sum())
    theirs = np.array(step.logprobs)
    p, q = _with_rest(np.exp(theirs)), _with_rest(np.exp(ours))
    return float(np.sum(p * (np.log(p) - np.log(q))))


def _with_rest(probabilities: Floats) -> Floats:
    """One outcome more for all others; never quite zero, since the stored figures are rounded."""
    return np.append(probabilities, max(1.0 - probabilities.sum(), 1e-12))
