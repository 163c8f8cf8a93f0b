"""A box that the model gives lies on what it saw, in the pixels of the original."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from devtools.images.photos import Pixels, scene
from edge_med import imaging
from edge_med.imaging.fit import box_to_original

SIDES = st.integers(1, 20_000)
FITS = st.sampled_from(tuple(imaging.FITS))


def in_the_square(x: float, y: float, width: int, height: int, fit: str) -> tuple[float, float]:
    """Where a point of the original lies in the square, in thousandths: x and y."""
    if fit == "stretch":
        return 1000 * x / width, 1000 * y / height
    side = max(width, height)
    return 1000 * (x + (side - width) // 2) / side, 1000 * (y + (side - height) // 2) / side


@given(width=SIDES, height=SIDES, fit=FITS, across=st.floats(0, 1), down=st.floats(0, 1))
def test_a_point_comes_back_to_where_it_was(
    width: int, height: int, fit: imaging.Fit, across: float, down: float
) -> None:
    x, y = across * width, down * height
    there_x, there_y = in_the_square(x, y, width, height, fit)
    x0, y0, x1, y1 = box_to_original((there_y, there_x, there_y, there_x), fit, (width, height))
    assert math.isclose(x0, x, abs_tol=1e-6)
    assert math.isclose(y0, y, abs_tol=1e-6)
    assert (x1, y1) == (x0, y0)


@given(width=SIDES, height=SIDES, fit=FITS, box=st.tuples(*[st.integers(0, 1000)] * 4))
def test_a_box_never_leaves_the_picture(
    width: int, height: int, fit: imaging.Fit, box: tuple[int, int, int, int]
) -> None:
    x0, y0, x1, y1 = box_to_original(box, fit, (width, height))
    assert all(0 <= x <= width for x in (x0, x1))
    assert all(0 <= y <= height for y in (y0, y1))


@pytest.mark.parametrize(
    ("fit", "box", "expected"),
    [
        ("stretch", (0, 0, 1000, 1000), (0, 0, 400, 200)),
        ("stretch", (500, 250, 1000, 500), (100, 100, 200, 200)),
        ("pad", (250, 0, 750, 1000), (0, 0, 400, 200)),
        ("pad", (0, 0, 1000, 1000), (0, 0, 400, 200)),
        ("pad", (500, 250, 625, 500), (100, 100, 200, 150)),
    ],
)
def test_boxes_of_a_picture_of_400_by_200(
    fit: imaging.Fit, box: tuple[int, int, int, int], expected: tuple[int, int, int, int]
) -> None:
    assert imaging.open(scene(400, 200), fit=fit).box_to_original(box) == expected


def spot(width: int, height: int, x: int, y: int, size: int) -> Pixels:
    """Black with one white square."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[y : y + size, x : x + size] = 255
    return pixels


@pytest.mark.parametrize("fit", imaging.FITS)
@pytest.mark.parametrize(("width", "height"), [(1200, 700), (700, 1200), (901, 896), (300, 301)])
def test_a_spot_that_the_model_sees_is_found_in_the_original(
    fit: imaging.Fit, width: int, height: int
) -> None:
    picture = imaging.open(spot(width, height, x=100, y=60, size=120), fit=fit)
    rows, columns = np.nonzero(picture.pixels[:, :, 0] > 127)
    edges = (rows.min(), columns.min(), rows.max() + 1, columns.max() + 1)
    box = tuple(float(edge) * 1000 / 896 for edge in edges)
    found = picture.box_to_original((box[0], box[1], box[2], box[3]))
    pixel = max(width, height) / 896  # a pixel of the square can't tell less than that
    assert np.abs(np.subtract(found, (100, 60, 220, 180))).max() <= max(pixel, 1)
