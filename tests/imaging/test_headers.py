"""What a header leaves out is read where the standard implies it, and else refused by its tag."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pydicom.uid as uids
import pytest
from pydicom.dataset import Dataset

from devtools.images.dicom import (
    compressed,
    ct_slice,
    dicom,
    elements,
    ramp,
    rgb,
    rle,
    shown,
    written,
    x_ray,
)
from devtools.images.photos import drawn, saved, scene, whole
from edge_med import imaging
from edge_med.errors import ImageError
from edge_med.imaging import picture_notices
from edge_med.imaging.files.sniff import is_dicom

DEEP = ramp(12)


def codes(data: bytes) -> dict[str, str]:
    """What is told of an image, by its code."""
    return {notice.code: notice.text for notice in picture_notices.of(imaging.open(data))}


@pytest.mark.parametrize(
    "syntax", [uids.ExplicitVRLittleEndian, uids.ImplicitVRLittleEndian, uids.ExplicitVRBigEndian]
)
def test_a_file_that_begins_with_group_2_is_read_as_with_its_mark(syntax: str) -> None:
    data = dicom(DEEP if syntax != uids.ExplicitVRBigEndian else DEEP.byteswap(), syntax)
    assert imaging.open(data[132:], side=31) == imaging.open(data, side=31)


def test_what_only_begins_alike_is_no_dicom() -> None:
    assert not is_dicom(b"\x02\x00\x00\x00\x04\x00\x00\x00" + bytes(200))
    assert not is_dicom(b"\x02\x00\x10\x00XX" + bytes(200))


def test_missing_planar_configuration_means_by_pixel_with_a_notice() -> None:
    data = dicom(scene(31, 24), PlanarConfiguration=None)
    assert (whole(data) == scene(31, 24)).all()
    assert "planes" in codes(data)


def test_compressed_colours_without_it_are_read_and_nothing_has_to_be_told() -> None:
    frame = saved(drawn("RGB", 64, 48), "JPEG")
    tags: dict[str, Any] = {
        "PlanarConfiguration": None,
        "PhotometricInterpretation": "YBR_FULL_422",
    }
    data = compressed([frame], scene(64, 48), uids.JPEGBaseline8Bit, **tags)
    assert np.abs(rgb(data).astype(int) - whole(frame)).max() <= 4
    assert "planes" not in codes(data)


IMPLIED: list[dict[str, Any]] = [
    {"HighBit": None},
    {"SamplesPerPixel": None},
    {"PhotometricInterpretation": "monochrome2"},
]


@pytest.mark.parametrize("tags", IMPLIED, ids=str)
def test_what_the_standard_implies_may_be_missing(tags: dict[str, Any]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data = dicom(DEEP, Modality="DX", **{"BitsStored": 12, **tags})
    assert (shown(data) == x_ray(DEEP)).all()


@pytest.mark.parametrize("name", ["SamplesPerPixel", "HighBit"])
@pytest.mark.parametrize("syntax", [uids.RLELossless, uids.ExplicitVRLittleEndian])
def test_it_may_be_missing_where_frames_are_compressed_too(name: str, syntax: str) -> None:
    grey = ramp(8).astype(np.uint8)
    tags: dict[str, Any] = {"Modality": "US", name: None}
    packed = syntax == uids.RLELossless
    data = compressed([rle(grey)], grey, syntax, **tags) if packed else dicom(grey, **tags)
    assert (shown(data) == grey).all()


HIGH: dict[str, Any] = {"HighBit": 15}

MISSING = {
    "Rows": "(0028,0010)",
    "Columns": "(0028,0011)",
    "BitsAllocated": "(0028,0100)",
    "BitsStored": "(0028,0101)",
    "PixelRepresentation": "(0028,0103)",
    "PhotometricInterpretation": "(0028,0004)",
}


@pytest.mark.parametrize("name", MISSING)
def test_what_nothing_implies_is_named_by_its_tag(name: str) -> None:
    with pytest.raises(ImageError) as caught:
        imaging.open(dicom(DEEP, **{**HIGH, name: None}))
    assert caught.value.message == f"The DICOM image's header has no {name} {MISSING[name]}."


CONTRADICTIONS: dict[str, tuple[dict[str, Any], str]] = {
    "a high bit too low": ({"BitsStored": 12, "HighBit": 3}, "HighBit (0028,0102) is 3"),
    "too many bits": ({"BitsStored": 17, "HighBit": 15}, "BitsStored (0028,0101) is 17"),
    "a sign of two": ({"PixelRepresentation": 2}, "PixelRepresentation (0028,0103) is 2"),
    "three samples of grey": ({"SamplesPerPixel": 3}, "SamplesPerPixel (0028,0002) is 3"),
    "a colour nobody has": ({"PhotometricInterpretation": "CMYK"}, "is CMYK"),
    "a colour of Jane's": ({"PhotometricInterpretation": "JANE DOE"}, "is of no known form"),
    "a slope of zero": ({"Modality": "DX", "RescaleSlope": 0}, "RescaleSlope (0028,1053) is 0"),
}


@pytest.mark.parametrize("name", CONTRADICTIONS)
def test_what_contradicts_itself_is_named_with_its_value(name: str) -> None:
    tags, told = CONTRADICTIONS[name]
    with pytest.raises(ImageError) as caught:
        imaging.open(dicom(DEEP, **tags))
    assert told in caught.value.message
    assert "JANE" not in str(caught.value)


def with_items(name: str, item: Dataset, **tags: Any) -> bytes:
    data = elements(DEEP, {"BitsStored": 12, **tags})
    setattr(data, name, [item])
    return written(data)


@pytest.mark.parametrize(
    ("name", "tags"),
    [
        ("ModalityLUTSequence", {"Modality": "DX", "RescaleSlope": 2, "RescaleIntercept": -9}),
        ("VOILUTSequence", {"Modality": "MG", "WindowCenter": 900, "WindowWidth": 700}),
    ],
)
def test_a_table_with_nothing_in_it_is_passed_over(name: str, tags: dict[str, Any]) -> None:
    assert (shown(with_items(name, Dataset(), **tags)) == shown(dicom(DEEP, **tags))).all()


def test_an_empty_table_doesnt_make_an_x_ray_of_eight_bits_a_rescaled_one() -> None:
    pixels = (ramp(8) // 2 + 40).astype(np.uint8)
    data = elements(pixels, {"Modality": "DX"})
    data.ModalityLUTSequence = [Dataset()]
    assert (shown(written(data)) == pixels).all()


@pytest.mark.parametrize("name", ["ModalityLUTSequence", "VOILUTSequence"])
def test_half_of_a_table_is_refused_by_what_is_missing(name: str) -> None:
    item = Dataset()
    item.LUTDescriptor = [4096, 0, 16]
    with pytest.raises(ImageError, match=r"has no LUTData \(0028,3006\)"):
        imaging.open(with_items(name, item, Modality="MG"))


def test_a_palette_without_its_descriptor_is_refused_by_its_name() -> None:
    data = dicom(ramp(8).astype(np.uint8), PhotometricInterpretation="PALETTE COLOR")
    with pytest.raises(ImageError, match="has no RedPaletteColorLookupTableDescriptor"):
        imaging.open(data)


@pytest.mark.parametrize("modality", ["DX", "MG", "CT", "MR"])
def test_white_is_the_least_if_either_element_says_so(modality: str) -> None:
    tags: dict[str, Any] = {"Modality": modality, "BitsStored": 12}
    plain = rgb(dicom(DEEP, **tags))
    for kind, shape, negative in (
        ("MONOCHROME2", "IDENTITY", False),
        ("MONOCHROME1", "INVERSE", True),
        ("MONOCHROME1", "IDENTITY", True),
        ("MONOCHROME2", "INVERSE", True),
    ):
        own = {**tags, "PhotometricInterpretation": kind, "PresentationLUTShape": shape}
        expected = 255 - plain.astype(int) if negative else plain
        # Google's code cuts an X-ray off before it rounds it: one level either way.
        assert np.abs(rgb(dicom(DEEP, **own)).astype(int) - expected).max() <= 1


@pytest.mark.parametrize(
    ("kind", "shape", "told"),
    [
        ("MONOCHROME2", "IDENTITY", False),
        ("MONOCHROME1", "INVERSE", False),
        ("MONOCHROME1", "IDENTITY", True),
        ("MONOCHROME2", "INVERSE", True),
    ],
)
def test_where_they_contradict_each_other_that_is_told(kind: str, shape: str, told: bool) -> None:
    data = dicom(DEEP, PhotometricInterpretation=kind, PresentationLUTShape=shape)
    assert ("negative" in codes(data)) == told
    assert shape in codes(data).get("negative", shape)


def test_fractions_in_place_of_pixels_are_named() -> None:
    data = elements(DEEP, {})
    del data.PixelData
    data.FloatPixelData = np.zeros((24, 31), np.float32).tobytes()
    data.PixelData = b""  # for `written`, which says its kind; it comes behind
    with pytest.raises(ImageError, match=r"fractions .FloatPixelData., which aren't read"):
        imaging.open(written(data))


def test_a_modality_in_small_letters_is_the_same() -> None:
    data = ct_slice(0.0)
    small = data.replace(b"\x08\x00\x60\x00CS\x02\x00CT", b"\x08\x00\x60\x00CS\x02\x00ct")
    assert small != data
    picture = imaging.open(small)
    assert picture == imaging.open(data)
    assert picture.about.modality == "CT"
