"""`edge-med view --list`, and a series that is chosen by its number in view, ask and chat."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from devtools.images.dicom import ct_slice, dicom, ramp
from tests.cli.conftest import Run
from tests.conftest import Models
from tests.imaging.made import DERIVED, MR, SCOUT, Files, series, stack

Command = Callable[..., Run]
CANARY = "ZANZIBAR"


def written(folder: Path, *parts: Files) -> Path:
    folder.mkdir(exist_ok=True)
    for name, data in (pair for part in parts for pair in part.items()):
        (folder / name).write_bytes(data)
    return folder


@pytest.fixture
def disc(tmp_path: Path) -> Path:
    """A CT with scouts, and with reformats."""
    tags: dict[str, Any] = {"SliceThickness": 5, "ConvolutionKernel": "Br40d"}
    return written(
        tmp_path / "disc",
        stack("s", [0.0], "coronal", **series(1), ImageType=SCOUT),
        stack("a", [0.0, 5.0, 10.0, 15.0], **series(2), **tags),
        stack("c", [0.0, 1.0, 2.0, 3.0, 4.0], "coronal", **series(3), ImageType=DERIVED),
    )


def test_it_lists_each_series_with_the_one_that_would_be_taken_and_why(
    edge_med: Command, disc: Path
) -> None:
    run = edge_med("view", disc, "--list")
    assert run.out.splitlines() == [
        "   series              images     size  mm",
        "   1       CT coronal       1  16 x 16",
        "*  2       CT axial         4  16 x 16   5  Br40d",
        "   3       CT coronal       5  16 x 16",
    ]
    assert run.err == (
        "3 series: 2 is shown (CT axial, 4 slices), because axial slices are preferred for a CT. "
        "6 images of the others are left out.\n"
    )


@pytest.mark.parametrize(
    ("count", "told"),
    [
        (2, "The 2 images aren't a volume, so each is shown as a picture.\n"),
        (21, "The 21 images aren't a volume. Choose some of them, as with --slices 5.\n"),
    ],
)
def test_of_single_images_it_tells_that_they_are_no_volume(
    count: int, told: str, edge_med: Command, tmp_path: Path
) -> None:
    files = {f"x{n}": dicom(ramp(12), Modality="DX", InstanceNumber=n) for n in range(count)}
    assert edge_med("view", written(tmp_path / "x-rays", files), "--list").err == told


def test_as_json_it_lists_the_same(edge_med: Command, disc: Path) -> None:
    told = json.loads(edge_med("view", disc, "--list", "--json").out)
    assert [one["number"] for one in told["series"]] == ["1", "2", "3"]
    assert told["series"][1] == {
        "number": "2",
        "modality": "CT",
        "plane": "axial",
        "images": 4,
        "rows": 16,
        "columns": 16,
        "thickness": 5.0,
        "kernel": "Br40d",
        "sequence": None,
        "description": "",
        "doubt": "",
        "patient": None,
        "study": None,
    }
    assert told["chosen"] == "2"
    assert told["reason"].startswith("axial slices are preferred for a CT")


def test_images_without_a_sign_of_a_patient_are_not_one_patient_in_the_list(
    edge_med: Command, tmp_path: Path
) -> None:
    folder = written(
        tmp_path / "some",
        stack("a", [0.0, 1.0], **series(1)),
        stack("b", [0.0, 1.0], PatientID=f"{CANARY}2", **series(2)),
    )
    found = json.loads(edge_med("view", folder, "--list", "--json").out)["series"]
    assert sorted(str(one["patient"]) for one in found) == ["1", "None"]


def test_of_several_patients_it_lists_whose_each_series_is_and_takes_none(
    edge_med: Command, tmp_path: Path
) -> None:
    folder = written(
        tmp_path / "two",
        stack("a", [0.0, 1.0], PatientID=f"{CANARY}1", **series(1)),
        stack("b", [0.0, 1.0], PatientID=f"{CANARY}2", **series(2)),
    )
    run = edge_med("view", folder, "--list")
    assert [line.split()[-2:] for line in run.out.splitlines()] == [
        ["patient", "study"],
        ["1", "-"],
        ["2", "-"],
    ]
    assert run.err.startswith("The images come from 2 patients. Choose one")
    assert CANARY not in run.out + run.err
    assert json.loads(edge_med("view", folder, "--list", "--json").out)["chosen"] is None


def test_passes_of_a_series_are_listed_with_numbers_of_their_own(
    edge_med: Command, tmp_path: Path
) -> None:
    folder = written(
        tmp_path / "mr",
        stack("a", [0.0, 1.0], **MR, ScanningSequence=["SE", "EP"]),
        stack("b", [0.0, 1.0], **MR, DiffusionBValue=800.0, InstanceNumber=lambda n: n + 3),
    )
    lines = edge_med("view", folder, "--list").out.splitlines()
    assert lines[1].split()[:2] == ["*", "1.1"]
    assert lines[1].endswith("spin echo, echo planar, b-value 1 of 2")
    assert lines[2].endswith("1.2     MR axial       2  16 x 16      b-value 800, 2 of 2")


@pytest.mark.filterwarnings("ignore:Invalid value for VR")
@pytest.mark.parametrize("tag", ["ConvolutionKernel", "ScanningSequence", "SeriesDescription"])
@pytest.mark.parametrize("name", [CANARY, "ZANZIBAR JANE", "Doe"])
def test_a_name_in_a_tag_isnt_listed(
    name: str, tag: str, edge_med: Command, tmp_path: Path
) -> None:
    folder = written(tmp_path / f"x{CANARY}", stack("a", [0.0, 1.0], **{tag: name}))
    for flags in ((), ("--json",)):
        run = edge_med("view", folder, "--list", *flags)
        assert run.code == 0
        assert name not in run.out + run.err


@pytest.mark.filterwarnings("ignore:Invalid value for VR", "ignore:The value length")
@pytest.mark.parametrize(
    "name",
    [
        f"{CANARY}^JOHN",
        "DOE JOHN 1970",
        "JD",
        "\x1b[31mX\x1b]0;pwn\x07",
        "X" * 480,
    ],
)
def test_a_modality_that_isnt_the_standards_is_another_one(
    name: str, edge_med: Command, tmp_path: Path
) -> None:
    folder = written(tmp_path / "x", stack("a", [0.0], Modality=name, **series(1)))
    written(folder, stack("b", [0.0, 1.0], **series(2)))
    run = edge_med("view", folder, "--list")
    assert run.out.splitlines()[1].startswith("   1       another modality       1  16 x 16")
    told = edge_med("view", folder, "--list", "--json")
    assert json.loads(told.out)["series"][0]["modality"] is None
    shown = edge_med("view", folder / "a0", "--json")
    assert json.loads(shown.out)["facts"]["modality"] is None
    assert name not in run.out + run.err + told.out + told.err + shown.out + shown.err


@pytest.mark.filterwarnings("ignore:Invalid value for VR")
@pytest.mark.parametrize(
    ("kernel", "listed"),
    [
        *((name, True) for name in ("Hr38s", "B70f", "Qr40", "FC08", "YA", "LUNG")),
        *((name, False) for name in ("JD", "Jo70", "Doe70", "X1")),
    ],
)
def test_kernels_of_known_makers_are_listed_and_initials_arent(
    kernel: str, listed: bool, edge_med: Command, tmp_path: Path
) -> None:
    folder = written(tmp_path / "x", stack("a", [0.0, 1.0], ConvolutionKernel=kernel))
    assert edge_med("view", folder, "--list").out.rstrip().endswith(kernel) is listed


def test_a_list_of_nothing_is_refused(edge_med: Command, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("nothing")
    run = edge_med("view", tmp_path, "--list")
    assert (run.code, run.out) == (3, "")
    assert "is a text" in run.err


def test_view_shows_the_series_that_is_chosen_and_in_which_direction(
    edge_med: Command, disc: Path
) -> None:
    told = json.loads(edge_med("view", disc, "--series", 3, "--json").out)
    assert (told["series"], told["slices"], told["direction"]) == (
        "3",
        [1, 2, 3, 4, 5],
        "front to back",
    )
    assert told["notices"][1] == "5 images of other series are left out."
    assert "order      front to back" in edge_med("view", disc, "--series", 3).out


def test_a_series_that_isnt_there_is_refused_with_the_way_to_see_which_are(
    edge_med: Command, disc: Path
) -> None:
    run = edge_med("view", disc, "--series", 4)
    assert run.code == 2
    assert "There is no series '4': they are 1 to 3." in run.err
    assert "edge-med view PATH --list" in run.err


def test_ask_shows_the_series_that_is_chosen(edge_med: Command, disc: Path, model: Models) -> None:
    named = ("--model", model("multimodal", "F32"), "--threads", 1, "--max-new-tokens", 2)
    run = edge_med("ask", "well?", "--image", disc, "--series", 1, *named, "--json", "--force")
    assert run.code == 0
    assert json.loads(run.out)["slices"] == [[1]]


def test_ask_refuses_a_folder_of_two_patients_until_a_series_is_chosen(
    edge_med: Command, tmp_path: Path, model: Models
) -> None:
    folder = written(
        tmp_path / "two",
        stack("a", [0.0, 1.0], PatientID="1", **series(1)),
        stack("b", [0.0, 1.0, 2.0], PatientID="2", **series(2)),
    )
    named = ("--model", model("multimodal", "F32"), "--threads", 1, "--max-new-tokens", 2)
    refused = edge_med("ask", "well?", "--image", folder, *named)
    assert refused.code == 3
    assert "The images come from 2 patients." in refused.err
    assert "Choose one with --series: edge-med view PATH --list" in refused.err
    chosen = edge_med("ask", "well?", "--image", folder, "--series", 2, *named, "--json")
    assert json.loads(chosen.out)["slices"] == [[1, 2, 3]]


def test_images_of_two_patients_are_told_even_if_all_is_quiet(
    edge_med: Command, tmp_path: Path, model: Models
) -> None:
    for number in "12":
        data = dicom(ramp(12, 256, 256), Modality="DX", PatientID=f"{CANARY}{number}")
        (tmp_path / number).write_bytes(data)
    named = ("--model", model("multimodal", "F32"), "--threads", 1, "--max-new-tokens", 2)
    images = ("--image", tmp_path / "1", "--image", tmp_path / "2")
    run = edge_med("ask", "well?", *images, *named, "--quiet", "--json")
    assert run.err == "The images come from 2 patients.\n"
    codes = [notice["code"] for notice in json.loads(run.out)["notices"]]
    assert "several_patients" in codes
    assert CANARY not in run.out


def test_the_sheet_says_which_slice_each_is(edge_med: Command, tmp_path: Path) -> None:
    folder = written(tmp_path / "ct", {str(n): ct_slice(float(n)) for n in range(5)})
    for name, slices in (("all", "all"), ("some", "2:5")):
        edge_med("view", folder, "--slices", slices, "--save", tmp_path / f"{name}.png")
    with Image.open(tmp_path / "all.png") as all_, Image.open(tmp_path / "some.png") as some:
        second, first = all_.crop((224, 0, 448, 224)), some.crop((0, 0, 224, 224))
        assert second.crop((0, 40, 224, 224)).tobytes() == first.crop((0, 40, 224, 224)).tobytes()
        assert second.crop((0, 0, 224, 30)).tobytes() != first.crop((0, 0, 224, 30)).tobytes()
        assert (np.asarray(first)[:20, :, 0] > 100 + np.asarray(first)[:20, :, 2]).any()
