"""A phantom's X-ray is the same picture in every form of DICOM, and boxes come back to it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from devtools.micro.dicom import FORMS, write
from edge_med import imaging
from edge_med.demo.phantom import SIDE, phantom, where
from edge_med.imaging import boxes

SEED, STORED = 7, 512


@pytest.mark.parametrize("name", FORMS)
def test_it_is_the_same_picture_in_every_form(name: str, tmp_path: Path) -> None:
    write(SEED, FORMS["16-bit"], tmp_path / "one.dcm", STORED)
    write(SEED, FORMS[name], tmp_path / "other.dcm", STORED)
    one, other = (imaging.open(tmp_path / f"{n}.dcm", side=SIDE) for n in ("one", "other"))
    assert np.abs(one.pixels.astype(int) - other.pixels.astype(int)).max() <= 1


def test_a_box_lands_where_the_heart_is_in_the_stored_pixels(tmp_path: Path) -> None:
    write(SEED, FORMS["12-bit"], tmp_path / "one.dcm", STORED)
    picture = imaging.open(tmp_path / "one.dcm", side=SIDE)
    place = where(phantom(SEED), "heart")
    assert place
    y0, x0, y1, x1 = place
    box = boxes.Box("heart", (y0 * 1000, x0 * 1000, y1 * 1000, x1 * 1000))
    placed = boxes.place(box, picture)
    expected = [share * STORED for share in (x0, y0, x1, y1)]
    assert np.allclose([placed.x0, placed.y0, placed.x1, placed.y1], expected)
