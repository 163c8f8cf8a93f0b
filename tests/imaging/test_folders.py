"""Folders as they come: with files that can't be read, with single images, of several patients."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import imagecodecs
import pydicom.uid as uids
import pytest

from devtools.images.dicom import compressed, ct_slice, dicom, ramp
from edge_med import imaging
from edge_med.errors import ImageError, UsageError
from edge_med.imaging import Study, picture_notices
from edge_med.imaging.sandbox.pool import POOL
from edge_med.imaging.volume.slice_selection import series_among
from tests.imaging.made import MR, TEN, stack


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A CT of five slices."""
    for depth in range(5):
        (tmp_path / f"{depth}.dcm").write_bytes(ct_slice(float(depth)))
    return tmp_path


def read(source: Path, **options: object) -> Study:
    found = imaging.open(source, side=16, **{"slices": "auto", **options})  # type: ignore[call-overload]
    assert isinstance(found, Study)
    return found


@pytest.mark.parametrize("left", [-20, 700, 500, 300])
@pytest.mark.parametrize("syntax", [uids.ExplicitVRLittleEndian, uids.JPEGLSLossless])
def test_truncated_slice_is_left_out_with_a_notice(left: int, syntax: str, folder: Path) -> None:
    whole = ct_slice(9.0)
    if syntax == uids.JPEGLSLossless:
        frame = bytes(imagecodecs.jpegls_encode(ramp(12)))
        whole = compressed([frame], ramp(12), syntax, Modality="CT")
    (folder / "5.dcm").write_bytes(whole[:left])
    assert len(read(folder).pictures) == 5
    assert read(folder).notices == (
        "1 file is left out. The DICOM file ends before its image does.",
    )


def test_a_file_that_ends_the_process_is_left_out_alone(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "bomb.dcm").write_bytes(ct_slice(9.0))
    run = POOL.run

    def ends(name: str, sources: list[str], **job: Any) -> Any:
        if name == "describe" and any(source.endswith("bomb.dcm") for source in sources):
            raise ImageError("The process that tried has ended.", "Save it anew.")
        return run(name, sources, **job)

    monkeypatch.setattr(POOL, "run", ends)
    assert read(folder).notices == ("1 file is left out. The process that tried has ended.",)


def test_a_folder_of_which_no_file_can_be_read_is_an_error_with_the_reason(folder: Path) -> None:
    for path in folder.iterdir():
        path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ImageError, match="The DICOM file ends before its image does"):
        read(folder)


def test_files_in_a_syntax_that_isnt_read_are_left_out_and_named(folder: Path) -> None:
    for name in "56":
        data = ct_slice(float(name)).replace(b"1.2.840.10008.1.2.1", b"1.2.840.10008.1.2.9")
        (folder / name).write_bytes(data)
    (told,) = read(folder).notices
    assert told.startswith("2 files are left out. The DICOM image's transfer syntax isn't read")


def test_two_x_rays_in_one_folder_are_two_pictures(tmp_path: Path) -> None:
    views = ("LL", "PA")
    for number, view in enumerate(views):
        data = dicom(ramp(12, 20 + number), Modality="DX", ViewPosition=view, SeriesNumber=number)
        (tmp_path / str(number)).write_bytes(data)
    study = read(tmp_path)
    assert study.content() == tuple(study.pictures)
    assert [picture.about.view for picture in study.pictures] == [*views]
    alone = [imaging.open(tmp_path / str(number), side=16) for number in range(2)]
    assert [*study.pictures] == alone
    assert str(study.plan) == "all 2 images, 536 tokens"
    assert [picture.slice for picture in study.pictures] == [None, None]


