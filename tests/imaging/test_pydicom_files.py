"""Every file that pydicom ships: its verdict, and its pixels as other decoders have them."""

from __future__ import annotations

import io
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from devtools import make_golden_dicom as golden
from edge_med import imaging
from edge_med.errors import ImageError
from edge_med.imaging.dicom import dataset, frames, grayscale, header_checks

FILES: list[dict[str, Any]] = json.loads(golden.GOLDEN.read_text("utf-8"))["files"]


def test_all_of_them_are_in_the_table() -> None:
    names = [path.relative_to(golden.DATA).as_posix() for path in golden.shipped()]
    assert [file["file"] for file in FILES] == names


@pytest.mark.parametrize("file", FILES, ids=lambda file: file["file"])
def test_its_verdict_is_that_of_the_table(file: dict[str, Any]) -> None:
    try:
        imaging.open(golden.DATA / file["file"], side=8)
        verdict = "read"
    except ImageError as error:
        verdict = error.message
    assert verdict == file["verdict"]


def numbers(file: dict[str, Any]) -> npt.NDArray[Any]:
    """The first frame's numbers, or its RGB."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data = dataset.read(io.BytesIO(Path(golden.DATA / file["file"]).read_bytes()))
        header_checks.check(data)
        pixels = frames.decode(data, 0)
    return (
        pixels
        if pixels.ndim == 3
        else grayscale.stored_values(data, 1 << 8 * pixels.itemsize)[pixels]
    )


@pytest.mark.parametrize(
    "file", [file for file in FILES if file["pixels"]], ids=lambda file: file["file"]
)
def test_its_pixels_are_those_of_other_decoders(file: dict[str, Any]) -> None:
    assert golden.digest(numbers(file)) == file["pixels"]


@pytest.mark.parametrize(
    "file", [file for file in FILES if "samples" in file], ids=lambda file: file["file"]
)
def test_its_pixels_are_close_to_those_of_another_decoder(file: dict[str, Any]) -> None:
    found = np.array(golden.samples(numbers(file)))
    assert np.abs(found - np.array(file["samples"])).max() <= 1


def test_the_docs_have_the_same_table() -> None:
    assert golden.table(FILES) in golden.DOCS.read_text("utf-8")
