"""A folder or a zip with a CT or an MR becomes slices for the model."""

from __future__ import annotations

import copy
import io
import os
import pickle  # noqa: TID251 - to show that it could be sent
import struct
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import imagecodecs
import numpy as np
import pydicom.uid as uids
import pytest
from PIL import Image

from devtools.images.dicom import compressed, ct_slice, dicom, ramp
from edge_med import imaging
from edge_med.config import Fit
from edge_med.errors import ContextOverflowError, ImageError
from edge_med.imaging import Picture, SliceBudget, Study, fit
from edge_med.messages import as_messages

DEPTHS = (4.0, 0.0, 3.0, 1.0, 2.0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A CT of five slices whose names say nothing of their order."""
    for number, depth in enumerate(DEPTHS):
        (tmp_path / f"{number}.dcm").write_bytes(ct_slice(depth))
    return tmp_path


def read(source: Path | bytes, slices: str = "auto", **options: object) -> Study:
    found = imaging.open(source, side=16, slices=slices, **options)  # type: ignore[call-overload]
    assert isinstance(found, Study)
    return found


def zipped(folder: Path) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.iterdir()):
            archive.write(path, f"../../{path.name}")
    return buffer.getvalue()


def test_slices_are_in_the_order_in_which_they_lie(folder: Path) -> None:
    study = read(folder)
    depths = [picture.about.position for picture in study.pictures]
    assert depths == [(0.0, 0.0, float(depth)) for depth in range(5)]
    assert study.numbers == (1, 2, 3, 4, 5)
    assert study.notices == ()


@pytest.mark.parametrize("fits", ["pad", "stretch"])
@pytest.mark.parametrize("side", [12, 16, 40])
def test_each_slice_is_what_it_is_alone(side: int, fits: Fit, folder: Path) -> None:
    alone = imaging.open(folder / "0.dcm", side=side, fit=fits)
    study = imaging.open(folder, side=side, fit=fits, slices="auto")
    assert isinstance(study, Study)
    assert study.pictures[4] == alone
    *steps, fit = alone.provenance
    assert study.pictures[4].provenance == (*steps, "slice 5 of 5", fit)
    assert study.pictures[4].slice == (5, 5)
    assert alone.slice is None
    assert study.about.position == (0.0, 0.0, 0.0)


def test_a_study_is_told_of_before_its_slices_are_fitted(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted: list[int] = []

    def counted(image: Image.Image, side: int) -> Image.Image:
        fitted.append(side)
        return fit.pad(image, side)

    monkeypatch.setitem(fit.FITS, "pad", counted)
    study = read(folder)
    assert (str(study.plan), study.about.modality, len(study.pictures)) == (
        "all 5 slices, 1,340 tokens",
        "CT",
        5,
    )
    assert fitted == []
    assert len(study.content()) == 10
    assert fitted == [16] * 5


@pytest.mark.parametrize("shape", [(40, 3), (3, 40), (16, 7)])
@pytest.mark.parametrize("fits", ["pad", "stretch"])
def test_slices_of_any_shape_are_what_they_are_alone(
    fits: Fit, shape: tuple[int, int], tmp_path: Path
) -> None:
    for depth in range(3):
        data = dicom(
            ramp(12, *shape) + depth,
            Modality="CT",
            RescaleIntercept=-1024,
            RescaleSlope=1,
            ImagePositionPatient=[0, 0, depth],
            ImageOrientationPatient=[1, 0, 0, 0, 1, 0],
        )
        (tmp_path / str(depth)).write_bytes(data)
    study = read(tmp_path, fit=fits)
    alone = [imaging.open(tmp_path / str(depth), side=16, fit=fits) for depth in range(3)]
    assert [*study.pictures] == alone


def test_slices_are_fitted_once_whichever_threads_ask(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted: list[int] = []
    all_there = threading.Barrier(8, timeout=20)

    def noted(image: Image.Image, side: int) -> Image.Image:
        fitted.append(side)
        return fit.pad(image, side)

    def pictures(_number: int) -> tuple[Picture, ...]:
        all_there.wait()
        return tuple(study.pictures)

    monkeypatch.setitem(fit.FITS, "pad", noted)
    study = read(folder)
    with ThreadPoolExecutor(8) as threads:
        seen = list(threads.map(pictures, range(8)))
    assert fitted == [16] * 5
    assert all(one == seen[0] for one in seen)


@pytest.mark.parametrize("side", [8, 16])
def test_a_study_can_be_sent_and_copied(side: int, folder: Path) -> None:
    study = imaging.open(folder, side=side, slices="auto")
    again = imaging.open(folder, side=side, slices="auto")
    assert pickle.loads(pickle.dumps(study)) == study == copy.deepcopy(again)
    assert hash(study) == hash(again)


def test_values_are_hounsfield_units_in_googles_windows(folder: Path) -> None:
    hounsfield = np.arange(16)[None, :] + np.zeros((16, 1)) + 40
    for channel, (low, high) in enumerate([(-1024, 1024), (-135, 215), (0, 80)]):
        expected = np.round((hounsfield - low) / (high - low) * 255)
        assert (read(folder).pictures[4].pixels[:, :, channel] == expected).all()


def test_content_is_each_image_and_then_its_label(folder: Path) -> None:
    study = read(folder, "2:5:2")
    assert study.numbers == (2, 4)
    first, second = study.pictures
    assert study.content() == (first, "SLICE 1", second, "SLICE 2")


def test_one_slice_has_no_label(folder: Path) -> None:
    study = read(folder, "3:3")
    assert study.content() == tuple(study.pictures)


def test_a_zip_is_the_same_as_its_folder(folder: Path) -> None:
    assert read(zipped(folder)).pictures == read(folder).pictures


def test_a_zip_on_the_disk_is_the_same_too(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "ct.zip"
    path.write_bytes(zipped(folder))
    found = imaging.open(path, side=16, slices="auto")
    path.unlink()
    assert isinstance(found, Study)
    assert found.pictures == read(folder).pictures


def test_a_folder_with_one_image_is_a_picture(tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(dicom(ramp(12), Modality="DX"))
    assert imaging.open(tmp_path, side=8) == imaging.open(tmp_path / "one", side=8)


@pytest.mark.parametrize("name", [".DS_Store", "Thumbs.db", "desktop.ini", "._image"])
def test_what_finder_and_explorer_leave_beside_an_image_doesnt_count(
    name: str, tmp_path: Path
) -> None:
    (tmp_path / "image").write_bytes(dicom(ramp(12), Modality="CR"))
    (tmp_path / name).write_bytes(b"\0\5\x16\7")
    assert isinstance(imaging.open(tmp_path, slices="auto"), Picture)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for path in tmp_path.iterdir():
            archive.write(path, f"__MACOSX/{path.name}")
    assert isinstance(imaging.open(packed.getvalue(), slices="auto"), Picture)


def test_a_folder_where_one_picture_is_wanted_is_refused(folder: Path) -> None:
    with pytest.raises(ImageError, match="several images"):
        imaging.open(folder)


def test_folders_that_lie_too_deep_are_refused_and_not_left_out(tmp_path: Path) -> None:
    deepest = tmp_path.joinpath(*"123456789")
    deepest.mkdir(parents=True)
    (deepest / "one").write_bytes(ct_slice(0.0))
    (tmp_path / "two").write_bytes(ct_slice(1.0))
    with pytest.raises(ImageError, match="more than 8 levels"):
        imaging.open(tmp_path, slices="auto")
    assert isinstance(imaging.open(tmp_path / "1", slices="auto"), Picture)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="no files"):
        imaging.open(tmp_path, slices="auto")


def test_an_mr_spreads_over_the_range_of_its_series(tmp_path: Path) -> None:
    for number in range(3):
        pixels = np.full((8, 8), 100 * number, np.uint16)
        pixels[0, 0] = 50
        data = dicom(
            pixels,
            Modality="MR",
            ImagePositionPatient=[0, 0, number],
            ImageOrientationPatient=[1, 0, 0, 0, 1, 0],
        )
        (tmp_path / str(number)).write_bytes(data)
    study = imaging.open(tmp_path, side=8, slices="auto")
    assert isinstance(study, Study)
    greys = [int(picture.pixels[4, 4, 0]) for picture in study.pictures]
    assert greys == [0, 128, 255]
    assert "full range of the series" in study.pictures[0].provenance


def test_other_files_are_left_out_and_that_is_told(folder: Path) -> None:
    (folder / "readme.txt").write_text("nothing")
    (folder / "report").write_bytes(dicom(ramp(8), Modality="SR"))
    assert read(folder).notices == ("2 files aren't images of a volume.",)
    Image.new("L", (8, 8)).save(folder / "chest.png")
    assert read(folder).notices == (
        "1 picture isn't part of the series: give it by its own path.",
        "2 files aren't images of a volume.",
    )


def test_slice_with_contradicting_sizes_is_left_out(folder: Path) -> None:
    large = np.zeros((1000, 1000), np.uint8)
    rows, columns = (struct.pack("<HH2sHH", 0x28, n, b"US", 2, 1000) for n in (0x10, 0x11))
    data = compressed(
        [bytes(imagecodecs.jpeg8_encode(large))],
        np.zeros((16, 16), np.uint8),
        uids.JPEGBaseline8Bit,
        Modality="CT",
        ImagePositionPatient=[0, 0, 9],
        ImageOrientationPatient=[1, 0, 0, 0, 1, 0],
        RescaleSlope=1,
        RescaleIntercept=0,
    )
    (folder / "huge").write_bytes(data + rows + columns)
    study = read(folder)
    assert study.numbers == (1, 2, 3, 4, 5)
    assert "1000 x 1000 pixels of 1 colour, and not 16 x 16" in study.notices[-1]


def test_slices_that_were_asked_for_must_fit(folder: Path) -> None:
    with pytest.raises(ContextOverflowError):
        read(folder, "5", room=SliceBudget(tokens=600))


def test_auto_takes_what_fits(folder: Path) -> None:
    assert read(folder, room=SliceBudget(tokens=600)).numbers == (3, 5)


@pytest.mark.filterwarnings("ignore:Invalid value for VR DS")
def test_a_position_that_is_no_number_is_none(tmp_path: Path) -> None:
    for depth in range(3):
        data = ct_slice(float(depth), ImagePositionPatient=["0", "0", "nan"])
        (tmp_path / str(3 - depth)).write_bytes(data)
    study = read(tmp_path)
    assert study.notices == (
        "The slices have no positions, so they are in the order of their numbers.",
    )
    assert [picture.pixels[0, 0, 0] for picture in study.pictures] == sorted(
        picture.pixels[0, 0, 0] for picture in study.pictures
    )


def test_links_out_of_a_folder_arent_followed(folder: Path, tmp_path_factory: object) -> None:
    outside = folder.parent / "outside"
    outside.mkdir()
    (outside / "6.dcm").write_bytes(ct_slice(9.0))
    (folder / "link").symlink_to(outside)
    (folder / "file").symlink_to(outside / "6.dcm")
    assert len(read(folder).pictures) == 5


def test_a_pipe_in_a_folder_isnt_waited_for(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    assert len(read(folder).pictures) == 5


def test_a_directory_of_a_disc_is_never_followed(folder: Path) -> None:
    data = dicom(ramp(8), SOPClassUID=uids.MediaStorageDirectoryStorage)
    (folder / "DICOMDIR").write_bytes(data)
    assert len(read(folder).pictures) == 5
    with pytest.raises(ImageError, match="index of a DICOM disc"):
        imaging.open(folder / "DICOMDIR")


def test_a_zip_that_would_become_too_large_is_refused() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb", bytes(50 << 20))
    with pytest.raises(ImageError, match="too large when it is unpacked"):
        imaging.open(buffer.getvalue(), slices="auto")


def test_a_damaged_zip_is_refused(folder: Path) -> None:
    with pytest.raises(ImageError, match="can't be read"):
        imaging.open(zipped(folder)[:-30], slices="auto")


def test_series_that_are_opened_at_once_share_the_tokens(folder: Path) -> None:
    room = SliceBudget(tokens=5 * 268)
    studies = imaging.open_all([folder, folder], side=16, room=room)
    assert [len(study.pictures) for study in studies if isinstance(study, Study)] == [2, 3]
    (message,) = as_messages("well?", images=[folder, folder], side=16, budget=room)
    assert len(message.pictures) == 5


def test_slices_that_are_asked_for_of_several_series_arent_shared(folder: Path) -> None:
    room = SliceBudget(tokens=5 * 268)
    studies = imaging.open_all([folder, folder], slices="4", side=16, room=room)
    assert [len(study.pictures) for study in studies if isinstance(study, Study)] == [4, 4]
