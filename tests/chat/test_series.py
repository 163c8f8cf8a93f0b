"""A CT's folder in the chat: dropped in, shown with its labels, told."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from devtools.images.dicom import ct_slice, dicom, ramp
from devtools.images.enhanced import enhanced
from edge_med import imaging
from edge_med.chat.image_options import ImageOptions, PictureOrigins
from edge_med.config import LoadOptions
from edge_med.errors import ContextOverflowError, InputError, PromptError, UsageError
from edge_med.imaging.picture_notices import BURNED_IN
from edge_med.imaging.volume.slice_budget import AROUND, QUESTION
from tests.chat.scripted import IMAGE_TOKENS, Held


@pytest.fixture(autouse=True)
def roomy(held: Held) -> None:
    """A context that takes some slices."""
    held.chat.model.info.options = LoadOptions(context=4096)


@pytest.fixture
def series(tmp_path: Path) -> Path:
    folder = tmp_path / "a ct"
    folder.mkdir()
    for depth in range(3):
        (folder / str(depth)).write_bytes(ct_slice(float(depth)))
    return folder


def test_a_folder_that_is_dropped_goes_with_the_next_question(held: Held, series: Path) -> None:
    held.enter(f"'{series}'", "what is it")
    (asked,) = held.worker.asked
    (turn,) = asked.messages
    assert len(turn.pictures) == 3
    assert turn.text == "SLICE 1SLICE 2SLICE 3what is it"


def test_a_series_whose_question_is_undone_waits_with_its_labels(held: Held, series: Path) -> None:
    held.enter(f"/image {series}", "a", "/undo", "b")
    said = [asked.messages[-1].text for asked in held.worker.asked]
    assert said == ["SLICE 1SLICE 2SLICE 3a", "SLICE 1SLICE 2SLICE 3b"]


def test_which_slices_are_shown_is_told(held: Held, series: Path) -> None:
    held.enter(f"/image {series}", "/images")
    which = "series 1, feet to head, by number"
    told = f"CT, all 3 slices, 48 tokens, about 1 s, {which}, a ct"
    assert held.ui.notices == [
        f"Images 1-3 added: {told}. They will be sent with your next question."
    ]
    assert held.ui.said == [f"1-3. {told}, will be sent with the next question"]
    held.enter("what is it", f"/image {series} --slices 2:2", "where", "/images")
    assert held.ui.said[-1] == (
        f"1-3. CT, slices 1-3 of 3, {which}, 16 x 16, a ct, in question 1\n"
        f"4. CT, slice 2 of 3, {which}, 16 x 16, a ct, in question 2"
    )


def test_a_series_that_is_not_shown_whole_says_which_slices_even_if_quiet(
    held: Held, series: Path
) -> None:
    held.enter(f"/image {series} --slices 2:3")
    which = "In answers SLICE n is the n-th of these: SLICE 2 is slice 3."
    assert f"Shown: 2-3 of 3. Left out: 1. {which}" in held.ui.urgent
    assert "2 of 3 slices (as asked)" in held.ui.urgent[0]


def test_where_in_a_folder_the_slices_lie_is_told(held: Held, series: Path) -> None:
    held.enter(f"/image {series.parent} --slices 3")
    assert held.ui.notices[-1] == "Its slices are in a ct."


def test_windows_and_tags_are_taken_as_ask_takes_them(held: Held, series: Path) -> None:
    held.enter(f"/image '{series}' --windows lung --slices 2:2 --tags", "what is it", "and now")
    first, second = (asked.messages[-1] for asked in held.worker.asked)
    (wanted,) = imaging.open(series, side=56, slices="2:2", windows="lung").pictures  # type: ignore[union-attr]
    assert first.pictures == (wanted,)
    assert first.text == "modality CT\n\nwhat is it"
    assert second.text == "and now"
    held.enter("/edit 1 where")
    assert held.worker.asked[-1].messages[-1].text == "modality CT\n\nwhere"


def test_a_frame_is_taken_as_ask_takes_it(held: Held, tmp_path: Path) -> None:
    (tmp_path / "ct.dcm").write_bytes(enhanced())
    held.enter(f"/image {tmp_path / 'ct.dcm'} --frame 3", "what is it")
    (picture,) = held.worker.asked[0].messages[0].pictures
    assert picture == imaging.open(tmp_path / "ct.dcm", side=56, frame=3)


def test_flags_of_the_start_hold_where_a_command_has_none(held: Held, series: Path) -> None:
    held.chat.image_options = ImageOptions(slices="2:3")
    held.enter(f"'{series}'", "what is it", f"/image {series} --slices 1:1", "and now")
    assert [len(asked.messages[-1].pictures) for asked in held.worker.asked] == [2, 1]


@pytest.mark.parametrize(
    "flags", ["--windws lung", "--frame 0", "--frame x", "--tags 3", "--slices", "--slices 1 --x"]
)
def test_flags_that_cannot_be_are_refused(held: Held, series: Path, flags: str) -> None:
    held.enter(f"/image '{series}' {flags}")
    assert isinstance(held.error, UsageError)
    assert not held.chat.pending


def test_a_series_can_be_taken_back(held: Held, series: Path) -> None:
    held.enter(f"/image {series}", "/drop 1")
    assert not held.chat.pending.pictures


def test_boxes_are_for_one_image(held: Held, series: Path) -> None:
    held.enter(f"/image {series}", "/locate heart")
    assert isinstance(held.error, UsageError)


def test_a_box_is_drawn_on_the_file_of_the_last_slice(
    held: Held, series: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    held.worker.answers = ["a chest", '[{"box_2d": [250, 0, 750, 500], "label": "heart"}]']
    held.enter(f"/image {series}", "what is it", "/locate heart")
    assert held.ui.said[-1].startswith("heart: x 0 to 8, y 4 to 12 px")
    with Image.open("edge-med-box-1.png") as drawn:
        corner = drawn.getpixel((15, 15))
    assert corner == tuple(imaging.open(ct_slice(2.0), side=16).pixels[15, 15].tolist())


@pytest.mark.parametrize(
    ("entered", "depth"),
    [
        (("/image {series}", "what is it", "/locate #2 heart"), 1.0),
        (("/image {series} --slices 2:2", "/locate heart"), 1.0),
        (("/image '{series}' --slices=1:1", "what is it", "/locate the heart"), 0.0),
    ],
)
def test_a_box_is_drawn_on_the_slice_that_is_named(
    entered: tuple[str, ...],
    depth: float,
    held: Held,
    series: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    box = '[{"box_2d": [250, 0, 750, 500], "label": "heart"}]'
    held.worker.answers = [box] * 2
    held.enter(*(line.format(series=series) for line in entered))
    wanted = imaging.open(ct_slice(depth), side=16)
    assert "heart" in held.worker.asked[-1].messages[-1].text
    with Image.open("edge-med-box-1.png") as drawn:
        corner = drawn.getpixel((15, 15))
    assert corner == tuple(wanted.pixels[15, 15].tolist())


@pytest.mark.parametrize(
    ("line", "slices"),
    [
        ('/image {series} --slices "2:3"', 2),
        ("/image '{series} --slices 1'", 3),
        ("/image {series} --slices 1", 3),
        ("'{series} --slices 1'", 3),
        ("/image {series}/../a ct --slices 1", 1),
    ],
)
def test_a_path_that_ends_as_a_flag_is_a_path(
    line: str, slices: int, held: Held, series: Path
) -> None:
    if slices == 3:
        series.rename(series.with_name("a ct --slices 1"))
    held.enter(line.format(series=series), "what is it")
    assert len(list(held.chat.pictures)) == slices


@pytest.mark.parametrize("line", ["/image {series} --slices", "/image --slices 2 {series}"])
def test_slices_that_stand_elsewhere_are_refused(line: str, held: Held, series: Path) -> None:
    held.enter(line.format(series=f"'{series}'"))
    assert isinstance(held.error, UsageError)
    assert "Put flags last" in held.error.hint


def test_series_that_are_given_at_once_share_the_room(held: Held, series: Path) -> None:
    three = 3 * (IMAGE_TOKENS + AROUND)
    context = held.chat.options.max_new_tokens + QUESTION + three
    held.chat.model.info.options = LoadOptions(context=context)
    held.enter(f"/image '{series}' '{series}'", "/images")
    assert "1. CT, 1 of 3 slices" in held.ui.said[0]
    assert "2-3. CT, 2 of 3 slices" in held.ui.said[0]


@pytest.mark.parametrize(
    "line", ["/locate #4 heart", "/locate #0 heart", "/locate #2", "/locate #", "/locate #2heart"]
)
def test_a_number_without_an_image_or_a_thing_to_find_is_refused(
    line: str, held: Held, series: Path
) -> None:
    held.enter(f"/image {series}", "what is it", line)
    assert isinstance(held.error, (UsageError, PromptError))


def test_a_series_that_leaves_no_room_is_refused(held: Held, series: Path) -> None:
    held.chat.model.info.options = LoadOptions(context=512)
    held.enter(f"/image {series}")
    assert isinstance(held.error, ContextOverflowError)


def test_letters_in_the_pixels_are_told(held: Held, tmp_path: Path) -> None:
    (tmp_path / "us").write_bytes(dicom(ramp(12), Modality="US"))
    held.enter(f"/image {tmp_path / 'us'}")
    assert BURNED_IN.text in held.ui.notices


def test_what_slices_are_like_is_told_with_the_numbers_that_they_have(
    held: Held, tmp_path: Path
) -> None:
    for depth in range(3):
        mosaic = ct_slice(float(depth), ImageType=["ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC"])
        (tmp_path / f"{depth}.dcm").write_bytes(mosaic)
    held.enter(f"/image {tmp_path} --slices 3:3", f"/image {tmp_path} --slices 1:2")
    told = [notice for notice in held.ui.notices if "mosaic" in notice]
    which = [notice.partition(":")[0] for notice in told]
    assert which == ["The image is a mosaic of slices in one picture", "Images 2-3"]


def test_what_was_said_takes_of_the_room(held: Held, series: Path) -> None:
    held.chat.model.info.options = LoadOptions(context=4096)
    held.enter(f"/system {'be brief ' * 3}", f"/image {series}", "one", f"/image {series}")
    assert len(held.chat.pending.pictures) == 1


def test_what_waits_takes_of_the_room(held: Held, series: Path, tmp_path: Path) -> None:
    three = 3 * (IMAGE_TOKENS + AROUND)
    context = held.chat.options.max_new_tokens + QUESTION + three
    held.chat.model.info.options = LoadOptions(context=context)
    (tmp_path / "a.txt").write_text("no effusion")
    held.enter(f"/file {tmp_path / 'a.txt'}", f"/image {series}", "/drop file", "/drop 1")
    assert held.ui.notices[1].startswith("Images 1-2 added: CT, 2 of 3 slices")
    held.enter(f"/image {series}")
    assert held.ui.notices[-1].startswith("Images 1-3 added: CT, all 3 slices")


def test_an_edited_question_keeps_its_slices_labels(held: Held, series: Path) -> None:
    held.enter(f"/image {series}", "what is it", "/edit 1", "where")
    assert "what is it" in held.ui.offered
    assert held.texts[0] == "SLICE 1SLICE 2SLICE 3where"


def test_a_slice_is_dropped_with_its_label(held: Held, series: Path) -> None:
    held.enter(f"/image {series}", "what is it", "/drop 2")
    assert held.texts[0] == "SLICE 1SLICE 3what is it"
    assert len(list(held.chat.pictures)) == 2


def test_a_question_that_is_pasted_with_its_command_is_asked(held: Held, series: Path) -> None:
    held.enter(f"/image {series}\nwhat is it?\nand where?")
    assert held.texts[0].endswith("what is it?\nand where?")
    assert len(held.worker.asked[-1].messages[0].pictures) == 3


@pytest.mark.parametrize("named", ["", " --slices 2:3"])
def test_a_box_is_drawn_on_a_slice_of_a_loaded_conversation(
    named: str, held: Held, series: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    box = '[{"box_2d": [250, 0, 750, 500], "label": "heart"}]'
    held.worker.answers = ["a chest", box]
    held.enter(f"/image '{series}'{named}", "what is it", "/save x.json")
    held.chat.picture_origins = PictureOrigins()
    held.enter("/clear", f"/load x.json '{series}'{named}", "/locate #2 heart")
    wanted = imaging.open(ct_slice(2.0 if named else 1.0), side=16)
    with Image.open("edge-med-box-1.png") as drawn:
        corner = drawn.getpixel((15, 15))
    assert corner == tuple(wanted.pixels[15, 15].tolist())
    assert not held.ui.errors


def test_slices_that_arent_those_of_a_saved_conversation_are_an_error(
    held: Held, series: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    held.enter(f"/image '{series}'", "what is it", "/save x.json")
    held.enter(f"/load x.json '{series}' --slices 1")
    assert isinstance(held.error, InputError)


def test_what_waits_has_the_numbers_that_it_will_have(
    held: Held, series: Path, picture: Path
) -> None:
    held.enter(f"/image {series}", f"/image {picture}", "/images", "what is it", "/images")
    before, after = held.ui.said
    numbers = [[line.split(".")[0] for line in said.splitlines()] for said in (before, after)]
    assert numbers == [["1-3", "4"], ["1-3", "4"]]
    held.enter(f"/image {series}", "/drop 6")
    assert held.ui.notices[-1] == "Images 5-7 removed."


def test_a_series_is_chosen_by_its_number(held: Held, series: Path) -> None:
    (series / "other").write_bytes(ct_slice(0.0, SeriesInstanceUID="1.9", SeriesNumber=9))
    held.enter(f"/image '{series}' --series 1", "what is it")
    assert len(held.worker.asked[0].messages[-1].pictures) == 1
    assert "3 images of other series are left out." in held.ui.notices


def test_slices_go_in_the_direction_that_is_asked_for(held: Held, series: Path) -> None:
    for depth in range(3):
        (series / str(depth)).write_bytes(ct_slice(float(depth), InstanceNumber=9 - depth))
    held.enter(f"/image '{series}'", f"/image '{series}' --order position")
    turn = held.chat.pending.turn("")
    assert turn.pictures[:3] == turn.pictures[3:][::-1]


def test_what_all_slices_take_is_told(held: Held, series: Path) -> None:
    two = 2 * (IMAGE_TOKENS + AROUND)
    context = held.chat.options.max_new_tokens + QUESTION + two
    held.chat.model.info.options = LoadOptions(context=context)
    held.enter(f"/image '{series}'")
    assert any(notice.startswith("All 3 slices need 48 tokens") for notice in held.ui.urgent)


def test_images_of_two_patients_are_told_once_even_if_quiet(held: Held, tmp_path: Path) -> None:
    for number in "123":
        data = dicom(ramp(12, 256, 256), Modality="DX", PatientID=number)
        (tmp_path / number).write_bytes(data)
    for number in "112":
        held.enter(f"/image {tmp_path / number}", "what is it")
    assert held.ui.urgent == ["The images come from 2 patients."]
    held.enter(f"/image {tmp_path / '1'}", f"/image {tmp_path / '3'}")
    assert held.ui.urgent[1:] == ["The images come from 3 patients."]


def test_images_are_listed_with_what_answers_call_them(held: Held, series: Path) -> None:
    held.enter(f"/image '{series}' --slices 2:3", "/images", "what is it", "/images")
    waiting, asked = held.ui.said
    assert "slices 2-3 as SLICE 1-2" in waiting
    which = "slices 2-3 of 3 as SLICE 1-2, series 1, feet to head, by number"
    assert asked == f"1-2. CT, {which}, 16 x 16, a ct, in question 1"
