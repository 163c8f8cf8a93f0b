"""Samples can be had again: by a seed for all that follows, or for one answer."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

from devtools.golden.compat import QUESTION, TEXT_ID
from edge_med import compat
from edge_med.compat import seeds
from edge_med.errors import UsageError

HOT: dict[str, Any] = {"do_sample": True, "temperature": 9.0, "max_new_tokens": 9}


def test_set_seed_seeds_what_scripts_draw_from(torch: Any) -> None:
    def draw() -> tuple[Any, ...]:
        compat.set_seed(5)
        return seeds.drawn(), seeds.drawn(), random.random(), np.random.random()

    first = draw()
    assert draw() == first
    assert first[0] != first[1]


@pytest.mark.parametrize("seed", [-1, 1 << 32, 1.5, "5", None, True])
def test_what_is_no_seed_is_refused(seed: Any) -> None:
    with pytest.raises(UsageError, match="The seed is"):
        compat.set_seed(seed)


def test_a_seed_holds_for_the_answers_after_it(torch: Any) -> None:
    pipe = compat.pipeline("text-generation", TEXT_ID, **HOT)

    def answers() -> list[Any]:
        torch.manual_seed(11)
        return [pipe(QUESTION) for _ in range(2)]

    first = answers()
    assert answers() == first
    assert first[0] != first[1]


def test_a_call_without_samples_draws_nothing(torch: Any) -> None:
    pipe = compat.pipeline("text-generation", TEXT_ID, max_new_tokens=2)
    torch.manual_seed(11)
    before = seeds.drawn()
    torch.manual_seed(11)
    pipe(QUESTION)
    pipe(QUESTION, **{**HOT, "seed": 3})
    assert seeds.drawn() == before


def test_a_seed_without_samples_is_said_to_have_no_effect(torch: Any) -> None:
    pipe = compat.pipeline("text-generation", TEXT_ID, max_new_tokens=2)
    with pytest.warns(compat.IgnoredWarning, match="ignores seed: without do_sample=True"):
        pipe(QUESTION, seed=7)
