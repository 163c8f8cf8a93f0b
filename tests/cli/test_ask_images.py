"""`edge-med ask` about medical images: series, windows, and what of a file is told the model."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from devtools.images.dicom import ct_slice, dicom
from devtools.images.photos import scene
from edge_med.api import MedGemma
from edge_med.planner.latency import Estimates
from tests.cli.conftest import Run
from tests.conftest import Models

Command = Callable[..., Run]


@pytest.fixture
def series(tmp_path: Path) -> Path:
    for depth in range(4):
        (tmp_path / f"doe_jane{depth}").write_bytes(ct_slice(float(depth)))
    return tmp_path


@pytest.fixture
def call(model: Models) -> tuple[object, ...]:
    small = ("--max-new-tokens", 2, "--context", 512, "--threads", 1)
    return ("ask", "well?", "--model", model("multimodal", "F32"), *small)


def test_a_series_is_asked_about_and_its_slices_are_told(
    edge_med: Command, call: tuple[object, ...], series: Path
) -> None:
    run = edge_med(*call, "--image", series, "--slices", "2", "--context", 1024, "--json")
    assert run.code == 0
    assert "2 of 4 slices (as asked), " in run.err
    answer = json.loads(run.out)
    assert answer["usage"]["image"] == 2 * 4
    assert answer["slices"] == [[3, 4]]
    told = [notice["text"] for notice in answer["notices"] if notice["code"] == "series"]
    assert told[0].startswith("2 of 4 slices (as asked), ")
    which = "In answers SLICE n is the n-th of these: SLICE 2 is slice 4."
    assert told[1] == f"Shown: 3-4 of 4. Left out: 1-2. {which}"
    assert "doe" not in run.out + run.err


def test_a_series_that_is_not_shown_whole_is_told_even_if_quiet(
    edge_med: Command, call: tuple[object, ...], series: Path
) -> None:
    part = edge_med(*call, "--image", series, "--slices", "2:3", "--context", 1024, "--quiet")
    which = "In answers SLICE n is the n-th of these: SLICE 2 is slice 3."
    assert part.err.splitlines()[1:] == [f"Shown: 2-3 of 4. Left out: 1, 4. {which}"]
    whole = edge_med(*call, "--image", series, "--context", 1024, "--quiet")
    assert whole.err == ""


def test_how_fast_slices_were_seen_before_is_told_and_decides_nothing(
    edge_med: Command,
    call: tuple[object, ...],
    series: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Estimates, "encode", lambda *_: 2000.0)
    run = edge_med(*call, "--image", series, "--context", 1024)
    assert "all 4 slices, 64 tokens, about 133 min" in run.err


def test_what_all_slices_take_is_told_with_the_flags_for_it(
    edge_med: Command, call: tuple[object, ...], series: Path
) -> None:
    run = edge_med(*call, "--image", series, "--context", 512 + 2 + 3 * 16)
    assert "3 of 4 slices (what the context holds), 48 tokens, about" in run.err
    assert "All 4 slices need 64 tokens, about" in run.err
    assert "use --slices all and --context 1024." in run.err


def test_two_series_share_the_context(
    edge_med: Command, call: tuple[object, ...], series: Path
) -> None:
    run = edge_med(*call, "--image", series, "--image", series, "--context", 512 + 2 + 5 * 16)
    assert run.code == 0
    assert "2 of 4 slices (what the context holds)" in run.err
    assert "3 of 4 slices (what the context holds)" in run.err


def test_slices_that_dont_fit_are_refused(
    edge_med: Command, call: tuple[object, ...], series: Path
) -> None:
    run = edge_med(*call, "--image", series, "--slices", "4", "--context", 540)
    assert run.code == 5
    assert "4 slices are" in run.err


@pytest.mark.parametrize("flags", [("--windows", "none"), ("--slices", "x")])
def test_a_wrong_choice_is_an_error_of_usage(
    flags: tuple[str, str], edge_med: Command, call: tuple[object, ...], series: Path
) -> None:
    assert edge_med(*call, "--image", series, *flags).code == 2


@pytest.mark.parametrize(
    ("flags", "prompt"), [((), "well?"), (("--tags",), "modality DX, view PA\n\nwell?")]
)
def test_tags_are_told_the_model_only_if_it_is_asked_for(
    flags: tuple[str, ...],
    prompt: str,
    edge_med: Command,
    call: tuple[object, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked, stream = [], MedGemma.stream

    def noted(self: MedGemma, text: str, **rest: object) -> object:
        asked.append(text)
        return stream(self, text, **rest)  # type: ignore[arg-type]

    monkeypatch.setattr(MedGemma, "stream", noted)
    tags = {"ViewPosition": "PA", "BodyPartExamined": "Doe's", "PatientName": "Doe^Jane"}
    with pytest.warns(UserWarning, match="Invalid value"):
        (tmp_path / "image").write_bytes(dicom(scene(200, 300), Modality="DX", **tags))
    assert edge_med(*call, "--image", tmp_path / "image", *flags).code == 0
    assert asked == [prompt]


def test_letters_in_the_pixels_are_told(
    edge_med: Command, call: tuple[object, ...], tmp_path: Path
) -> None:
    (tmp_path / "us").write_bytes(dicom(scene(200, 300), Modality="US"))
    assert "the patient's name written in it" in edge_med(*call, "--image", tmp_path / "us").err
    assert edge_med(*call, "--image", tmp_path / "us", "--quiet").err == ""


def test_a_box_is_looked_for_in_one_slice(
    edge_med: Command, call: tuple[object, ...], series: Path, tmp_path: Path
) -> None:
    wide = ("--context", 1024)
    run = edge_med(*call, *wide, "--image", series, "--save-box", tmp_path / "box.png")
    assert run.code == 2
    assert "there are 4 slices" in run.err
    assert "--slices 12:12" in run.err


@pytest.fixture
def png(tmp_path: Path) -> Path:
    path = tmp_path / "chest 1.png"
    Image.linear_gradient("L").save(path)
    return path


@pytest.mark.parametrize("kind", ["path", "file", "data"])
def test_an_image_may_be_a_path_or_a_url(
    kind: str, edge_med: Command, call: tuple[object, ...], png: Path
) -> None:
    given = {
        "path": str(png),
        "file": f"file://{str(png).replace(' ', '%20')}",
        "data": f"data:image/png;base64,{base64.b64encode(png.read_bytes()).decode()}",
    }
    run = edge_med(*call, "--image", given[kind], "--json", "--quiet")
    assert json.loads(run.out)["usage"]["image"] == 4
    assert edge_med("view", given[kind], "--json").code == 0


@pytest.mark.parametrize("command", ["ask", "view"])
def test_an_address_is_refused_since_edge_med_is_offline(
    command: str, edge_med: Command, call: tuple[object, ...]
) -> None:
    address = "https://example.org/chest.png"
    run = edge_med(*(*call, "--image", address) if command == "ask" else ("view", address))
    assert run.code == 3
    assert "at a https: address, and edge-med works offline" in run.err


def test_a_model_that_cannot_see_says_so_before_the_image_is_opened(
    edge_med: Command, model: Models, png: Path
) -> None:
    text = model("text", "F32")
    run = edge_med("ask", "well?", "--model", text, "--context", 16, "--image", png)
    assert run.code == 3
    assert "can't see" in run.err


def test_what_no_image_has_is_no_wish_for_it(
    edge_med: Command, call: tuple[object, ...], series: Path, tmp_path: Path
) -> None:
    path = tmp_path / "phantom.png"
    Image.fromarray(scene(300, 200)).save(path)
    shown = (*call, "--image", path)
    done = edge_med(*shown, "--slices", "1:3")
    assert (done.code, done.out) == (2, "")
    assert "Slices 1:3 are wanted, but no image is a series." in done.err
    done = edge_med(*shown, "--frame", 3)
    assert (done.code, done.out) == (2, "")
    assert "Frame 3 is wanted, but no image is a DICOM file." in done.err
    assert "--frame" in done.err
    done = edge_med(*shown, "--windows", "brain")
    assert done.code == 0
    assert "The windows brain have no effect: no image is a CT." in done.err
    for flags in (("--slices", "all"), ("--slices", "20"), ("--frame", 1)):
        assert edge_med(*shown, *flags).code == 0
    ct = edge_med(*call, "--image", series / "doe_jane0", "--windows", "brain")
    assert ct.code == 0
    assert "for a CT" not in ct.err


def test_an_answer_says_which_series_was_shown_and_in_which_direction(
    edge_med: Command, call: tuple[object, ...], series: Path
) -> None:
    flags = ("--image", series, "--slices", "3:3", "--order", "position")
    run = edge_med(*call, *flags, "--context", 1024, "--json")
    told = "Series 1, feet to head, by position."
    assert told in run.err
    answer = json.loads(run.out)
    assert told in [notice["text"] for notice in answer["notices"]]
    assert [answer[name] for name in ("slices", "series", "direction", "order")] == [
        [[3]],
        ["1"],
        ["feet to head"],
        ["position"],
    ]


@pytest.mark.parametrize(("flag", "value"), [("--order", "position"), ("--series", "1")])
def test_a_picture_has_no_series_and_no_order(
    edge_med: Command, call: tuple[object, ...], tmp_path: Path, flag: str, value: str
) -> None:
    Image.fromarray(scene(256, 256)).save(tmp_path / "x.png")
    run = edge_med(*call, "--image", tmp_path / "x.png", flag, value)
    assert run.code == 2
    assert f"Leave out {flag}" in run.err
