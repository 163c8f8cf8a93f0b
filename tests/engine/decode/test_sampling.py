"""The next token is chosen as Hugging Face would choose it."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_med.config import Options
from edge_med.engine.decode.sampling import Sampler, best, logprob
from edge_med.engine.llama.arrays import Floats
from edge_med.errors import EngineError, UsageError

GOLDEN = json.loads((Path(__file__).parents[2] / "golden/sampling.json").read_text("utf-8"))
VOCABULARY = 50
LOGITS = {name: np.array(values, dtype=np.float32) for name, values in GOLDEN["logits"].items()}


def sampler(**options: Any) -> Sampler:
    return Sampler(Options(**options), VOCABULARY)


def options(settings: dict[str, Any]) -> dict[str, Any]:
    """JSON makes texts of the ids."""
    bias = {int(token): value for token, value in settings.get("logit_bias", {}).items()}
    return settings | {"logit_bias": bias}


def name(case: dict[str, Any]) -> str:
    return f"{case['logits']} {case['settings']}"


@pytest.mark.parametrize("case", GOLDEN["cases"], ids=name)
def test_the_tokens_that_may_come_are_those_of_transformers(case: dict[str, Any]) -> None:
    logits = LOGITS[case["logits"]]
    ids, probabilities = sampler(**options(case["settings"])).distribution(logits)
    found = dict(zip(ids.tolist(), probabilities.tolist(), strict=True))
    assert sorted(found) == case["ids"]
    assert [found[token] for token in case["ids"]] == pytest.approx(
        case["probabilities"], rel=0, abs=1e-6
    )


def test_the_golden_cases_have_edges_in_and_beside_ties() -> None:
    assert [len(set(values)) for values in GOLDEN["logits"].values()] == [50, 50, 11]
    assert len({len(case["ids"]) for case in GOLDEN["cases"]}) > 10


def test_a_tie_at_the_edge_of_top_k_stays() -> None:
    logits = np.array([1, 5, 3, 3, 3, 0], dtype=np.float32)
    ids, _ = Sampler(Options(temperature=1.0, top_k=2), 6).distribution(logits)
    assert ids.tolist() == [1, 2, 3, 4]


def test_of_equal_tokens_at_the_edge_of_top_p_the_first_stay() -> None:
    logits = np.array([3, 0, 3, 3, 3], dtype=np.float32)
    ids, _ = Sampler(Options(temperature=1.0, top_p=0.4), 5).distribution(logits)
    assert ids.tolist() == [0, 2]


@pytest.mark.parametrize("top_k", [1, 64, 511, 512, 513, 5_000])
def test_top_k_of_a_large_vocabulary_is_what_sorting_it_gives(top_k: int) -> None:
    logits = np.random.default_rng(7).normal(0, 3, 262_144).astype(np.float32)
    large = Sampler(Options(temperature=1.0, top_k=top_k), logits.size)
    edge = np.sort(logits)[-top_k]
    assert large.distribution(logits)[0].tolist() == np.flatnonzero(logits >= edge).tolist()


@pytest.mark.parametrize("top_p", [0.05, 0.6, 0.95, 0.9999])
def test_top_p_of_a_large_vocabulary_is_what_sorting_it_gives(top_p: float) -> None:
    logits = np.random.default_rng(8).normal(0, 3, 262_144).astype(np.float32)
    weights = np.exp(np.sort(logits.astype(np.float64))[::-1])
    before = (np.cumsum(weights) - weights) / weights.sum()
    ids, _ = Sampler(Options(temperature=1.0, top_p=top_p), logits.size).distribution(logits)
    assert len(ids) == int((before < top_p).sum())
    assert logits[ids].min() == np.sort(logits)[-len(ids)]


def test_greedy_is_the_best_token_and_has_no_seed() -> None:
    greedy = sampler(seed=5)
    assert greedy.choose(LOGITS["peaked"]) == int(LOGITS["peaked"].argmax())
    assert greedy.seed is None


def test_of_two_equal_best_tokens_greedy_takes_the_first() -> None:
    assert Sampler(Options(), 4).choose(np.array([0, 2, 2, 1], dtype=np.float32)) == 1


def test_a_bias_moves_a_token_to_the_front() -> None:
    assert sampler(logit_bias={7: 100.0}).choose(LOGITS["peaked"]) == 7


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_a_bias_of_minus_infinity_bans_a_token(temperature: float) -> None:
    logits = LOGITS["peaked"]
    first, second = best(logits, 2)[0]
    banning = sampler(temperature=temperature, top_k=1, logit_bias={first: -math.inf})
    assert banning.choose(logits) == second


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"logit_bias": {1: 3.0}},
        {"temperature": 1.0, "top_k": 9, "top_p": 0.9, "min_p": 0.1, "logit_bias": {1: 3.0}},
    ],
)
def test_logits_are_only_read(options: dict[str, Any]) -> None:
    logits = LOGITS["flat"].copy()
    logits.flags.writeable = False
    sampler(**options).choose(logits)
    assert (logits == LOGITS["flat"]).all()


def draws(seed: int | None, count: int, **options: Any) -> list[int]:
    chooser = sampler(temperature=1.0, seed=seed, **options)
    return [chooser.choose(LOGITS["flat"]) for _ in range(count)]


def test_the_same_seed_draws_the_same_tokens() -> None:
    assert draws(11, 200) == draws(11, 200)
    assert draws(11, 200) != draws(12, 200)


def test_a_fresh_seed_is_told_and_draws_the_same_tokens_again() -> None:
    fresh = sampler(temperature=1.0)
    tokens = [fresh.choose(LOGITS["flat"]) for _ in range(50)]
    assert draws(fresh.seed, 50) == tokens
    assert sampler(temperature=1.0).seed != fresh.seed


def test_tokens_are_drawn_as_often_as_they_are_probable() -> None:
    settings = {"top_k": 12, "logit_bias": {3: 1.0}}
    ids, probabilities = sampler(temperature=1.0, **settings).distribution(LOGITS["flat"])
    counts = np.bincount(draws(1, 20_000, **settings), minlength=VOCABULARY)
    # Pearson's chi-squared: with 11 degrees of freedom it exceeds 31.3 once in a thousand seeds.
    expected = 20_000 * probabilities
    assert len(ids) == 12
    assert float(((counts[ids] - expected) ** 2 / expected).sum()) < 31.3
    assert counts.sum() == counts[ids].sum()


def test_a_temperature_close_to_zero_is_greedy() -> None:
    assert sampler(temperature=1e-9).choose(LOGITS["peaked"]) == int(LOGITS["peaked"].argmax())


def test_best_tokens_come_with_log_probabilities_before_any_rule() -> None:
    logits = np.log(np.array([0.1, 0.6, 0.05, 0.25], dtype=np.float32)) + np.float32(20)
    ids, logprobs = best(logits, 3)
    assert ids == [1, 3, 0]
    assert np.exp(logprobs) == pytest.approx([0.6, 0.25, 0.1], abs=1e-6)
    assert logprob(logits, 3) == logprobs[1]


def test_equal_tokens_come_by_id() -> None:
    assert best(np.array([1, 2, 1, 2, 1], dtype=np.float32), 4)[0] == [1, 3, 0, 2]


def test_there_are_no_more_best_tokens_than_tokens() -> None:
    ids, logprobs = best(LOGITS["tied"], 1000)
    assert sorted(ids) == list(range(VOCABULARY))
    assert math.fsum(map(math.exp, logprobs)) == pytest.approx(1.0, abs=1e-12)


def test_log_probabilities_of_a_large_vocabulary_add_up_to_one() -> None:
    logits = np.random.default_rng(9).normal(30, 3, 262_144).astype(np.float32)
    total = math.fsum(math.exp(value) for value in best(logits, logits.size)[1])
    assert total == pytest.approx(1.0, abs=1e-12)


def no_number(value: float) -> Floats:
    """One logit of many is no number, and not where it would be looked for first."""
    logits = np.arange(VOCABULARY, dtype=np.float32)
    logits[20] = value
    return logits


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("options", [{}, {"temperature": 1.0, "top_k": 3}])
def test_a_logit_that_is_no_number_is_an_error(value: float, options: dict[str, Any]) -> None:
    with pytest.raises(EngineError, match=f"the best logit is {value}") as caught:
        sampler(**options).choose(no_number(value))
    assert "verify" in caught.value.hint


def test_there_are_no_log_probabilities_of_what_is_no_number() -> None:
    for ask in (lambda: best(no_number(math.nan), 3), lambda: logprob(no_number(math.nan), 3)):
        with pytest.raises(EngineError, match="the best logit is nan"):
            ask()


def test_banning_every_token_is_an_error() -> None:
    nothing = Sampler(Options(logit_bias=dict.fromkeys(range(4), -math.inf)), 4)
    with pytest.raises(EngineError, match="the best logit is -inf"):
        nothing.choose(np.zeros(4, dtype=np.float32))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"logit_bias": {50: 1.0}}, "logit_bias names token 50"),
        ({"logit_bias": {-1: 1.0}}, "logit_bias names token -1"),
        ({"logit_bias": {3: math.nan}}, "logit_bias for token 3 is nan"),
        ({"logit_bias": {3: math.inf}}, "logit_bias for token 3 is inf"),
        ({"logit_bias": {3: 1e39}}, "logit_bias for token 3 is 1e\\+39"),
        ({"temperature": 1.0, "seed": -1}, "seed is -1"),
    ],
)
def test_what_cannot_be_used_is_refused_before_the_first_token(
    options: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        sampler(**options)
