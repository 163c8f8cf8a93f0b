"""The engine computes what transformers computes, in float32: contract.md, the tie rule."""

from __future__ import annotations

import functools
from collections.abc import Callable
from math import log

import pytest

from devtools.checkpoints.tiny import PADDED_VOCABULARY
from devtools.golden.numbers import CASES, CHECKPOINTS, CONTROLS, SAME_AS, entropy, stored
from devtools.tie_rule import MAX_TIES, MEAN_KL, compare
from tests.engine.computing import Seen, converted, read

NOTICED = 1e-2
"""Mean KL beyond which something is plainly wrong: a hundred times what the tie rule allows."""

QUANTS = ("F32", "F16")
ALL = [(name, case) for name, cases in CASES.items() for case in cases]
LONG = [(name, case) for name, case in ALL if CASES[name][case].batch == 64]
WRONG = [(name, case, control) for control, cases in CONTROLS.items() for name, case in cases]

golden = functools.cache(stored)


Compute = Callable[[str, str, str], Seen]


@pytest.fixture(scope="module")
def compute(tmp_path_factory: pytest.TempPathFactory) -> Compute:
    """The engine's run of a case, with one converted type of a checkpoint."""
    base = tmp_path_factory.mktemp("numbers")

    @functools.cache
    def run(name: str, case: str, quant: str) -> Seen:
        like, tiny = SAME_AS.get(name) or (name, CHECKPOINTS[name])
        text, projector = converted(base / name, tiny, quant)
        return read(text, projector, tiny, CASES[like][case], golden(like)[case])

    return run


@pytest.mark.parametrize("quant", QUANTS)
@pytest.mark.parametrize(("name", "case"), ALL)
def test_logits_are_those_of_transformers(
    name: str, case: str, quant: str, compute: Compute
) -> None:
    agreement = compare(golden(name)[case].steps, compute(name, case, quant).logits)
    print(f"{name}, {case}, {quant}: {agreement}")
    assert agreement.wrong == 0
    assert agreement.mean_kl <= MEAN_KL


@pytest.mark.parametrize("quant", QUANTS)
def test_few_positions_are_ties(quant: str, compute: Compute) -> None:
    """Over all cases: a case of 24 positions can't have one per cent of them."""
    found = [compare(golden(n)[c].steps, compute(n, c, quant).logits) for n, c in ALL]
    ties, positions = (sum(getattr(a, of) for a in found) for of in ("ties", "positions"))
    print(f"{quant}: {ties} ties of {positions}")
    assert ties <= MAX_TIES * positions


@pytest.mark.parametrize("case", ["text", "three"])
@pytest.mark.parametrize("name", SAME_AS)
def test_they_are_so_whatever_version_named_the_tensors(
    name: str, case: str, compute: Compute
) -> None:
    agreement = compare(golden("plain")[case].steps, compute(name, case, "F32").logits)
    assert agreement.wrong == 0
    assert agreement.mean_kl <= MEAN_KL


@pytest.mark.parametrize(("name", "case", "control"), WRONG)
def test_what_goes_wrong_is_noticed(name: str, case: str, control: str, compute: Compute) -> None:
    agreement = compare(golden(name)[case].wrong[control], compute(name, case, "F32").logits)
    print(f"{name}, {case}, {control}: {agreement}")
    assert agreement.mean_kl > NOTICED
    assert not agreement.holds()


@pytest.mark.parametrize(("name", "case"), LONG)
def test_long_prompts_outrun_the_window_layers_cache(
    name: str, case: str, compute: Compute
) -> None:
    assert compute(name, case, "F32").oldest > 0


@pytest.mark.parametrize(("name", "case"), ALL)
def test_the_reference_is_fairly_sure(name: str, case: str) -> None:
    """Near-uniform probabilities would agree whatever the engine did."""
    steps = golden(name)[case].steps
    assert max(entropy(step, PADDED_VOCABULARY) for step in steps) < log(PADDED_VOCABULARY) / 2
