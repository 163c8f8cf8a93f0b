"""Every spelling of rotary embeddings in config.json means the same, and no two may disagree."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_med.artifacts.json_section import Section
from edge_med.artifacts.rope import read_rope
from edge_med.errors import CheckpointError

LINEAR = {"rope_type": "linear", "factor": 8.0}

SPELLINGS: dict[str, dict[str, Any]] = {
    "transformers 4": {"rope_scaling": LINEAR, "rope_theta": 1e6, "rope_local_base_freq": 1e4},
    "an older transformers 4": {"rope_scaling": {"type": "linear", "factor": 8.0}},
    "flat": {"rope_parameters": LINEAR | {"rope_theta": 1e6}, "rope_local_base_freq": 1e4},
    "transformers 5": {
        "rope_parameters": {
            "full_attention": LINEAR | {"rope_theta": 1e6},
            "sliding_attention": {"rope_type": "default", "rope_theta": 1e4},
        }
    },
    "old and new": {
        "rope_scaling": LINEAR,
        "rope_theta": 1e6,
        "rope_parameters": {"full_attention": LINEAR, "sliding_attention": {"rope_theta": 1e4}},
    },
}


def read(said: dict[str, Any]) -> tuple[float, float, float | None]:
    return read_rope(Section(said, "text_config"))


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_spelling_means_the_same(spelling: str) -> None:
    assert read(SPELLINGS[spelling]) == (1e6, 1e4, 8.0)


CONTRADICTIONS: dict[str, dict[str, Any]] = {
    "two factors": {"rope_scaling": LINEAR, "rope_parameters": LINEAR | {"factor": 4.0}},
    "two bases": {"rope_theta": 1e6, "rope_parameters": {"full_attention": {"rope_theta": 5e5}}},
    "scaled and not": {
        "rope_scaling": LINEAR,
        "rope_parameters": {"full_attention": {"rope_type": "default"}},
    },
    "two bases of the window": {
        "rope_local_base_freq": 1e4,
        "rope_parameters": {"sliding_attention": {"rope_theta": 2e4}},
    },
}


@pytest.mark.parametrize("case", CONTRADICTIONS)
def test_a_contradiction_is_refused_with_both_places(case: str) -> None:
    with pytest.raises(CheckpointError, match=r"config\.json contradicts itself: rope_") as caught:
        read(CONTRADICTIONS[case])
    assert " is " in caught.value.message


@given(
    factors=st.lists(st.sampled_from([None, 1.0, 2.0, 8.0]), min_size=3, max_size=3),
    nested=st.booleans(),
)
def test_places_agree_or_are_refused(factors: list[float | None], nested: bool) -> None:
    old, new, flat = factors
    said: dict[str, Any] = {} if old is None else {"rope_scaling": LINEAR | {"factor": old}}
    whole: dict[str, Any] = {} if flat is None else LINEAR | {"factor": flat}
    if nested and new is not None:
        whole["full_attention"] = LINEAR | {"factor": new}
    said |= {"rope_parameters": whole} if whole else {}
    given_here = {f for f in (old, new if nested else None, flat) if f is not None}
    if len(given_here) > 1:
        with pytest.raises(CheckpointError, match="contradicts itself"):
            read(said)
    else:
        assert read(said)[2] == next(iter(given_here), None)
