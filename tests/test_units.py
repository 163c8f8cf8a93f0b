"""Sizes as they are shown."""

from __future__ import annotations

import pytest

from edge_med.units import GIB, MIB, gib, show_size


@pytest.mark.parametrize(
    ("size", "shown"),
    [(0, "0.0 MiB"), (2.25 * MIB, "2.2 MiB"), (GIB / 4, "0.25 GiB"), (15.4 * GIB, "15.40 GiB")],
)
def test_show_size_has_its_unit(size: float, shown: str) -> None:
    assert show_size(size) == shown


@pytest.mark.parametrize(("size", "shown"), [(0.002 * GIB, "0.002"), (15.4 * GIB, "15.40")])
def test_gib_has_a_digit_more_for_small_sizes(size: float, shown: str) -> None:
    assert gib(size) == shown
