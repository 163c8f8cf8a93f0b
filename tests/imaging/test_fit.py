"""Both fits equal Pillow's own operations, and the processors that the model knows, to the bit."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from devtools.images.photos import Pixels, scene
from edge_med import imaging
from edge_med.errors import UsageError
from edge_med.imaging import fit as fits

GOLDEN = json.loads((Path(__file__).parents[1] / "golden/pixels.json").read_text("utf-8"))
"""Made by scripts/make_golden_pixels.py with transformers' own processor of Gemma 3."""

SIDES = st.integers(1, 80)


def plainly_padded(pixels: Pixels) -> Pixels:
    """Zeros around a picture, up to a square, as Google's serving code puts them."""
    height, width = pixels.shape[:2]
    side = max(height, width)
    square = np.zeros((side, side, 3), np.uint8)
    top, left = (side - height) // 2, (side - width) // 2
    square[top : top + height, left : left + width] = pixels
    return square


def plainly_resized(pixels: Pixels, side: int) -> Pixels:
    return np.asarray(Image.fromarray(pixels).resize((side, side), Image.Resampling.BILINEAR))


@given(width=SIDES, height=SIDES, side=SIDES)
def test_stretch_is_pillows_resize(width: int, height: int, side: int) -> None:
    pixels = scene(width, height)
    fitted = imaging.open(pixels, fit="stretch", side=side).pixels
    assert np.array_equal(fitted, plainly_resized(pixels, side))


@given(width=SIDES, height=SIDES, side=SIDES, band=st.integers(1, 90))
def test_pad_is_pillows_resize_of_the_whole_square(
    width: int, height: int, side: int, band: int
) -> None:
    pixels = scene(width, height)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fits, "_BAND", band)
        fitted = imaging.open(pixels, side=side).pixels
    assert np.array_equal(fitted, plainly_resized(plainly_padded(pixels), side))


@pytest.mark.parametrize(
    "case", GOLDEN["pictures"], ids=lambda case: "{width} x {height}".format(**case)
)
@pytest.mark.parametrize("fit", ["pad", "stretch"])
def test_a_picture_is_what_transformers_makes_of_it(case: dict[str, Any], fit: imaging.Fit) -> None:
    picture = imaging.open(scene(case["width"], case["height"]), fit=fit)
    assert hashlib.sha256(picture.pixels.tobytes()).hexdigest() == case[fit]


def test_a_square_of_the_models_size_is_not_touched_by_either_fit() -> None:
    pixels = scene(896, 896)
    for fit in imaging.FITS:
        assert np.array_equal(imaging.open(pixels, fit=fit).pixels, pixels)


def test_the_fits_differ_where_a_picture_is_no_square() -> None:
    pixels = scene(40, 30)
    padded, stretched = (imaging.open(pixels, fit=fit) for fit in imaging.FITS)
    assert padded.sha256 != stretched.sha256


@pytest.mark.parametrize(("fit", "side"), [("crop", 896), ("", 896), ("pad", 0), ("stretch", -1)])
def test_a_fit_that_does_not_exist_is_a_fault_of_the_caller(fit: Any, side: int) -> None:
    with pytest.raises(UsageError, match="isn't a fit"):
        imaging.open(scene(4, 4), fit=fit, side=side)
