"""How long things take: guessed at first, learnt later, and never worth an error."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edge_med.planner.latency import Estimates, Rates, duration_text

GIGABYTE = 10**9


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A file as large as 4B in Q4_K_M that takes no room."""
    path = tmp_path / "medgemma.gguf"
    with path.open("wb") as file:
        file.truncate(5 * GIGABYTE // 2)
    return path


def test_the_first_guess_is_that_of_two_cores(weights: Path, tmp_path: Path) -> None:
    guess = Estimates(weights, 2, tmp_path)
    assert 100 < guess.read(6000) < 150
    assert 45 < guess.encode(1, 850_000_000) < 75
    assert guess.load() == 5.0


def test_more_cores_are_faster(weights: Path, tmp_path: Path) -> None:
    two, eight = (Estimates(weights, cores, tmp_path) for cores in (2, 8))
    assert eight.read(100) == pytest.approx(two.read(100) / 4)


def test_what_was_learnt_is_there_the_next_time(weights: Path, tmp_path: Path) -> None:
    once = Estimates(weights, 2, tmp_path / "state")
    once.learn_load(10.0)
    once.learn_encode(2, 60.0)
    once.learn_read(1000, 20.0)
    again = Estimates(weights, 2, tmp_path / "state")
    assert (again.load(), again.encode(1, 1), again.read(100)) == (10.0, 30.0, 2.0)
    again.learn_encode(1, 10.0)
    assert 10 < again.encode(1, 1) < 30, "the last counts most, and not alone"
    other = Estimates(weights, 3, tmp_path / "state")
    assert other.rates == Rates()


def test_the_file_holds_nothing_but_numbers(weights: Path, tmp_path: Path) -> None:
    Estimates(weights, 2, tmp_path).learn_read(1000, 20.0)
    ((key, values),) = json.loads((tmp_path / "rates.json").read_text()).items()
    assert len(key) == 16
    assert all(isinstance(value, float) for value in values.values())


def test_too_little_teaches_nothing(weights: Path, tmp_path: Path) -> None:
    estimates = Estimates(weights, 2, tmp_path)
    estimates.learn_read(5, 1.0)
    estimates.learn_encode(0, 0.0)
    assert estimates.rates == Rates()


@pytest.mark.parametrize("content", ["", "[]", '{"x": 1}', "{", '{"KEY": {"read": "fast"}}'])
def test_a_damaged_file_is_no_file(weights: Path, tmp_path: Path, content: str) -> None:
    estimates = Estimates(weights, 2, tmp_path)
    (tmp_path / "rates.json").write_text(content.replace("KEY", estimates._key))
    assert Estimates(weights, 2, tmp_path).rates == Rates()


def test_a_folder_that_cannot_be_written_is_no_error(weights: Path, tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    Estimates(weights, 2, tmp_path / "state").learn_load(1.0)


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.2, "1 s"), (59.6, "60 s"), (130.0, "2 min"), (900.0, "15 min")]
)
def test_times_are_spoken(seconds: float, words: str) -> None:
    assert duration_text(seconds) == words
