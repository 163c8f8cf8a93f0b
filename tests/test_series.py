"""A CT given to the API: its slices with their labels, as many as fit."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_med import imaging
from edge_med.errors import ContextOverflowError
from edge_med.imaging import Room
from edge_med.messages import ImagePart, TextPart, as_messages
from tests.imaging.dicom_samples import ct_slice


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
    (message,) = as_messages("well?", images=[folder], side=16, room=Room(tokens=600))
    assert len(message.pictures) == 2


def test_a_series_that_was_opened_is_taken_as_it_is(folder: Path) -> None:
    study = imaging.open(folder, side=16, slices="2:3")
    (message,) = as_messages("well?", images=[study], side=16, room=Room(tokens=0))
    assert [part for part in message.parts if isinstance(part, ImagePart)] == [
        ImagePart(picture) for picture in message.pictures
    ]
    assert len(message.pictures) == 2


def test_what_was_asked_for_and_doesnt_fit_is_refused(folder: Path) -> None:
    with pytest.raises(ContextOverflowError):
        imaging.open(folder, side=16, slices="4", room=Room(tokens=600))
