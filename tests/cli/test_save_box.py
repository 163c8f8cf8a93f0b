"""`edge-med ask --save-box`: a tiny model is made to answer with a box, by a grammar."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from devtools.images.dicom import ct_slice
from devtools.images.enhanced import enhanced
from edge_med import imaging
from tests.cli.conftest import Run
from tests.conftest import Models

Command = Callable[..., Run]

BOX = r"Final Answer: ```json[{\"box_2d\": [700, 200, 300, 600], \"label\": \"heart\"}]```"

PIXELS = np.full((300, 500, 3), 120, np.uint8)
PIXELS[:, 400:] = 60


@pytest.fixture
def call(model: Models, tmp_path: Path) -> tuple[object, ...]:
    """A question about an image of 500 x 300 pixels, whose answer is `BOX`."""
    Image.fromarray(PIXELS).save(tmp_path / "doe_jane.png")
    (tmp_path / "box.gbnf").write_text(f'root ::= "{BOX}"\n')
    return (
        *("ask", "the heart", "--model", model("multimodal", "F32")),
        *("--image", tmp_path / "doe_jane.png", "--grammar", tmp_path / "box.gbnf"),
    )


def test_the_box_is_printed_and_drawn_in_the_originals_pixels(
    edge_med: Command, call: tuple[object, ...], tmp_path: Path
) -> None:
    done = edge_med(*call, "--save-box", tmp_path / "out.png")
    assert done.code == 0
    assert done.out == "heart: x 100 to 300, y 50 to 250\n"
    assert "In the model's answer: a box had swapped corners.\n" in done.err
    with Image.open(tmp_path / "out.png") as saved:
        painted = (np.asarray(saved) != PIXELS).any(axis=2)
    assert saved.size == (500, 300)
    assert painted[50, 100:300].all()
    assert painted[249, 100:300].all()
    assert not painted[60:240, 110:290].any()


def test_json_has_the_boxes_beside_the_answer(
    edge_med: Command, call: tuple[object, ...], tmp_path: Path
) -> None:
    done = edge_med(*call, "--save-box", tmp_path / "out.png", "--fit", "stretch", "--json")
    found = json.loads(done.out)
    assert found["boxes"] == [{"label": "heart", "x0": 100, "y0": 90, "x1": 300, "y1": 210}]
    assert found["quirks"] == ["a box had swapped corners"]
    assert found["text"].startswith("Final Answer")


def test_the_prompt_is_googles(edge_med: Command, call: tuple[object, ...], tmp_path: Path) -> None:
    found = json.loads(edge_med(*call, "--save-box", tmp_path / "out.png", "--json").out)
    plain = json.loads(edge_med(*call, "--json").out)
    assert found["usage"]["prompt"] > plain["usage"]["prompt"] + 100


def test_no_box_saves_nothing_and_shows_the_answer(
    edge_med: Command, call: tuple[object, ...], tmp_path: Path
) -> None:
    (tmp_path / "box.gbnf").write_text('root ::= "I see no heart."\n')
    done = edge_med(*call, "--save-box", tmp_path / "out.png")
    assert (done.code, done.out) == (3, "I see no heart.\n")
    assert "marked nothing" in done.err
    assert not (tmp_path / "out.png").exists()


def test_a_file_that_is_there_is_told_before_the_model_is_loaded(
    edge_med: Command, call: tuple[object, ...], tmp_path: Path
) -> None:
    (tmp_path / "out.png").write_bytes(b"mine")
    nothing = ("--model", tmp_path / "none.gguf")
    done = edge_med(*call, *nothing, "--save-box", tmp_path / "out.png")
    assert (done.code, "exists already" in done.err) == (2, True)
    assert edge_med(*call, "--save-box", tmp_path / "out.png", "--force").code == 0
    assert (tmp_path / "out.png").read_bytes() != b"mine"


@pytest.mark.parametrize(
    ("flags", "code"),
    [
        (("--save-box", "out.jpg"), 2),
        (("--save-box", "no folder/out.png"), 3),
        (("--save-box", "doe_jane.png", "--force"), 2),
        (("--save-box", "out.png", "--image", "doe_jane.png"), 2),
    ],
)
def test_what_cant_be_saved_is_refused_without_the_images_name(
    edge_med: Command,
    call: tuple[object, ...],
    tmp_path: Path,
    flags: tuple[str, ...],
    code: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    done = edge_med(*call, *flags)
    assert (done.code, done.out) == (code, "")
    assert "doe" not in done.err


def test_a_search_for_nothing_is_refused(
    edge_med: Command, call: tuple[object, ...], tmp_path: Path
) -> None:
    assert edge_med("ask", " ", *call[2:], "--save-box", tmp_path / "out.png").code == 2


@pytest.fixture
def volume(call: tuple[object, ...], tmp_path: Path) -> tuple[object, ...]:
    """The same question about a CT of five frames, which are brighter or darker."""
    (tmp_path / "ct.dcm").write_bytes(enhanced())
    return tuple(
        tmp_path / "ct.dcm" if part == tmp_path / "doe_jane.png" else part for part in call
    )


def test_a_box_isnt_looked_for_in_a_file_of_slices(
    edge_med: Command, volume: tuple[object, ...], tmp_path: Path
) -> None:
    done = edge_med(*volume, "--save-box", tmp_path / "out.png")
    assert done.code == 2
    assert "--frame" in done.err
    assert not (tmp_path / "out.png").exists()


@pytest.mark.parametrize(
    ("form", "number", "windows"),
    [("folder", 2, "medgemma"), ("zip", 1, "medgemma"), ("frames", 4, "abdomen")],
)
def test_a_box_is_drawn_on_the_slice_that_was_asked_about(
    form: str,
    number: int,
    windows: str,
    edge_med: Command,
    call: tuple[object, ...],
    tmp_path: Path,
) -> None:
    path = series(tmp_path, form)
    given = [path if part == tmp_path / "doe_jane.png" else part for part in call]
    which = ("--slices", f"{number}:{number}", "--windows", windows)
    chosen = (*which, "--force")  # a slice of few greys is enough here
    done = edge_med(*given, "--save-box", tmp_path / "out.png", *chosen)
    assert done.code == 0
    with Image.open(tmp_path / "out.png") as saved:
        corner = saved.getpixel((15, 15))
    seen = imaging.open(ct_slice(float(number - 1)), side=16, windows=windows).pixels
    assert corner == tuple(int(value) for value in seen[15, 15])


def series(folder: Path, form: str) -> Path:
    """Five slices of a CT, whose files and frames aren't in the order in which they lie."""
    if form == "frames":
        (folder / "ct.dcm").write_bytes(enhanced())
        return folder / "ct.dcm"
    (folder / "ct").mkdir()
    for depth in range(5):
        (folder / "ct" / str(5 - depth)).write_bytes(ct_slice(float(depth)))
    if form == "folder":
        return folder / "ct"
    return Path(shutil.make_archive(str(folder / "ct"), "zip", folder / "ct"))


@pytest.mark.parametrize("frame", [1, 3])
def test_a_box_is_drawn_on_the_frame_that_was_asked_about(
    frame: int, edge_med: Command, volume: tuple[object, ...], tmp_path: Path
) -> None:
    done = edge_med(*volume, "--save-box", tmp_path / "out.png", "--frame", frame)
    assert done.code == 0
    with Image.open(tmp_path / "out.png") as saved:
        corner = saved.getpixel((15, 15))
    seen = imaging.open(tmp_path / "ct.dcm", side=16, frame=frame).pixels
    assert corner == tuple(int(value) for value in seen[15, 15])