@pytest.mark.parametrize(
    ("data", "told", "hint"),
    [
        (b"nothing", "One of them is a text.", "An image is needed here"),
        (b"\0\0\0\x18ftypheic", "One of them is a HEIC photo, as phones take", "Export it as JPEG"),
        (b"%PDF-1.7", "One of them is a PDF, which isn't read.", "Save the page"),
        (
            gzip.compress(b"\x5c\x01\0\0", mtime=0),
            "One of them is a NIfTI volume that gzip",
            "Unpack it",
        ),
        (b"\x89PNG\r\n\x1a\n", "There is no DICOM image among the files.", "their own paths"),
        (dicom(ramp(8), Modality="SEG"), "The DICOM files among these hold no image", "a folder"),
    ],
)
def test_files_of_which_none_is_a_dicom_image_are_refused_by_what_they_are(
    data: bytes, told: str, hint: str, tmp_path: Path
) -> None:
    for name in "ab":
        (tmp_path / name).write_bytes(data)
    with pytest.raises(ImageError, match=told) as caught:
        read(tmp_path)
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("tags", "told"),
    [
        ({"PatientID": "2"}, "The images come from 2 patients."),
        ({"PatientName": "Roe^Jane"}, "The images come from 2 patients."),
        ({"PatientBirthDate": "19600101"}, "The images come from 2 patients."),
        ({"PatientID": "", "PatientName": ""}, "Some of the images name their patient"),
        ({"StudyInstanceUID": "1.9"}, "The images come from 2 studies."),
        ({"StudyInstanceUID": ""}, "Some of the images name their study"),
        ({"StudyDate": "20260102"}, "The images come from 2 days."),
    ],
)
def test_folder_of_several_patients_needs_a_series_choice(
    tags: dict[str, str], told: str, tmp_path: Path
) -> None:
    of = {"PatientID": "1", "PatientName": "Doe^Jane", "StudyInstanceUID": "1.8"}
    of |= {"StudyDate": "20260101"}
    for depth in range(3):
        (tmp_path / f"a{depth}").write_bytes(ct_slice(float(depth), **of))
        (tmp_path / f"b{depth}").write_bytes(ct_slice(float(depth), **{**of, **tags}))
    with pytest.raises(ImageError, match=told) as caught:
        read(tmp_path)
    assert "`series`" in caught.value.hint
    study = read(tmp_path, series=2)
    assert len(study.pictures) == 3
    assert {str(file)[-2] for file, _frame in study.origins} == {"b"}
    assert study.notices[0].startswith(told)


def test_images_of_a_study_of_which_some_have_no_date_are_of_no_other_day(tmp_path: Path) -> None:
    of = {"PatientID": "1", "StudyInstanceUID": "1.8"}
    for depth in range(3):
        (tmp_path / f"a{depth}").write_bytes(ct_slice(float(depth), **of, StudyDate="20260101"))
    (tmp_path / "page").write_bytes(dicom(ramp(8), Modality="OT", **of))
    study = read(tmp_path)
    assert [Path(str(file)).name for file, _frame in study.origins] == ["a0", "a1", "a2"]
    assert "1 image of the others is left out." in study.notices[0]


def test_a_patients_name_may_be_written_in_two_ways(tmp_path: Path) -> None:
    for depth, name in enumerate(("Doe^Jane", "DOE^JANE", "doe^ jane")):
        (tmp_path / str(depth)).write_bytes(ct_slice(float(depth), PatientName=name))
    assert len(read(tmp_path).pictures) == 3


@pytest.mark.parametrize(
    ("code", "one", "other"),
    [
        ("ISO_IR 192", "כהן^משה", "לוי^דוד"),
        ("ISO_IR 192", "राम", "रमा"),  # the same letters, other vowels
        ("ISO_IR 138", "כהן", "לוי"),
        ("GB18030", "王^小东", "李^小东"),
    ],
)
def test_names_of_any_script_tell_patients_apart(
    code: str, one: str, other: str, tmp_path: Path
) -> None:
    for depth, name in enumerate((one, other)):
        tags = {"SpecificCharacterSet": code, "PatientName": name}
        (tmp_path / str(depth)).write_bytes(ct_slice(float(depth), **tags))
    with pytest.raises(ImageError, match="from 2 patients"):
        read(tmp_path)


