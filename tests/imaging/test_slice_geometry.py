"""Which files are one volume, in which order they lie, and what is said of what is odd."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import pytest

from edge_med.errors import ImageError
from edge_med.imaging.slice_geometry import Slice
from edge_med.imaging.volume.series_choice import volume

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
SAGITTAL = (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)


def piece(entry: int, depth: float | None = None) -> Slice:
    """An axial slice of a CT."""
    place = None if depth is None else (0.0, 0.0, depth)
    return Slice(entry, f"1.{entry}", "1", "CT", (), 16, 16, entry + 1, 1, None, None, place, AXIAL)


def stack(depths: list[float]) -> list[Slice]:
    return [piece(entry, depth) for entry, depth in enumerate(depths)]


def entries(found: list[Slice]) -> list[int]:
    return [piece.entry for piece in volume(found).slices]


def test_slices_are_sorted_by_where_they_lie() -> None:
    found = stack([10.0, -5.0, 2.5, -2.5, 5.0])
    random.Random(0).shuffle(found)
    assert entries(found) == [1, 3, 2, 4, 0]


def test_slices_of_another_orientation_are_sorted_along_their_own_normal() -> None:
    found = [
        replace(piece(n), position=(float(-n), 3.0, 4.0), orientation=SAGITTAL) for n in range(5)
    ]
    assert entries(found) == [0, 1, 2, 3, 4]


def test_a_regular_series_has_no_notice() -> None:
    assert volume(stack([0.0, 2.5, 5.0, 7.5])).notices == ()


def test_a_gap_is_told() -> None:
    assert volume(stack([0, 1, 2, 5, 6])).notices == (
        "About 2 slices are missing between the others.",
    )


def test_a_copy_is_left_out_and_that_is_told() -> None:
    found = [*stack([0, 1, 2]), replace(piece(3, 1), image="1.1")]
    assert entries(found) == [0, 1, 2]
    assert volume(found).notices == ("1 copy of an image is left out.",)


def test_of_two_acquisitions_in_the_same_place_the_larger_one_is_taken() -> None:
    second = [replace(piece(n, depth), acquisition=2) for n, depth in ((3, 0), (4, 1))]
    found = [*stack([0, 1, 2]), *second]
    assert entries(found) == [0, 1, 2]
    assert volume(found).notices[0].startswith("Acquisition 1 of 2 is shown, with 3 slices")


def test_several_slices_in_one_place_without_a_difference_are_refused() -> None:
    with pytest.raises(ImageError, match="same position"):
        volume(stack([0, 1, 1, 2]))


def test_the_largest_series_is_taken_and_that_is_told() -> None:
    other = [replace(piece(n, n), series="2") for n in range(3, 5)]
    found = volume([*other, *stack([0, 1, 2])])
    assert len(found.slices) == 3
    assert found.notices[0] == (
        "2 series: 1 is shown (CT axial, 3 slices), because it has the most slices. "
        "2 images of the others are left out."
    )


def test_an_original_series_comes_before_a_larger_one_that_was_computed() -> None:
    derived = [replace(piece(n, n), series="2", kinds=("DERIVED",)) for n in range(3, 9)]
    assert len(volume([*derived, *stack([0, 1, 2])]).slices) == 3


def test_scouts_are_left_out() -> None:
    scout = replace(piece(9, 0), orientation=SAGITTAL, kinds=("ORIGINAL", "PRIMARY", "LOCALIZER"))
    found = [scout, *stack([0, 1, 2])]
    assert entries(found) == [0, 1, 2]
    assert volume(found).notices == ("1 scout image is left out.",)


def test_slices_of_several_orientations_are_refused() -> None:
    found = [*stack([0, 1]), *(replace(piece(n, n), orientation=SAGITTAL) for n in (2, 3))]
    with pytest.raises(ImageError, match="several orientations"):
        volume(found)


def test_a_tilted_gantry_is_told() -> None:
    tilt = math.radians(20)
    tilted = (1.0, 0.0, 0.0, 0.0, math.cos(tilt), -math.sin(tilt))
    found = [replace(piece(n, 5.0 * n), orientation=tilted) for n in range(4)]
    assert volume(found).notices == (
        "The gantry was tilted by 20 degrees. The slices aren't corrected for it.",
    )


def test_without_positions_the_numbers_order_them_and_that_is_told() -> None:
    found = [replace(piece(n), number=10 - n) for n in range(3)]
    assert entries(found) == [2, 1, 0]
    assert "order of their numbers" in volume(found).notices[0]


@pytest.mark.parametrize("number", [None, 1])
def test_without_positions_and_numbers_they_are_refused(number: int | None) -> None:
    with pytest.raises(ImageError, match="order of the series"):
        volume([replace(piece(n), number=number) for n in range(3)])


def test_one_slice_is_a_volume() -> None:
    assert entries([piece(0, 5.0)]) == [0]
