"""`edge-med view`: what the model will see of an image, told and saved."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from edge_med import imaging
from tests.cli.conftest import Run
from tests.imaging.dicom_samples import ct_slice, dicom, ramp

EdgeMed = Callable[..., Run]


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "image"
    data = dicom(ramp(12), Modality="DX", BodyPartExamined="CHEST", ViewPosition="PA")
    path.write_bytes(data)
    return path


@pytest.fixture
def series(tmp_path: Path) -> Path:
    folder = tmp_path / "series"
    folder.mkdir()
    for depth in range(5):
        (folder / str(depth)).write_bytes(ct_slice(float(depth)))
    return folder


def test_it_tells_size_facts_steps_and_tokens(edge_med: EdgeMed, image: Path) -> None:
    assert edge_med("view", image).out.splitlines() == [
        "original   31 x 24 pixels",
        "known      modality DX, body part CHEST, view PA",
        "steps      DICOM",
        "           full range of the image",
        "           pad to 896 x 896",
        "tokens     256",
    ]


def test_what_it_saves_is_what_the_model_sees(
    edge_med: EdgeMed, image: Path, tmp_path: Path
) -> None:
    assert edge_med("view", image, "--save", tmp_path / "seen.png").code == 0
    with Image.open(tmp_path / "seen.png") as seen:
        assert seen.tobytes() == imaging.open(image).pixels.tobytes()


def test_of_a_series_it_tells_which_slices_are_shown(edge_med: EdgeMed, series: Path) -> None:
    run = edge_med("view", series, "--slices", "2:4")
    assert run.err == "3 of 5 slices (as asked), 804 tokens.\n"
    assert json.loads(edge_med("view", series, "--slices", "2:4", "--json").out)["slices"] == [
        2,
        3,
        4,
    ]


def test_a_series_is_saved_on_one_sheet(edge_med: EdgeMed, series: Path, tmp_path: Path) -> None:
    edge_med("view", series, "--save", tmp_path / "seen.png")
    with Image.open(tmp_path / "seen.png") as seen:
        assert seen.size == (3 * 224, 2 * 224)


def test_it_warns_of_letters_in_the_pixels(edge_med: EdgeMed, tmp_path: Path) -> None:
    (tmp_path / "us").write_bytes(dicom(ramp(12), Modality="US"))
    assert "Letters in the pixels" in edge_med("view", tmp_path / "us").err


@pytest.mark.parametrize("name", ["seen.jpg", "there.png"])
def test_a_file_that_cant_be_saved_is_refused_first(
    name: str, edge_med: EdgeMed, image: Path, tmp_path: Path
) -> None:
    (tmp_path / "there.png").write_bytes(b"mine")
    assert edge_med("view", image, "--save", tmp_path / name).code == 2
    assert (tmp_path / "there.png").read_bytes() == b"mine"


def test_force_replaces_a_file(edge_med: EdgeMed, image: Path, tmp_path: Path) -> None:
    (tmp_path / "there.png").write_bytes(b"mine")
    assert edge_med("view", image, "--save", tmp_path / "there.png", "--force").code == 0
    assert (tmp_path / "there.png").read_bytes()[:4] == b"\x89PNG"


def test_what_cant_be_read_is_an_error(edge_med: EdgeMed, tmp_path: Path) -> None:
    run = edge_med("view", tmp_path / "missing")
    assert (run.code, run.out) == (3, "")
