"""Pictures of a conversation are told by the series that they came with."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_med.config import LoadOptions
from edge_med.conversation import export, transcript
from tests.chat.scripted import Held
from tests.imaging.made import TEN, series, stack


@pytest.fixture
def two(held: Held, tmp_path: Path) -> list[Path]:
    """The CTs of two patients; with a context that takes some slices."""
    held.chat.model.info.options = LoadOptions(context=4096)
    folders = [tmp_path / name for name in ("a ct", "b ct")]
    for number, folder in enumerate(folders, 1):
        folder.mkdir()
        for name, data in stack("a", TEN, PatientID=str(number), **series(number)).items():
            (folder / name).write_bytes(data)
    return folders


def test_series_that_look_alike_are_listed_and_exported_apart(held: Held, two: list[Path]) -> None:
    first, second = two
    held.enter(f"/image '{first}' --slices 1:2", f"/image '{second}' --slices 3:5", "a", "/images")
    which = "of 10, series 1, feet to head, by number, 16 x 16"
    labels = "slices 3-5 of 10 as SLICE 1-3"
    assert held.ui.said[-1].splitlines() == [
        f"1-2. CT, slices 1-2 {which}, a ct, in question 1",
        f"3-5. CT, {labels}, series 1, feet to head, by number, 16 x 16, b ct, in question 1",
    ]
    text = export.markdown(held.chat.conversation.messages)
    assert "slices 1-2 of 10 of series 1, feet to head, by number, labelled SLICE 1-2," in text
    assert "slices 3-5 of 10 of series 1, feet to head, by number, labelled SLICE 1-3," in text


def test_a_saved_chat_keeps_its_series_apart(held: Held, two: list[Path], tmp_path: Path) -> None:
    first, second = two
    held.enter(f"/image '{first}' --slices 1:2", f"/image '{second}' --slices 3:5", "a")
    said = held.chat.conversation.messages
    transcript.save(tmp_path / "x.json", said, images=True)
    side = held.chat.model.side
    loaded, _records = transcript.load(tmp_path / "x.json", [], side)
    told = export.markdown(said).replace("*modality CT,", "*image,")  # which no file keeps
    assert export.markdown(loaded) == told


def test_the_slices_that_are_left_keep_their_labels_in_lists_and_exports(
    held: Held, two: list[Path]
) -> None:
    held.enter(f"/image '{two[0]}' --slices 1:3", "what is it", "/drop 2", "/images")
    assert "1-2. CT, slices 1, 3 of 10, series 1" in held.ui.said[-1]
    assert "labelled SLICE 1, 3, " in export.markdown(held.chat.conversation.messages)
    held.enter("/drop 1", "/images")
    assert "1. CT, slice 3 of 10, series 1" in held.ui.said[-1]
    assert "labelled SLICE 3, " in export.markdown(held.chat.conversation.messages)


def test_two_series_of_which_each_has_a_slice_1_are_told(held: Held, two: list[Path]) -> None:
    held.enter(f"/image '{two[0]}' --slices 1:3")
    assert not [told for told in held.ui.urgent if "SLICE 1" in told]
    held.enter(f"/image '{two[1]}' --slices 1:2")
    assert [told for told in held.ui.urgent if "2 series are shown, and" in told]


def test_one_slice_beside_a_series_has_no_label_and_is_no_second(
    held: Held, two: list[Path]
) -> None:
    held.enter(f"/image '{two[0]}' --slices 1:3", f"/image '{two[1]}' --slices 2:2")
    assert not [told for told in held.ui.urgent if "series are shown" in told]


def test_slices_of_a_question_that_is_undone_have_labels_again(
    held: Held, two: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    held.enter(f"/image '{two[0]}' --slices 1:3", "a", "/save x.json --images", "/drop 1", "/undo")
    held.enter("/images")
    assert "1-2. CT, 2 of 10 slices (as before)" in held.ui.said[-1]
    assert "slices 2-3 as SLICE 1-2, series 1, feet to head" in held.ui.said[-1]
    held.enter("b", "/clear", "/load x.json", "/undo", "c")
    said = [asked.messages[-1].text for asked in held.worker.asked]
    assert said == ["SLICE 1SLICE 2SLICE 3a", "SLICE 1SLICE 2b", "SLICE 1SLICE 2SLICE 3c"]


def test_what_a_folder_holds_is_listed_and_chosen_without_leaving_the_chat(
    held: Held, two: list[Path]
) -> None:
    folder = two[0].parent
    held.enter(f"/image {folder}")
    assert held.error.hint == "Choose one with `series`: /image PATH --list shows them"
    held.enter(f"/image {folder} --list")
    assert held.ui.said[-1].splitlines() == [
        "1. CT axial, 10 images, 16 x 16, patient 1",
        "2. CT axial, 10 images, 16 x 16, patient 2",
    ]
    told = "The images come from 2 patients. Choose one, as in: /image PATH --series 1"
    assert told in held.ui.notices
    held.enter(f"/image {folder} --series 2 --slices 2:3", "a")
    assert len(held.worker.asked[-1].messages[-1].pictures) == 2


def test_a_list_in_the_chat_tells_what_would_be_taken(held: Held, two: list[Path]) -> None:
    held.enter(f"/image '{two[0]}' --list")
    assert held.ui.said[-1] == "1. CT axial, 10 images, 16 x 16"
    assert not held.chat.pending


@pytest.mark.parametrize("argument", ["", "a b c"])
def test_one_folder_is_listed_at_a_time(held: Held, argument: str) -> None:
    held.enter(f"/image {argument} --list")
    assert "at a time" in held.error.message
