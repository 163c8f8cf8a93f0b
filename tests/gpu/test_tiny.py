"""Tiny models think on a device what they think on the CPU, and what transformers thinks."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Literal

import pytest

from devtools.golden.numbers import CASES, CHECKPOINTS, stored
from devtools.tie_rule import (
    GPU_MARGIN,
    GPU_MEAN_KL,
    MAX_TIES,
    Agreement,
    compare,
    step_of,
    together,
)
from edge_med.engine.engine import Engine
from edge_med.planner.machine import Device
from tests.engine.computing import Seen, converted, read
from tests.gpu.offloads import ALL, Offload

pytestmark = pytest.mark.gpu

QUANT = "F16"
NAMES = [
    *(("plain", case) for case in ("text", "middle", "three", "long and late", "padded")),
    *(("narrow", case) for case in ("first", "three", "long")),
    *(("27b", "middle"), ("rope", "two")),
]
"""Images at every place, windows that have moved on, 62 layers and scaled rope: a software device
takes minutes for these. All cases are in tests/engine/test_numbers.py, on the CPU; the checkpoint
`grouped`, whose keys are shared by five queries, ends the process in Mesa 22.3's driver."""

Compute = Callable[[str, str, Offload | None], Seen]
Held = Callable[[str, str, Offload], Agreement]
Reference = Literal["cpu", "transformers"]

golden = functools.cache(stored)


@pytest.fixture(scope="module")
def compute(tmp_path_factory: pytest.TempPathFactory, device: Device) -> Compute:
    """The engine's run of a case, so offloaded; on the CPU alone without."""
    base = tmp_path_factory.mktemp("numbers")

    @functools.cache
    def run(name: str, case: str, offload: Offload | None) -> Seen:
        tiny, opened = CHECKPOINTS[name], offload.on(device) if offload else Engine
        files = converted(base / name, tiny, QUANT)
        return read(*files, tiny, CASES[name][case], golden(name)[case], opened, threads=1)

    return run


@pytest.fixture(scope="module")
def held(compute: Compute) -> Callable[[Reference], Held]:
    """How a run compares with a reference."""

    def against(reference: Reference) -> Held:
        @functools.cache
        def agreement(name: str, case: str, offload: Offload) -> Agreement:
            steps = golden(name)[case].steps
            if reference == "cpu":
                steps = tuple(step_of(row) for row in compute(name, case, None).logits)
            return compare(steps, compute(name, case, offload).logits, GPU_MARGIN)

        return agreement

    return functools.cache(against)


@pytest.mark.parametrize("reference", ["cpu", "transformers"])
@pytest.mark.parametrize("offload", ALL, ids=str)
@pytest.mark.parametrize(("name", "case"), NAMES)
def test_logits_are_those_of_the_reference(
    name: str,
    case: str,
    offload: Offload,
    reference: Reference,
    held: Callable[[Reference], Held],
) -> None:
    agreement = held(reference)(name, case, offload)
    assert agreement.wrong == 0
    assert agreement.mean_kl <= GPU_MEAN_KL


@pytest.mark.parametrize("reference", ["cpu", "transformers"])
@pytest.mark.parametrize("offload", ALL, ids=str)
def test_few_positions_are_ties(
    offload: Offload, reference: Reference, held: Callable[[Reference], Held]
) -> None:
    """Over all cases: a case of 24 positions can't have one per cent of them."""
    found = together([held(reference)(name, case, offload) for name, case in NAMES])
    print(f"tiny {QUANT}, {offload}, against {reference}: {found}")
    assert found.ties <= MAX_TIES * found.positions
