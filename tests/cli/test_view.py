"""`edge-med view`: what the model will see of an image, told and saved."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from devtools.images.dicom import ct_slice, dicom, ramp
from devtools.images.photos import scene
from edge_med import imaging
from edge_med.imaging.volume.slice_selection import BYTES
from edge_med.library import store
from tests.cli.conftest import Run
from tests.conftest import Models

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
        "time       not known: name a model with --model",
    ]


def test_a_model_that_has_seen_nothing_here_tells_no_time_yet(
    edge_med: EdgeMed, image: Path, model: Models
) -> None:
    run = edge_med("view", image, "--model", model("multimodal", "F32"))
    assert "tokens     4\n" in run.out
    assert re.search(r"time       not known yet: it is measured with the first image", run.out)


def test_what_an_ask_took_is_the_time_that_view_tells(
    edge_med: EdgeMed, image: Path, model: Models
) -> None:
    named = ("--model", model("multimodal", "F32"), "--threads", 1)
    asked = edge_med(
        "ask", "x " * 80, "--image", image, *named, "--max-new-tokens", 1, "--force", "--json"
    )
    took = json.loads(asked.out)
    seen = edge_med("view", image, *named)
    assert re.search(r"time       about \d+ s until \S+ has read it\n", seen.out)
    told = json.loads(edge_med("view", image, *named, "--json").out)
    reading = took["timings"]["read"] / took["usage"]["prompt"] * told["tokens"]
    assert told["seconds"] == pytest.approx(took["timings"]["encode"] + reading)


def test_a_model_that_cant_see_costs_no_time(edge_med: EdgeMed, image: Path, model: Models) -> None:
    assert "reads text only" in edge_med("view", image, "--model", model("text", "F32")).out


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("EDGE_MED_HOME", str(tmp_path / "home"))


def test_what_it_saves_is_what_the_model_sees(
    edge_med: EdgeMed, image: Path, tmp_path: Path
) -> None:
    assert edge_med("view", image, "--save", tmp_path / "seen.png").code == 0
    with Image.open(tmp_path / "seen.png") as seen:
        assert seen.tobytes() == imaging.open(image).pixels.tobytes()


@pytest.mark.parametrize(
    ("flags", "error"),
    [
        (("--slices", "2:4"), "Slices 2:4 are wanted, but no image is a series."),
        (("--order", "position"), "The order position is wanted, but no image is a series."),
        (("--series", "1"), "Series 1 is wanted, but no image is a DICOM file."),
        (("--series", "2"), "Series 2 is wanted, but no image is a DICOM file."),
        (("--frame", 2), "Frame 2 is wanted, but no image is a DICOM file."),
    ],
)
def test_flags_that_do_nothing_to_a_photo_are_refused_as_ask_refuses_them(
    flags: tuple[str, ...], error: str, edge_med: EdgeMed, tmp_path: Path
) -> None:
    Image.fromarray(scene(64, 48)).save(tmp_path / "photo.png")
    run = edge_med("view", tmp_path / "photo.png", *flags)
    assert run.code == 2
    assert f"error: {error}\nhint: Leave out {flags[0]}" in run.err


def test_single_images_have_no_order(edge_med: EdgeMed, tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    for number in range(2):
        (tmp_path / "x" / str(number)).write_bytes(dicom(ramp(12), Modality="DX"))
    run = edge_med("view", tmp_path / "x", "--order", "position")
    assert "The order position is wanted, but no image is a series." in run.err


def test_windows_of_a_photo_are_told_to_do_nothing(edge_med: EdgeMed, tmp_path: Path) -> None:
    Image.fromarray(scene(64, 48)).save(tmp_path / "photo.png")
    run = edge_med("view", tmp_path / "photo.png", "--windows", "brain")
    assert "The windows brain have no effect: no image is a CT." in run.err


def test_of_a_series_it_tells_which_slices_are_shown(edge_med: EdgeMed, series: Path) -> None:
    run = edge_med("view", series, "--slices", "2:4")
    assert run.err == (
        "3 of 5 slices (as asked), 804 tokens.\nShown: 2-4 of 5. Left out: 1, 5. "
        "In answers SLICE n is the n-th of these: SLICE 3 is slice 4.\n"
        "Series 1, feet to head, by number.\n"
    )
    assert json.loads(edge_med("view", series, "--slices", "2:4", "--json").out)["slices"] == [
        2,
        3,
        4,
    ]


def test_of_a_series_it_shows_what_fits_the_context_as_ask_does(
    edge_med: EdgeMed, series: Path, model: Models
) -> None:
    flags = ("--context", 1024 + 512 + 2 * 268)
    assert "2 of 5 slices (what the context holds)" in edge_med("view", series, *flags).err
    named = (*flags, "--model", model("multimodal", "F32"), "--threads", 1)
    asked = edge_med("ask", "well?", "--image", series, *named, "--max-new-tokens", 1024)
    assert edge_med("view", series, *named).err.splitlines()[0] in asked.err


def test_of_a_series_it_tells_no_time_that_is_only_guessed(
    edge_med: EdgeMed, series: Path, model: Models
) -> None:
    run = edge_med("view", series, "--model", model("multimodal", "F32"), "--threads", 1)
    assert "not known yet" in run.out
    assert "about" not in run.err


def test_a_series_is_saved_on_one_sheet(edge_med: EdgeMed, series: Path, tmp_path: Path) -> None:
    edge_med("view", series, "--save", tmp_path / "seen.png")
    with Image.open(tmp_path / "seen.png") as seen:
        assert seen.size == (3 * 224, 2 * 224)


def test_it_warns_of_letters_in_the_pixels(edge_med: EdgeMed, tmp_path: Path) -> None:
    (tmp_path / "us").write_bytes(dicom(ramp(12), Modality="US"))
    assert "the patient's name written in it" in edge_med("view", tmp_path / "us").err


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


def test_what_is_shown_is_never_replaced(edge_med: EdgeMed, tmp_path: Path) -> None:
    folder = tmp_path / "study"
    folder.mkdir()
    (folder / "a.png").write_bytes(png := scene_bytes())
    for shown in (folder / "a.png", folder):
        done = edge_med("view", shown, "--save", folder / "a.png", "--force")
        assert done.code == 2
        assert "never replaced" in done.err
    assert (folder / "a.png").read_bytes() == png


def scene_bytes() -> bytes:
    """A picture as a PNG file."""
    file = io.BytesIO()
    Image.fromarray(scene(300, 200)).save(file, "PNG")
    return file.getvalue()


def test_what_cant_be_read_is_an_error(edge_med: EdgeMed, tmp_path: Path) -> None:
    run = edge_med("view", tmp_path / "missing")
    assert (run.code, run.out) == (3, "")


def test_the_model_itself_takes_of_the_memory_for_slices(
    edge_med: EdgeMed, series: Path, model: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = model("multimodal", "F32")
    found = store.find(path)
    assert found.projector
    files = found.text.stat().st_size + found.projector.stat().st_size
    monkeypatch.setattr("edge_med._platform.available_memory", lambda: files + 2 * BYTES + 1)
    run = edge_med("view", series, "--model", path)
    assert "2 of 5 slices (what the memory holds)" in run.err


@pytest.mark.parametrize(
    "flags", [("--slices", "3"), ("--frame", 2), ("--windows", "brain"), ("--save", "x.png")]
)
def test_a_list_refuses_flags_of_what_is_shown(
    edge_med: EdgeMed, series: Path, flags: tuple[object, ...]
) -> None:
    run = edge_med("view", series, "--list", *flags)
    assert run.code == 2
    assert f"--list shows no image, so {flags[0]} has no effect." in run.err


def test_a_list_of_a_picture_says_that_it_is_one(edge_med: EdgeMed, tmp_path: Path) -> None:
    Image.new("L", (8, 8)).save(tmp_path / "x.png")
    run = edge_med("view", tmp_path / "x.png", "--list")
    assert (run.code, "It is a single picture" in run.err) == (3, True)
