"""Phantoms: the same seed draws the same one, and what is said of it is where it is said to be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from edge_med.demo.drawing import Plane, layers, pixels, render
from edge_med.demo.phantom import FINDINGS, Phantom, phantom, where

SEEDS = range(40)
WITHOUT: dict[str, Callable[[Phantom], Phantom]] = {
    "opacity": lambda drawn: replace(drawn, opacity=None),
    "effusion": lambda drawn: replace(drawn, effusion=None),
    "pneumothorax": lambda drawn: replace(drawn, pneumothorax=None),
    "device": lambda drawn: replace(drawn, device=None),
}


def test_a_seed_always_draws_the_same() -> None:
    assert phantom(5) == phantom(5)
    assert np.array_equal(pixels(phantom(5)), pixels(phantom(5)))
    assert phantom(5) != phantom(6)


@pytest.mark.parametrize("finding", WITHOUT)
def test_a_finding_changes_the_picture_where_it_is_said_to_be(finding: str) -> None:
    shown = [drawn for seed in SEEDS if finding in (drawn := phantom(seed)).findings]
    assert len(shown) > 5
    for drawn in shown:
        without = WITHOUT[finding](drawn)
        change = np.abs(layers(drawn)["picture"] - layers(without)["picture"])
        assert change.max() > 0.1
        if drawn.device == "pacemaker" and finding == "device":
            continue  # its lead runs to the heart
        assert inside(change, drawn, finding) > 0.8  # opacity and air fade out beyond their boxes


def inside(change: Plane, drawn: Phantom, finding: str) -> float:
    """The share of a change that lies in a structure's box."""
    place = where(drawn, finding)
    assert place
    y0, x0, y1, x1 = (round(share * len(change)) for share in place)
    return float(change[y0 : y1 + 1, x0 : x1 + 1].sum() / change.sum())


def test_an_enlarged_heart_is_wider_than_half_the_chest() -> None:
    for seed in SEEDS:
        drawn = phantom(seed)
        chest = 2 * (drawn.geometry.lung_offset + drawn.geometry.lung_width)
        assert drawn.enlarged == (2 * drawn.geometry.heart[2] > chest / 2)


def test_the_patients_right_is_on_the_left() -> None:
    for seed in SEEDS:
        right, left = where(phantom(seed), "right lung"), where(phantom(seed), "left lung")
        assert right
        assert left
        assert right[1] < left[1]


def test_a_picture_that_is_not_square_has_black_bars() -> None:
    narrow = [drawn for seed in SEEDS if (drawn := phantom(seed)).frame[0] < 0.98]
    assert narrow
    for drawn in narrow:
        assert not render(drawn)[:, 0].any()
        assert not render(drawn)[:, -1].any()


def test_all_findings_come_up_and_so_do_phantoms_without_any() -> None:
    drawn = [phantom(seed) for seed in range(300)]
    assert {name for each in drawn for name in each.findings} == set(FINDINGS)
    assert any(not each.findings for each in drawn)


def test_what_is_not_there_is_nowhere() -> None:
    drawn = next(d for seed in range(300) if not (d := phantom(seed)).findings)
    assert [name for name in (*FINDINGS, "heart") if where(drawn, name)] == [
        "enlarged heart",
        "heart",
    ]
