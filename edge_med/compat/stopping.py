"""Criteria of other people's that end an answer: `StoppingCriteria`, and lists of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from edge_med.compat.tensors import as_lists, as_tensors
from edge_med.errors import UsageError

Criterion = Callable[[Any, Any], Any]


class StoppingCriteria:
    """To be subclassed: called with the ids so far [1, tokens], says whether they are the end."""

    def __call__(self, input_ids: Any, scores: Any, **kwargs: Any) -> Any:
        """Whether the answer ends here; `scores` are always None."""
        raise NotImplementedError


class StoppingCriteriaList(list[Criterion]):
    """Criteria, any of which ends an answer."""

    def __call__(self, input_ids: Any, scores: Any, **_kwargs: Any) -> bool:
        """Whether one of them does."""
        return any(_is_true(criterion(input_ids, scores)) for criterion in self)


def as_criteria(given: Any) -> StoppingCriteriaList:
    """Criteria from what `generate` was given: None, a list of ours or of transformers', or one.

    Raises:
        UsageError: something else was given.
    """
    several = given if isinstance(given, Iterable) else [] if given is None else [given]
    criteria = StoppingCriteriaList(several)
    if not all(map(callable, criteria)):
        raise UsageError(
            "stopping_criteria can't be called.", "Give functions of (input_ids, scores)."
        )
    return criteria


def say_so(criteria: StoppingCriteriaList, ids: list[int]) -> bool:
    """Whether one of the criteria ends an answer at these ids, the prompt's first."""
    return bool(criteria) and criteria(as_tensors(np.array([ids], np.int64), "pt"), None)


def _is_true(verdict: Any) -> bool:
    """One answer, or one for each prompt of a batch, which is always of one here."""
    values = as_lists(verdict)
    return any(values) if isinstance(values, list) else bool(values)
