"""How long a conversion will take, known beforehand, in the right proportions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from converters import estimate
from converters.conversion_plan import make_plan
from converters.estimate import estimate_seconds, memory_bound
from converters.request import ConversionRequest
from devtools.checkpoints.peft import LAYER, pair, save_adapter
from tests.conftest import Checkpoints

NUMBER, HASHED_BYTE = 1e-6, 1e-12


@pytest.fixture
def slow_quantizing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine whose time goes into quantizing, so that figures are exact."""
    monkeypatch.setattr(estimate, "_seconds_per_number", lambda _kind: NUMBER)
    monkeypatch.setattr(estimate, "_seconds_per_hashed_byte", lambda: HASHED_BYTE)


def seconds(source: Path, folder: Path, *quants: str, **options: Any) -> float:
    return estimate_seconds(
        make_plan(ConversionRequest(source=source, folder=folder, quants=quants, **options))
    )


def test_this_machine_is_measured(checkpoint: Checkpoints, tmp_path: Path) -> None:
    assert 0 < seconds(checkpoint("text"), tmp_path, "Q4_K_M") < 60


@pytest.mark.usefixtures("slow_quantizing")
def test_every_number_is_counted(checkpoint: Checkpoints, tmp_path: Path) -> None:
    plan = make_plan(
        ConversionRequest(source=checkpoint("text"), folder=tmp_path, quants=("Q8_0",))
    )
    numbers = sum(tensor.size // 2 for tensor in plan.checkpoint.tensors.values())  # BF16
    took = seconds(checkpoint("text"), tmp_path, "Q8_0", threads=1)
    assert took == pytest.approx(numbers * NUMBER, rel=0.01)


@pytest.mark.usefixtures("slow_quantizing")
def test_more_to_make_takes_longer(checkpoint: Checkpoints, tmp_path: Path) -> None:
    source = checkpoint("multimodal")
    one = seconds(source, tmp_path, "Q8_0", threads=1)
    three = seconds(source, tmp_path, "Q8_0", "Q4_0", "BF16", threads=1)
    assert 2 * one < three < 3.1 * one


@pytest.mark.usefixtures("slow_quantizing")
def test_what_two_files_share_is_made_once(checkpoint: Checkpoints, tmp_path: Path) -> None:
    source = checkpoint("text")
    separate = sum(seconds(source, tmp_path, quant, threads=1) for quant in ("Q4_K_S", "Q4_K_M"))
    assert seconds(source, tmp_path, "Q4_K_S", "Q4_K_M", threads=1) < 0.9 * separate


@pytest.mark.usefixtures("slow_quantizing")
def test_more_threads_take_less(checkpoint: Checkpoints, tmp_path: Path) -> None:
    one, four = (
        seconds(checkpoint("text"), tmp_path, "Q8_0", threads=threads) for threads in (1, 4)
    )
    assert four == pytest.approx(one / 4)


@pytest.mark.usefixtures("slow_quantizing")
def test_threads_that_are_not_given_are_the_usable_cores(
    checkpoint: Checkpoints, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge_med._platform.usable_cores", lambda: 3)
    given = seconds(checkpoint("text"), tmp_path, "Q8_0", threads=3)
    assert seconds(checkpoint("text"), tmp_path, "Q8_0") == given


@pytest.mark.usefixtures("slow_quantizing")
def test_threads_do_not_speed_up_what_goes_in_order(
    checkpoint: Checkpoints, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(estimate, "_seconds_per_hashed_byte", lambda: 1e-3)
    many, more = (
        seconds(checkpoint("text"), tmp_path, "Q8_0", threads=threads) for threads in (64, 128)
    )
    assert many == more


def test_each_thread_may_hold_a_whole_matrix_of_an_adapter(
    checkpoint: Checkpoints, tmp_path: Path
) -> None:
    bounds = []
    for rank in (2, 64):
        tensors = pair(f"{LAYER}mlp.down_proj", 256, 512, rank)
        chest = save_adapter(tmp_path / f"rank-{rank}", tensors, r=rank)
        plan = make_plan(
            ConversionRequest(
                source=checkpoint("multimodal"),
                folder=tmp_path,
                quants=("Q8_0",),
                name="x",
                threads=3,
                adapters=((chest, 1.0),),
            )
        )
        bounds.append(memory_bound(plan))
    assert bounds[1] - bounds[0] >= 3 * 4 * 62 * 512
