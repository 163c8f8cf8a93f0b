"""A CT given to the API: its slices with their labels, as many as fit."""

from __future__ import annotations

from pathlib import Path

import pytest

from devtools.images.dicom import ct_slice, dicom, ramp
from edge_med import imaging
from edge_med.api import MedGemma
from edge_med.config import Options
from edge_med.errors import ContextOverflowError
from edge_med.imaging import SliceBudget, picture_notices
from edge_med.messages import ImagePart, TextPart, as_messages
from tests.conftest import Models


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for depth in range(4):
        (tmp_path / str(depth)).write_bytes(ct_slice(float(depth)))
    return tmp_path


def texts_and_images(message: object) -> list[str]:
    parts = getattr(message, "parts", ())
    return [part.text if isinstance(part, TextPart) else "image" for part in parts]


def test_each_slice_stands_before_its_label(folder: Path) -> None:
    (message,) = as_messages("well?", images=[folder], side=16)
    expected = [part for n in range(1, 5) for part in ("image", f"SLICE {n}")]
    assert texts_and_images(message) == [*expected, "well?"]


def test_a_series_may_stand_in_the_midst_of_a_conversation(folder: Path) -> None:
    content = [
        {"type": "text", "text": "first"},
        {"type": "image", "image": folder / "0"},
        {"type": "image", "image": folder},
        {"type": "text", "text": "last"},
    ]
    (message,) = as_messages([{"role": "user", "content": content}], side=16)
    assert texts_and_images(message)[:4] == ["first", "image", "image", "SLICE 1"]
    assert texts_and_images(message)[-1] == "last"


def test_a_place_for_an_image_takes_a_whole_series(folder: Path) -> None:
    content = [{"type": "image"}, {"type": "text", "text": "well?"}]
    (message,) = as_messages([{"role": "user", "content": content}], images=[folder], side=16)
    assert len(message.pictures) == 4


def test_as_many_slices_as_fit_are_taken(folder: Path) -> None:
    (message,) = as_messages("well?", images=[folder], side=16, budget=SliceBudget(tokens=600))
    assert len(message.pictures) == 2


def test_a_series_that_was_opened_is_taken_as_it_is(folder: Path) -> None:
    study = imaging.open(folder, side=16, slices="2:3")
    (message,) = as_messages("well?", images=[study], side=16, budget=SliceBudget(tokens=0))
    assert [part for part in message.parts if isinstance(part, ImagePart)] == [
        ImagePart(picture) for picture in message.pictures
    ]
    assert len(message.pictures) == 2


def test_what_was_asked_for_and_doesnt_fit_is_refused(folder: Path) -> None:
    with pytest.raises(ContextOverflowError):
        imaging.open(folder, side=16, slices="4", room=SliceBudget(tokens=600))


def test_an_answer_says_which_slices_it_is_about_and_what_was_left_out(
    folder: Path, model: Models
) -> None:
    (folder / "other").write_bytes(ct_slice(0.0, SeriesInstanceUID="1.9"))
    options = Options(max_new_tokens=2)
    with MedGemma.load(model("multimodal", "F32"), context=512 + 2 + 3 * 16, threads=1) as opened:
        answer = opened.ask("well?", image=folder, options=options)
    told = [notice.text for notice in answer.notices if notice.code == "series"]
    assert told[0].startswith("3 of 4 slices (what the context holds), 48 tokens, about")
    assert told[1].startswith("Shown: 2-4 of 4. Left out: 1. In answers SLICE n is")
    assert '`slices="all"` and `context=1024`' in told[2]
    assert told[3].endswith("1 image of the others is left out.")


def test_pictures_of_two_patients_are_told_with_an_answer(tmp_path: Path, model: Models) -> None:
    for number in "12":
        data = dicom(ramp(12, 256, 256), Modality="DX", PatientID=number)
        (tmp_path / number).write_bytes(data)
    images = [tmp_path / "1", tmp_path / "2"]
    with MedGemma.load(model("multimodal", "F32"), context=512, threads=1) as opened:
        answer = opened.ask("well?", images=images, options=Options(max_new_tokens=2))
    told = {notice.code: notice.text for notice in answer.notices}
    assert told["several_patients"] == "The images come from 2 patients."


def test_of_two_series_each_says_from_which_image_on_it_is(folder: Path) -> None:
    (message,) = as_messages("well?", images=[folder, folder], side=16)
    told = [
        notice.text for notice in picture_notices.among(message.pictures) if notice.code == "series"
    ]
    assert [text.split(":")[0] for text in told] == [
        *["From image 1 on"] * 2,
        *["From image 5 on"] * 2,
    ]
    assert told[1].endswith(": Series 1, feet to head, by number.")
