"""A CT or MR in one file of many frames: a volume where the file says how they lie."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pydicom.uid as uids
import pytest
from pydicom.sequence import Sequence as Items

from devtools.images.dicom import ct_slice, dicom, elements, written
from devtools.images.enhanced import DEPTHS, enhanced, frame_groups, frames, group
from edge_med import imaging
from edge_med.errors import ImageError
from edge_med.imaging import Picture, Study
from edge_med.imaging.dicom import slice_facts


def read(source: bytes | Path, slices: str = "auto") -> Study:
    found = imaging.open(source, side=16, slices=slices)
    assert isinstance(found, Study)
    return found


@pytest.mark.parametrize(
    "syntax",
    [uids.ExplicitVRLittleEndian, uids.ImplicitVRLittleEndian, uids.JPEGLSLossless],
)
def test_its_slices_are_those_of_a_file_each_in_the_same_order(syntax: str) -> None:
    alone = [imaging.open(ct_slice(depth), side=16) for depth in sorted(DEPTHS)]
    study = read(enhanced(syntax=syntax))
    assert [p.pixels.tolist() for p in study.pictures] == [p.pixels.tolist() for p in alone]
    assert study.notices == ()
    assert str(study.plan).startswith("all 5 slices")


def test_what_a_frame_says_of_itself_is_known_of_its_picture() -> None:
    picture = read(enhanced()).pictures[1]
    assert picture.about.position == (0.0, 0.0, 1.0)
    assert picture.about.spacing == (0.5, 0.25)
    assert picture.provenance[:2] == ("DICOM", "frame 5 of 5")


def test_some_slices_of_it_can_be_asked_for() -> None:
    assert read(enhanced(), "2:5:2").numbers == (2, 4)


def test_a_file_on_the_disk_and_in_a_folder_is_the_same(tmp_path: Path) -> None:
    (tmp_path / "all").write_bytes(enhanced())
    (tmp_path / "readme").write_text("nothing")
    assert read(tmp_path / "all").pictures == read(enhanced()).pictures
    assert read(tmp_path).pictures == read(enhanced()).pictures
    assert read(tmp_path).notices == ("1 file isn't an image of a volume.",)


def test_files_of_several_frames_make_one_series(tmp_path: Path) -> None:
    (tmp_path / "upper").write_bytes(enhanced((4.0, 3.0)))
    (tmp_path / "lower").write_bytes(enhanced((1.0, 0.0, 2.0)))
    assert read(tmp_path).pictures == read(enhanced()).pictures


def test_a_long_file_is_described_though_its_groups_are_far_behind(tmp_path: Path) -> None:
    depths = [float(depth) for depth in range(400)]
    (tmp_path / "all").write_bytes(enhanced(depths))
    study = read(tmp_path / "all")
    assert study.plan.total == 400
    assert len(study.pictures) == 20


def test_an_mr_spreads_over_the_range_of_all_its_frames() -> None:
    pixels = np.stack([np.full((8, 8), 100 * number, np.uint16) for number in range(3)])
    data = elements(pixels, {"Modality": "MR", "SOPClassUID": uids.EnhancedMRImageStorage})
    data.PerFrameFunctionalGroupsSequence = Items([frame_groups(float(n)) for n in range(3)])
    greys = [int(picture.pixels[4, 4, 0]) for picture in read(written(data)).pictures]
    # 100 and 200 less 1024, between the least and the greatest of all
    assert greys == [0, 128, 255]


def test_of_several_moments_the_first_is_taken_and_that_is_told() -> None:
    depths = (0.0, 1.0, 2.0) * 2
    groups = [
        frame_groups(depth, TemporalPositionIndex=1 + number // 3)
        for number, depth in enumerate(depths)
    ]
    study = read(enhanced(depths, groups))
    assert study.notices == (
        "Moment 1 of 2 is shown, with 3 slices; 3 images in the same places are left out.",
    )
    assert [p.provenance[1] for p in study.pictures] == [f"frame {n} of 6" for n in (1, 2, 3)]


def test_of_several_echoes_the_first_is_taken_and_that_is_told() -> None:
    depths = (0.0, 1.0) * 2
    groups = [frame_groups(depth) for depth in depths]
    for number, own in enumerate(groups):
        own.MREchoSequence = group(EffectiveEchoTime=[2.3, 4.6][number // 2])
    assert read(enhanced(depths, groups)).notices == (
        "Echo 1 of 2 is shown, with 2 slices; 2 images in the same places are left out.",
    )


def test_without_positions_the_numbers_in_the_stack_order_it() -> None:
    groups = [frame_groups(0.0, InStackPositionNumber=number) for number in (3, 1, 5, 4, 2)]
    for own in groups:
        del own.PlanePositionSequence
    study = read(enhanced(groups=groups))
    assert [p.provenance[1] for p in study.pictures] == [f"frame {n} of 5" for n in (2, 5, 1, 4, 3)]
    assert "order of their numbers" in study.notices[0]


def test_frames_in_one_place_without_a_difference_are_refused() -> None:
    with pytest.raises(ImageError, match="the same position"):
        read(enhanced((0.0, 0.0, 1.0)))


UNTOLD: dict[str, Any] = {"ImagePositionPatient": [0.0, 0.0, 0.0], "InstanceNumber": 1}


def test_multiframe_without_frame_positions_is_refused() -> None:
    data = dicom(frames(DEPTHS), Modality="CT", **UNTOLD)
    with pytest.raises(ImageError, match="The frames of the CT have no positions") as caught:
        read(data)
    assert "`frame`" in caught.value.hint


def test_but_one_frame_of_it_can_be_shown() -> None:
    data = dicom(frames(DEPTHS), Modality="CT", RescaleSlope=1, RescaleIntercept=-1024)
    picture = imaging.open(data, side=16, slices="auto", frame=3)
    assert isinstance(picture, Picture)
    assert (picture.pixels == imaging.open(ct_slice(4.0), side=16).pixels).all()
    assert picture.notices[0] == "The image's file holds several pictures: frame 3 of 5 is shown."


def test_in_a_folder_with_slices_such_a_file_is_left_out(tmp_path: Path) -> None:
    for depth in range(3):
        (tmp_path / str(depth)).write_bytes(ct_slice(float(depth)))
    (tmp_path / "capture").write_bytes(dicom(frames(DEPTHS), Modality="CT", **UNTOLD))
    study = read(tmp_path)
    assert len(study.pictures) == 3
    told = "1 file has no positions for its frames, and isn't shown: give it by its own path."
    assert study.notices == (told,)


def test_where_no_slices_are_asked_for_its_first_frame_is_the_picture() -> None:
    picture = imaging.open(enhanced(), side=16)
    assert picture.notices[0] == "The image's file holds several pictures: frame 1 of 5 is shown."


def test_of_another_modality_the_first_frame_is_shown_and_that_is_said() -> None:
    data = dicom(np.stack([np.eye(8, dtype=np.uint8) * 9] * 3), Modality="US")
    picture = imaging.open(data, side=16, slices="auto")
    assert isinstance(picture, Picture)
    assert picture.notices[0] == "The image's file holds several pictures: frame 1 of 3 is shown."


@pytest.mark.parametrize(
    ("data", "told", "hint"),
    [
        (ct_slice(0.0), "The DICOM image has 1 frame.", "Leave out `frame`."),
        (enhanced(), "The DICOM image has 5 frames.", "or give the number of one of them."),
    ],
)
def test_a_frame_that_there_isnt_is_refused_with_how_many_there_are(
    data: bytes, told: str, hint: str
) -> None:
    with pytest.raises(ImageError, match=told) as caught:
        imaging.open(data, frame=9)
    assert caught.value.hint.endswith(hint)


def test_a_frame_of_a_folder_is_refused(tmp_path: Path) -> None:
    for depth in range(2):
        (tmp_path / str(depth)).write_bytes(ct_slice(float(depth)))
    with pytest.raises(ImageError, match="several images"):
        imaging.open(tmp_path, slices="auto", frame=1)


def test_more_frames_than_anybody_looks_at_are_refused() -> None:
    with pytest.raises(ImageError, match="more than 4,096 frames"):
        slice_facts.describe(enhanced(tags={"NumberOfFrames": 4097}))


def test_groups_that_are_missing_for_some_frames_are_refused() -> None:
    groups = [frame_groups(depth) for depth in DEPTHS[:3]]
    with pytest.raises(ImageError, match="The order of the series' slices"):
        read(enhanced(groups=groups))