@pytest.mark.parametrize("tag", ["PatientID", "PatientName"])
@pytest.mark.parametrize(("one", "other"), [("1-11", "11-1"), ("7.12", "71.2")])
def test_signs_between_figures_tell_patients_apart(
    tag: str, one: str, other: str, tmp_path: Path
) -> None:
    for depth, name in enumerate((one, other)):
        (tmp_path / str(depth)).write_bytes(ct_slice(float(depth), **{tag: name}))
    with pytest.raises(ImageError, match="from 2 patients"):
        read(tmp_path)


def test_a_name_is_the_same_in_two_character_sets_and_where_none_is_said(tmp_path: Path) -> None:
    given = [("ISO_IR 192", "utf-8"), ("ISO_IR 100", "latin-1"), (None, "utf-8")]
    for depth, (code, encoding) in enumerate(given):
        name = "Müller^Zoë ".encode(encoding)
        name += b" " * (len(name) % 2)
        mark = b"x" * len(name)
        data = ct_slice(float(depth), SpecificCharacterSet=code, PatientName=mark.decode())
        (tmp_path / str(depth)).write_bytes(data.replace(mark, name))
    assert len(read(tmp_path).pictures) == 3


def test_two_pictures_of_two_patients_say_so(tmp_path: Path) -> None:
    for number in "12":
        data = dicom(ramp(12), Modality="DX", PatientID=number)
        (tmp_path / number).write_bytes(data)
    images = [imaging.open(tmp_path / number) for number in "12"]
    assert [notice.code for notice in picture_notices.together(images)] == ["several_patients"]
    assert not [*picture_notices.together(images[:1] * 2)]


@pytest.mark.parametrize("series", [3, "0", "x", "1.2", "2.0", "1.1.1"])
def test_a_series_that_isnt_there_is_refused(series: int | str, folder: Path) -> None:
    (folder / "other").write_bytes(ct_slice(0.0, SeriesInstanceUID="1.9"))
    with pytest.raises(UsageError, match="they are 1 to 2"):
        read(folder, series=series)


def test_of_a_series_with_passes_those_are_told_that_there_are(folder: Path) -> None:
    for name, data in stack("b", TEN, AcquisitionNumber=2).items():
        (folder / name).write_bytes(data)
    for name, data in stack("c", TEN, AcquisitionNumber=3).items():
        (folder / name).write_bytes(data)
    with pytest.raises(UsageError, match=r"no series '1\.9': they are 1\.1 to 1\."):
        read(folder, series="1.9")


def test_a_series_is_chosen_by_its_number_without_slices_being_named(folder: Path) -> None:
    for depth in range(2):
        other = ct_slice(float(depth), SeriesInstanceUID="1.9", SeriesNumber=1)
        (folder / f"other{depth}").write_bytes(other)
    study = imaging.open(folder, side=16, series=1)
    assert isinstance(study, Study)
    assert (len(study.pictures), study.series) == (2, "1")
    assert study.notices == ("5 images of other series are left out.",)


def test_the_number_of_a_series_is_for_the_folder_among_several_images(folder: Path) -> None:
    (folder.parent / "x-ray").write_bytes(dicom(ramp(12), Modality="DX"))
    (folder / "other").write_bytes(ct_slice(0.0, SeriesInstanceUID="1.9"))
    sources = [folder.parent / "x-ray", folder]
    _picture, study = imaging.open_all(sources, side=16, series="2")
    assert isinstance(study, Study)
    assert len(study.pictures) == 1


def test_an_order_that_there_isnt_is_refused(folder: Path) -> None:
    with pytest.raises(UsageError, match="There is no order 'up'"):
        read(folder, order="up")


_DAMAGES: dict[str, dict[str, Any]] = {
    "no size": {"Rows": 0},
    "slope": {"RescaleSlope": "1234.5"},
    "bits": {"BitsStored": 40},
    "kind": {"PhotometricInterpretation": "ODD"},
}


