"""An answer as a value: short to look at, and JSON that every reader takes."""

from __future__ import annotations

import dataclasses
import json
from types import MappingProxyType

import pytest

from edge_med import Answer, Options
from edge_med.answers import Candidate, Provenance, Timings, Token, Usage
from edge_med.plain_json import plain

SOURCE = Provenance(
    model="4b-Q4_K_M.gguf",
    date="2026-11-29T20:00:00+00:00",
    model_sha256=None,
    projector_sha256=None,
    quant="Q4_K_M",
    adapters=(),
    fit="pad",
    device="cpu",
    projector_device=None,
    cpu_code="as built",
    fallback=None,
    options=Options(logit_bias={5: float("-inf")}),
    seed=None,
    versions={"edge_med": "0.1.0"},
)
ANSWER = Answer(
    text="No effusion.",
    thought=None,
    finish_reason="stop",
    usage=Usage(prompt=20, cached=0, image=4, thought=0, answer=3),
    timings=Timings(0.0, 0.0, 1.0, 1.0, 1.0, 3.0),
    logprobs=(Token(5, "No", float("-inf"), (Candidate(6, "An", -0.5),)),),
    notices=(),
    provenance=SOURCE,
    parsed={"effusion": False},
)


def strict(text: str) -> object:
    """What a reader makes of JSON that knows no Infinity."""

    def refuse(name: str) -> None:
        raise ValueError(name)

    return json.loads(text, parse_constant=refuse)


def test_an_answer_is_valid_json() -> None:
    found = ANSWER.to_dict()
    assert strict(json.dumps(found)) == found
    assert found["provenance"]["options"]["logit_bias"] == {"5": None}
    assert found["logprobs"][0]["logprob"] is None
    assert found["parsed"] == {"effusion": False}


def test_its_fields_are_all_there() -> None:
    assert list(ANSWER.to_dict()) == [field.name for field in dataclasses.fields(Answer)]


def test_a_short_answer_is_shown_whole() -> None:
    assert repr(ANSWER) == "Answer('No effusion.', stop, 3 tokens)"


def test_a_long_answer_is_shown_by_its_beginning() -> None:
    shown = repr(dataclasses.replace(ANSWER, text="long " * 1000))
    assert shown.startswith("Answer('long long")
    assert len(shown) < 100


def test_an_answer_can_be_a_key() -> None:
    assert {ANSWER: 1}[dataclasses.replace(ANSWER)] == 1


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (float("nan"), None),
        (MappingProxyType({1: (2, 3)}), {"1": [2, 3]}),
        ("text", "text"),
        (True, True),
    ],
)
def test_values_become_plain(value: object, found: object) -> None:
    assert plain(value) == found
