"""Names planted in every tag and file name: none is in a prompt, an error, a log or a file."""

from __future__ import annotations

import logging
import pickle  # noqa: TID251 - to show what would come out
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.datadict import dictionary_VR, keyword_for_tag
from pydicom.dataset import Dataset

from devtools.images.dicom import ct_slice, dicom, elements, ramp, written
from edge_med import imaging
from edge_med.errors import EdgeMedError
from edge_med.imaging import fit
from edge_med.messages import as_messages
from tests.cli.conftest import Run
from tests.cli.conftest import edge_med as edge_med  # noqa: PLC0414 - a fixture

pytestmark = pytest.mark.filterwarnings("ignore:Invalid value for VR")

CANARY = "ZANZIBAR"
"""A name that fits into every kind of text, and stands nowhere else."""

TEXTS = {
    "PN": f"{CANARY}^Jane",
    "LO": CANARY,
    "SH": CANARY,
    "ST": CANARY,
    "LT": CANARY,
    "UT": CANARY,
    "UC": CANARY,
    "CS": f"{CANARY}.",
    "AE": CANARY,
}
"""By DICOM's kind of value; the full stop makes a code one that can't be told."""

TAGS = [
    "AccessionNumber",
    "AcquisitionComments",
    "AdditionalPatientHistory",
    "AdmittingDiagnosesDescription",
    "BodyPartExamined",
    "ClinicalTrialSponsorName",
    "CurrentPatientLocation",
    "DerivationDescription",
    "ImageComments",
    "ImageLaterality",
    "InstitutionAddress",
    "InstitutionName",
    "InstitutionalDepartmentName",
    "IssuerOfPatientID",
    "Laterality",
    "MedicalAlerts",
    "Occupation",
    "OperatorsName",
    "OtherPatientIDs",
    "OtherPatientNames",
    "PatientAddress",
    "PatientBirthName",
    "PatientComments",
    "PatientID",
    "PatientMotherBirthName",
    "PatientName",
    "PerformingPhysicianName",
    "PerformedProcedureStepDescription",
    "PhysiciansOfRecord",
    "ProtocolName",
    "ReferringPhysicianName",
    "RequestedProcedureDescription",
    "RequestingPhysician",
    "ResponsiblePerson",
    "SeriesDescription",
    "StationName",
    "StudyDescription",
    "StudyID",
    "ViewPosition",
]


def planted(tag: str) -> bytes:
    """A sound image with the name in one tag."""
    return dicom(ramp(12), Modality="DX", **{tag: TEXTS[dictionary_VR(tag)]})


def everywhere() -> Dataset:
    """The elements of an image with the name in all of them, and in a private one."""
    data = elements(ramp(12), {"Modality": "DX"})
    for tag in TAGS:
        setattr(data, tag, TEXTS[dictionary_VR(tag)])
    block = data.private_block(0x0011, CANARY, create=True)
    block.add_new(0x01, "LO", CANARY)
    return data


def assert_silent(*texts: object) -> None:
    for text in texts:
        assert CANARY not in repr(text)


@pytest.mark.parametrize("tag", TAGS)
def test_a_name_in_a_tag_never_comes_out(tag: str) -> None:
    data = planted(tag)
    picture = imaging.open(data, side=8)
    messages = as_messages("What is this?", images=[data], side=8)
    assert_silent(picture, picture.about, picture.about.prompt_line(), picture.png(), messages)


def broken() -> Iterator[tuple[str, Callable[[Dataset], bytes]]]:
    """Ways in which a file can be refused, the name in all of its tags."""
    yield "cut off", lambda data: written(data)[:-100]
    yield "in the middle", lambda data: written(data)[:700]
    yield "no image", lambda data: _changed(data, Modality="SR")
    yield "too large", lambda data: _changed(data, Rows=65535, Columns=65535)
    yield "bits", lambda data: _changed(data, BitsAllocated=32)
    yield "colours", lambda data: _changed(data, PhotometricInterpretation=CANARY)
    yield "frames", lambda data: _changed(data, NumberOfFrames=3)
    yield "palette", lambda data: _changed(data, PhotometricInterpretation="PALETTE COLOR")
    yield "slope", lambda data: _changed(data, RescaleSlope=0)
    yield "samples", lambda data: _changed(data, SamplesPerPixel=3)
    yield "high bit", lambda data: _changed(data, HighBit=3)
    yield "table", lambda data: _changed(data, ModalityLUTSequence=[_half_a_table()])
    yield "group 2 first", lambda data: written(data)[132:-100]
    yield (
        "syntax",
        lambda data: written(data).replace(b"1.2.840.10008.1.2.1\0", b"1.2.3.4.5.6.7.8.9.10"),
    )