@pytest.mark.filterwarnings("ignore:Invalid value for VR")
@pytest.mark.parametrize("modality", ["CT", "MR"])
@pytest.mark.parametrize("damage", _DAMAGES.values(), ids=_DAMAGES)
def test_one_damaged_file_among_good_ones_is_left_out_and_told(
    damage: dict[str, Any], modality: str, tmp_path: Path
) -> None:
    tags = MR if modality == "MR" else {}
    files = stack("a", TEN, **tags)
    files["a4"] = stack("a", TEN, **tags, **damage)["a4"].replace(b"1234.5", b"abcdef")
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    study = read(tmp_path)
    assert [Path(str(file)).name for file, _ in study.origins] == [n for n in files if n != "a4"]
    assert any(notice.startswith("1 file is left out. The") for notice in study.notices)
    assert len(study.plan.chosen) == len(study.pictures) == 9


@pytest.mark.filterwarnings("ignore:Invalid value for VR")
def test_slices_that_can_be_read_keep_their_numbers(tmp_path: Path) -> None:
    files = stack("a", TEN)
    files["a4"] = stack("a", TEN, RescaleSlope="1234.5")["a4"].replace(b"1234.5", b"abcdef")
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    study = read(tmp_path, slices="4:6")
    assert study.numbers == (4, 6)
    assert str(study.plan).startswith("2 of 10 slices (1 of 3 can't be read)")
    with pytest.raises(ImageError):
        read(tmp_path, slices="5:5")


def test_links_are_told(folder: Path) -> None:
    inside = [*folder.iterdir()]
    linked = folder.parent / "linked"
    linked.mkdir()
    (linked / "0").write_bytes(inside[0].read_bytes())
    for path in inside[1:]:
        (linked / path.name).symlink_to(path)
    told = f"{len(inside) - 1} links aren't followed: put the files themselves into the folder."
    assert told in read(linked).notices
    (linked / "0").unlink()
    with pytest.raises(ImageError, match=r"There are no files in it; .* links aren't followed"):
        read(linked)


def test_files_that_may_be_slices_are_told_as_what_they_are(folder: Path) -> None:
    (folder / "packed.dcm.gz").write_bytes(gzip.compress(ct_slice(9.0)))
    (folder / "bare").write_bytes(b"\x08\x00\x05\x00\xff\xff\xff\xff" + bytes(64))
    bare = "1 file isn't shown: it begins as DICOM without its header. Export it from your archive "
    bare += "again."
    assert read(folder).notices == (
        "1 file is packed, and isn't shown: unpack it first.",
        bare,
    )


def test_a_list_of_series_tells_what_is_left_out_beside_them(folder: Path) -> None:
    (folder / "cut").write_bytes(ct_slice(7.0)[:-40])
    (folder / "text").write_text("nothing")
    cut, text = imaging.contents(folder).left_out
    assert cut.startswith("1 file is left out. ")
    assert text == "1 file isn't an image of a volume."


def test_each_opening_of_a_series_is_told_apart_from_the_next(folder: Path) -> None:
    first, again = (read(folder, slices=which) for which in ("1:2", "3:4"))
    pictures = [*first.pictures, *again.pictures]
    assert [len(g) for g, _ in series_among(pictures, [None] * len(pictures))] == [2, 2]
    assert {picture.series_origin.series for picture in pictures if picture.series_origin} == {"1"}


def test_the_direction_says_what_the_order_is_of(tmp_path: Path) -> None:
    for name, data in stack("a", TEN, InstanceNumber=lambda n: 10 - n).items():
        (tmp_path / name).write_bytes(data)
    assert read(tmp_path).told == "Series 1, head to feet, by number."
    assert read(tmp_path, order="position").told == "Series 1, feet to head, by position."


def test_a_number_that_one_of_several_images_lacks_is_told_with_the_image(folder: Path) -> None:
    with pytest.raises(UsageError, match=r"no series '2'.*It is image 1 of 2\."):
        imaging.open_all([folder, folder], side=16, series="2")
