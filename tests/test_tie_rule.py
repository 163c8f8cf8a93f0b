"""The tie rule itself: it holds where it should, and fails where it must."""

from __future__ import annotations

import numpy as np
import pytest

from devtools.tie_rule import GPU_MARGIN, Agreement, compare, divergence, step_of, together

LOGITS = np.array([2.0, 1.0, 0.0, -1.0], np.float32)


def test_a_run_agrees_with_itself_whatever_is_added_to_its_logits() -> None:
    agreement = compare([step_of(LOGITS)] * 3, [LOGITS, LOGITS + 7, LOGITS - 7])
    assert agreement.holds()
    assert agreement.mean_kl == pytest.approx(0, abs=1e-9)


def test_another_best_token_is_wrong_where_the_reference_was_sure() -> None:
    agreement = compare([step_of(LOGITS)], [LOGITS[::-1]])
    assert (agreement.wrong, agreement.ties) == (1, 0)
    assert not agreement.holds()


@pytest.mark.parametrize(("positions", "holds"), [(99, False), (100, True)])
def test_one_tie_in_a_hundred_is_excused(positions: int, holds: bool) -> None:
    close = np.array([1.0, 0.999, 0.0, 0.0], np.float32)
    swapped = close[[1, 0, 2, 3]]
    steps = [step_of(close)] * positions
    agreement = compare(steps, [swapped, *[close] * (positions - 1)])
    assert (agreement.wrong, agreement.ties) == (0, 1)
    assert agreement.holds() is holds


def test_a_gpu_is_excused_where_the_cpu_is_not() -> None:
    close = np.array([1.1, 1.0, 0.0, 0.0], np.float32)
    swapped = close[[1, 0, 2, 3]]
    on_cpu = compare([step_of(close)], [swapped])
    on_gpu = compare([step_of(close)], [swapped], GPU_MARGIN)
    assert (on_cpu.wrong, on_gpu.wrong) == (1, 0)


def test_runs_count_by_their_positions() -> None:
    both = together([Agreement(3, 1, 0, 0.2), Agreement(1, 0, 1, 0.6)])
    assert (both.positions, both.wrong, both.ties) == (4, 1, 1)
    assert both.mean_kl == pytest.approx(0.3)


def test_the_divergence_is_that_of_the_textbook() -> None:
    other = np.array([1.5, 1.0, 0.5, -1.0], np.float32)
    p, q = (np.exp(x) / np.exp(x).sum() for x in (LOGITS.astype(float), other.astype(float)))
    whole = float((p * np.log(p / q)).sum())
    assert divergence(step_of(LOGITS, kept=4), other) == pytest.approx(whole, rel=1e-4)


def test_what_isnt_among_the_best_counts_as_one_outcome() -> None:
    other = np.array([2.0, 1.0, -1.0, 0.0], np.float32)
    assert divergence(step_of(LOGITS, kept=2), other) == pytest.approx(0, abs=1e-6)
    assert divergence(step_of(LOGITS, kept=4), other) > 1e-2