def _half_a_table() -> Dataset:
    item = Dataset()
    item.LUTDescriptor, item.LUTExplanation = [16, 0, 16], CANARY
    return item


def _changed(data: Dataset, **tags: Any) -> bytes:
    for name, value in tags.items():
        setattr(data, name, value)
    return written(data)


def test_what_contradicts_itself_is_told_without_what_stands_there() -> None:
    data = everywhere()
    data.PresentationLUTShape, data.PhotometricInterpretation = f"{CANARY}.", "MONOCHROME1"
    picture = imaging.open(written(data), side=8)
    assert_silent(picture, picture.notices, picture.provenance)


@pytest.mark.parametrize(("name", "make"), [*broken()], ids=lambda value: str(value)[:9])
def test_an_error_tells_nothing_of_the_file(
    name: str,
    make: Callable[[Dataset], bytes],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / f"{CANARY}.dcm"
    path.write_bytes(make(everywhere()))
    caplog.clear()  # of what pydicom says of the names while it writes them
    with caplog.at_level(logging.DEBUG), pytest.raises(EdgeMedError) as caught:
        imaging.open(path, side=8)
    assert_silent(caught.value.message, caught.value.hint, caplog.text, capfd.readouterr())


@pytest.mark.parametrize("given", ["missing", "folder", "zip"])
def test_an_error_never_names_what_was_given(given: str, tmp_path: Path) -> None:
    path = tmp_path / CANARY
    if given == "folder":
        path.mkdir()
        (path / CANARY).write_text(CANARY)
        (path / f"{CANARY}2").write_text(CANARY)
    if given == "zip":
        path.write_bytes(b"PK\x03\x04" + CANARY.encode())
    with pytest.raises(EdgeMedError) as caught:
        imaging.open(path, side=8, slices="auto")
    assert_silent(caught.value.message, caught.value.hint)


@pytest.mark.parametrize("side", [8, 40])
def test_a_study_tells_nothing_of_its_files(side: int, tmp_path: Path) -> None:
    for depth in range(3):
        tags = {tag: TEXTS[dictionary_VR(tag)] for tag in TAGS}
        (tmp_path / f"{CANARY}{depth}").write_bytes(ct_slice(float(depth), **tags))
    (tmp_path / f"{CANARY}.txt").write_text(CANARY)
    study = imaging.open(tmp_path, side=side, slices="auto")
    assert isinstance(study, imaging.Study)
    assert_silent(study, study.pictures, study.content(), study.about, study.notices)
    assert_silent(str(study.pictures), pickle.dumps(study.pictures))


def test_slices_that_cant_be_fitted_tell_nothing_of_their_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for depth in range(3):
        data = ct_slice(float(depth), PatientName=CANARY, SeriesDescription=CANARY)
        (tmp_path / f"{CANARY}{depth}").write_bytes(data)
    study = imaging.open(tmp_path, side=40, slices="auto")

    def full(_image: object, _side: int) -> None:
        raise MemoryError

    monkeypatch.setitem(fit.FITS, "pad", full)
    assert isinstance(study, imaging.Study)
    with pytest.raises(MemoryError) as caught:
        study.content()
    assert_silent(*traceback.format_exception(caught.value))


Command = Callable[..., Run]


@pytest.mark.parametrize("flags", [(), ("--json",), ("--save", "seen.png")])
def test_view_tells_and_saves_nothing_of_the_file(
    flags: tuple[str, ...], edge_med: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "in").mkdir()
    path = tmp_path / "in" / f"{CANARY}.dcm"
    path.write_bytes(written(everywhere()))
    monkeypatch.chdir(tmp_path)
    run = edge_med("view", path, *flags)
    assert run.code == 0
    assert_silent(run.out, run.err)
    others = [file for file in tmp_path.iterdir() if file.name != "in"]
    assert [file.name for file in others] == ["seen.png"] * ("--save" in flags)
    assert_silent(*(file.read_bytes() for file in others))


def test_what_view_saves_is_for_its_owner_alone(edge_med: Command, tmp_path: Path) -> None:
    path = tmp_path / "image"
    path.write_bytes(written(everywhere()))
    edge_med("view", path, "--save", tmp_path / "seen.png")
    assert (tmp_path / "seen.png").stat().st_mode & 0o777 == 0o600


def test_the_canary_can_be_planted_in_each_of_these_tags() -> None:
    data = everywhere()
    assert all(CANARY in str(data[tag].value) for tag in TAGS)
    assert len({keyword_for_tag(data[tag].tag) for tag in TAGS}) == len(TAGS)


def test_pixels_dont_depend_on_other_tags() -> None:
    plain = imaging.open(dicom(ramp(12), Modality="DX"), side=8)
    assert (imaging.open(written(everywhere()), side=8).pixels == plain.pixels).all()
    assert np.asarray(plain.pixels).any()
