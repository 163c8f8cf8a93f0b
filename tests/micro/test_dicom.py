"""Phantoms as DICOM files are what pydicom takes them for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.pixels.processing import apply_modality_lut, apply_voi_lut

from devtools.micro.dicom import FORMS, cut, write
from edge_med.demo.drawing import render
from edge_med.demo.phantom import phantom


@pytest.mark.parametrize("name", FORMS)
def test_pydicom_reads_the_phantom_back(name: str, tmp_path: Path) -> None:
    form = FORMS[name]
    write(3, form, tmp_path / "phantom.dcm", side=128)
    data = pydicom.dcmread(tmp_path / "phantom.dcm")
    shown = apply_modality_lut(data.pixel_array, data)
    top = (1 << form.bits) - 1
    level = (shown - form.intercept) / form.slope / top
    if form.inverted:
        level = 1 - level
    assert np.allclose(level, cut(render(phantom(3), 128), phantom(3).frame), atol=1 / top)


@pytest.mark.parametrize("name", [name for name, form in FORMS.items() if form.window])
def test_its_window_covers_the_share_that_it_should(name: str, tmp_path: Path) -> None:
    form = FORMS[name]
    assert form.window
    write(3, form, tmp_path / "phantom.dcm", side=128)
    data = pydicom.dcmread(tmp_path / "phantom.dcm")
    windowed = apply_voi_lut(apply_modality_lut(data.pixel_array, data), data)
    stored = data.pixel_array / ((1 << form.bits) - 1)
    centre, width = form.window
    beyond = stored > centre + width / 2 + 0.001
    assert np.all(windowed[beyond] == windowed.max())
