"""Images that show nothing: told by every command, refused by `ask` unless it is forced."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from devtools.images.dicom import ct_slice, dicom, ramp
from devtools.images.photos import scene
from tests.cli.conftest import Run
from tests.conftest import Models

Command = Callable[..., Run]

BLACK, TINY = np.zeros((300, 300), np.uint8), scene(10, 10)
DOUBTFUL: dict[str, tuple[npt.NDArray[np.uint8], str, str]] = {
    "black": (BLACK, "one_grey", "there is nothing to see"),
    "dark": (scene(300, 300) // 16, "few_greys", "between grey 0 and 15 of 255"),
    "tiny": (TINY, "few_pixels", "only 10 x 10 pixels"),
}


@pytest.fixture
def call(model: Models) -> tuple[object, ...]:
    small = ("--max-new-tokens", 1, "--context", 512, "--threads", 1)
    return ("ask", "well?", "--model", model("multimodal", "F32"), *small)


@pytest.fixture
def saved(tmp_path: Path) -> Callable[[npt.NDArray[np.uint8], str], Path]:
    def save(pixels: npt.NDArray[np.uint8], name: str = "image.png") -> Path:
        Image.fromarray(pixels).save(tmp_path / name)
        return tmp_path / name

    return save


Saved = Callable[..., Path]


@pytest.mark.parametrize("name", DOUBTFUL)
def test_ask_refuses_it_and_says_how_to_ask_all_the_same(
    name: str, edge_med: Command, call: tuple[object, ...], saved: Saved
) -> None:
    pixels, _, text = DOUBTFUL[name]
    run = edge_med(*call, "--image", saved(pixels))
    assert (run.code, run.out) == (3, "")
    assert text in run.err
    assert "--force" in run.err


@pytest.mark.parametrize("name", DOUBTFUL)
def test_ask_that_is_forced_answers_and_tells_in_json(
    name: str, edge_med: Command, call: tuple[object, ...], saved: Saved
) -> None:
    pixels, code, text = DOUBTFUL[name]
    run = edge_med(*call, "--image", saved(pixels), "--force", "--json", "--quiet")
    assert run.code == 0
    told = {notice["code"]: notice["text"] for notice in json.loads(run.out)["notices"]}
    assert text in told[code]


def test_of_several_images_the_one_is_named(
    edge_med: Command, call: tuple[object, ...], saved: Saved
) -> None:
    fine, black = saved(scene(300, 300), "fine.png"), saved(BLACK)
    run = edge_med(*call, "--image", fine, "--image", black)
    assert "It is image 2 of 2." in run.err


def test_slices_that_are_all_of_one_grey_are_refused_and_some_are_told(
    edge_med: Command, call: tuple[object, ...], tmp_path: Path
) -> None:
    for depth in range(3):
        (tmp_path / str(depth)).write_bytes(ct_slice(float(depth)))
    dark, part = ("--windows", "900:1000"), ("--windows", "30:60")
    call = (*call, "--context", 1024)
    refused = edge_med(*call, "--image", tmp_path, *dark)
    assert (refused.code, "nothing to see" in refused.err) == (3, True)
    told = edge_med(*call, "--image", tmp_path, *part)
    assert told.code == 0
    assert "Images 1-2: All pixels of the image have the same grey" in told.err


@pytest.mark.parametrize("name", DOUBTFUL)
def test_view_tells_it_on_the_screen_and_in_json(
    name: str, edge_med: Command, saved: Saved
) -> None:
    pixels, _, text = DOUBTFUL[name]
    assert text in edge_med("view", saved(pixels)).err
    (notice,) = json.loads(edge_med("view", saved(pixels), "--json").out)["notices"]
    assert text in notice


def test_answers_carry_what_was_chosen_of_an_image(
    edge_med: Command, call: tuple[object, ...], saved: Saved
) -> None:
    clear = np.dstack([scene(300, 300), np.full((300, 300), 99, np.uint8)])
    run = edge_med(*call, "--image", saved(clear), "--json")
    told = [notice["text"] for notice in json.loads(run.out)["notices"]]
    assert "Transparent parts of the image are white." in told
    assert run.err.count("Transparent parts") == 1


@pytest.mark.parametrize(("side", "word"), [("R", "right"), ("L", "left")])
def test_view_shows_the_side_of_the_body(
    side: str, word: str, edge_med: Command, tmp_path: Path
) -> None:
    (tmp_path / "image").write_bytes(dicom(ramp(12), Modality="CR", ImageLaterality=side))
    assert (
        f"known      modality CR, laterality {side} ({word})\n"
        in edge_med("view", tmp_path / "image").out
    )
