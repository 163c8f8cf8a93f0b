"""Each modality's images are prepared by its recipe, and say what was done."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pydicom.uid as uids
import pytest
from PIL import Image
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_modality_lut, apply_voi_lut

from devtools.images.dicom import (
    Pixels,
    dicom,
    elements,
    full_range,
    ramp,
    rgb,
    shown,
    written,
    x_ray,
)
from devtools.images.photos import scene, whole
from edge_med import imaging
from edge_med.errors import ImageError, UsageError
from edge_med.imaging import boxes
from edge_med.imaging.picture_facts import code


@pytest.mark.parametrize("inverted", [False, True])
@pytest.mark.parametrize("bits", [10, 12, 14, 16])
def test_an_x_ray_has_the_greys_that_googles_code_gives_it(bits: int, inverted: bool) -> None:
    pixels = np.random.default_rng(bits).integers(37, 1 << bits, (90, 80)).astype(np.uint16)
    kind = "MONOCHROME1" if inverted else "MONOCHROME2"
    data = dicom(pixels, Modality="DX", BitsStored=bits, PhotometricInterpretation=kind)
    assert (shown(data) == x_ray(pixels, inverted=inverted)).all()


def test_monochrome1_is_inverted_and_its_padding_stays_black() -> None:
    pixels = ramp(12)
    pixels[5, 5] = 4095
    data = dicom(pixels, Modality="CR", PhotometricInterpretation="MONOCHROME1")
    assert (shown(data) == x_ray(pixels, inverted=True)).all()


def test_an_x_ray_of_eight_bits_stays_as_it_is() -> None:
    pixels = (ramp(8) // 2 + 40).astype(np.uint8)
    assert (shown(dicom(pixels, Modality="CR")) == pixels).all()


@pytest.mark.parametrize(("slope", "intercept"), [(1, 0), (0.5, -7), (-2, 300)])
def test_recipe_spreads_a_rescaled_8_bit_x_ray_as_google_does(
    slope: float, intercept: float
) -> None:
    pixels = (ramp(8) // 2 + 40).astype(np.uint8)
    item = elements(pixels, {"Modality": "DX", "RescaleSlope": slope})
    item.RescaleIntercept = intercept
    assert (shown(written(item)) == x_ray(np.asarray(apply_modality_lut(pixels, item)))).all()


def test_half_of_a_rescaling_leaves_an_x_ray_of_eight_bits_as_it_is() -> None:
    pixels = (ramp(8) // 2 + 40).astype(np.uint8)
    assert (shown(dicom(pixels, Modality="DX", RescaleSlope=1)) == pixels).all()


def test_the_window_of_a_chest_x_ray_is_passed_over() -> None:
    pixels = ramp(12)
    narrow = dicom(pixels, Modality="DX", WindowCenter=2000, WindowWidth=100)
    assert (shown(narrow) == x_ray(pixels)).all()


def test_a_modality_lut_is_applied() -> None:
    pixels = ramp(8)
    item = elements(pixels, {})
    table = (np.arange(256)[::-1].astype(np.uint16) ** 2).astype(np.uint16)
    lut = type(item)()
    lut.LUTDescriptor, lut.ModalityLUTType = [256, 0, 16], "US"
    lut.LUTData = table.tobytes()
    lut["LUTData"].VR = "OW"
    item.Modality, item.ModalityLUTSequence = "DX", [lut]
    expected = x_ray(np.asarray(apply_modality_lut(pixels, item)))
    assert (shown(written(item)) == expected).all()


def with_table(pixels: Pixels, bits: int, order: str = "<", **tags: Any) -> bytes:
    """An X-ray with a modality LUT that is no straight line."""
    data, lut = elements(pixels, {"Modality": "DX", **tags}), Dataset()
    entries = 1 << 12
    lut.LUTDescriptor, lut.ModalityLUTType = [entries, 0, bits], "US"
    table = (np.arange(entries) ** 2 * ((1 << bits) - 9) // entries**2).astype(f"{order}u2")
    lut.LUTData = table.tobytes()
    data.ModalityLUTSequence = [lut]
    return written(data, uids.ExplicitVRLittleEndian if order == "<" else uids.ExplicitVRBigEndian)


@pytest.mark.parametrize("bits", [8, 16])
def test_recipe_spreads_lookup_tables_above_8_bits_as_google_does(bits: int) -> None:
    pixels = ramp(12)
    data = with_table(pixels, bits, BitsStored=12)
    theirs = np.asarray(apply_modality_lut(pixels, dcmread(io.BytesIO(data))))
    assert theirs.dtype == f"u{bits // 8}"  # eight bits stay as they are there
    assert (shown(data) == (theirs if bits == 8 else x_ray(theirs))).all()


@pytest.mark.parametrize("bits", [8, 12, 16])
def test_a_table_is_read_in_the_byte_order_of_its_file(bits: int) -> None:
    little = with_table(ramp(12), bits, BitsStored=12)
    big = with_table(ramp(12).byteswap(), bits, ">", BitsStored=12)
    assert (shown(big) == shown(little)).all()


@pytest.mark.parametrize("function", [None, "LINEAR", "LINEAR_EXACT", "SIGMOID"])
def test_a_mammogram_is_shown_by_its_window_as_pydicom_does(function: str | None) -> None:
    pixels = ramp(12)
    tags: dict[str, Any] = {"WindowCenter": [1800, 5], "WindowWidth": [900, 5]}
    if function:
        tags["VOILUTFunction"] = function
    data = elements(pixels, {"Modality": "MG", "BitsStored": 12, **tags})
    reference = np.asarray(apply_voi_lut(pixels, data)) / 4095 * 255
    assert np.abs(shown(written(data)) - reference).max() <= 0.5 + 1e-6


def test_a_mammogram_is_shown_by_its_voi_lut_as_pydicom_does() -> None:
    pixels = ramp(12)
    data = elements(pixels, {"Modality": "MG", "BitsStored": 12})
    lut = type(data)()
    lut.LUTDescriptor = [4096, 0, 12]
    lut.LUTData = np.sqrt(np.arange(4096) * 4095).astype(np.uint16).tobytes()
    lut["LUTData"].VR = "OW"
    data.VOILUTSequence = [lut]
    reference = np.asarray(apply_voi_lut(pixels, data)) / 4095 * 255
    assert np.abs(shown(written(data)) - reference).max() <= 0.5


def test_a_ct_is_shown_in_googles_three_windows() -> None:
    stored = np.arange(0, 4096, dtype=np.int16).reshape(64, 64)
    data = dicom(stored, Modality="CT", RescaleSlope=1, RescaleIntercept=-1024)
    hounsfield = stored.astype(np.float64) - 1024
    for channel, (low, high) in enumerate([(-1024, 1024), (-135, 215), (0, 80)]):
        expected = np.round((np.clip(hounsfield, low, high) - low) / (high - low) * 255)
        assert (rgb(data)[:, :, channel] == expected).all()


@pytest.mark.parametrize(("name", "ends"), [("lung", (-1350, 150)), ("-10:10", (-10, 10))])
def test_other_windows_can_be_chosen(name: str, ends: tuple[int, int]) -> None:
    stored = np.arange(0, 4096, dtype=np.int16).reshape(64, 64)
    data = dicom(stored, Modality="CT", RescaleSlope=1, RescaleIntercept=-1024)
    hounsfield = stored.astype(np.float64) - 1024
    expected = np.rint((np.clip(hounsfield, *ends) - ends[0]) / (ends[1] - ends[0]) * 255)
    assert (rgb(data, windows=name) == expected[:, :, None]).all()


@pytest.mark.parametrize("name", ["", "lungs", "5:5", "9:1", "1:2,3:4", "a:b", "1:2,3:4,5"])
def test_windows_that_there_arent_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match="Unknown CT window"):
        imaging.open(dicom(ramp(12), Modality="CT"), windows=name)


@pytest.mark.parametrize("name", ["RescaleSlope", "RescaleIntercept"])
def test_a_ct_with_half_of_its_rescaling_is_refused(name: str) -> None:
    tags: dict[str, Any] = {name: 1}
    other = {"RescaleSlope": "RescaleIntercept", "RescaleIntercept": "RescaleSlope"}[name]
    with pytest.raises(ImageError, match=f"header has no {other}"):
        imaging.open(dicom(ramp(12), Modality="CT", **tags))


def test_an_mr_spreads_over_its_own_range_if_it_is_alone() -> None:
    pixels = ramp(12)
    assert (shown(dicom(pixels, Modality="MR")) == full_range(pixels)).all()


def test_an_mr_of_eight_bits_spreads_as_well_as_in_googles_code() -> None:
    pixels = (ramp(8) // 4 + 50).astype(np.uint8)
    assert np.array_equal(shown(dicom(pixels, Modality="MR")), full_range(pixels))


def test_rgb_stays_as_it_is() -> None:
    assert (whole(dicom(scene(23, 17), Modality="XC")) == scene(23, 17)).all()


def test_planes_of_colours_are_put_together() -> None:
    planes = np.moveaxis(scene(23, 17), -1, 0)
    data = dicom(
        scene(23, 17), Modality="US", PlanarConfiguration=1, PixelData=planes.tobytes() + b"\0"
    )
    assert (whole(data) == scene(23, 17)).all()


@pytest.mark.parametrize("frame", [1, 2, 3])
def test_one_frame_of_several_is_shown_and_that_is_said(frame: int) -> None:
    frames = np.stack([ramp(12), ramp(11), ramp(10)])
    data = dicom(frames, Modality="XA")
    picture = imaging.open(data, side=31, frame=frame)
    assert f"frame {frame} of 3" in picture.provenance
    assert (shown(data, frame=frame) == full_range(frames[frame - 1])).all()


def test_a_frame_that_there_isnt_is_refused() -> None:
    with pytest.raises(ImageError, match="3 frames"):
        imaging.open(dicom(np.stack([ramp(12)] * 3)), frame=4)


def test_steps_tell_what_was_done() -> None:
    data = dicom(ramp(12), Modality="CR", PhotometricInterpretation="MONOCHROME1")
    assert imaging.open(data, side=8).provenance == (
        "DICOM",
        "full range of the image",
        "MONOCHROME1 inverted",
        "pad to 8 x 8",
    )


def test_what_is_known_of_an_image_comes_from_a_short_list() -> None:
    data = dicom(
        ramp(12),
        Modality="DX",
        BodyPartExamined="CHEST",
        ViewPosition="PA",
        ImageLaterality="L",
        PixelSpacing=[0.2, 0.1],
        PatientName="Doe^Jane",
    )
    about = imaging.open(data, side=8).about
    assert about.prompt_line() == "modality DX, body part CHEST, view PA"
    assert (about.laterality, about.spacing) == ("L", (0.2, 0.1))


@pytest.mark.parametrize("value", ["Doe^Jane", "chest", "1" * 17, "A;B", "<bos>", "A\nB"])
def test_a_code_in_another_form_isnt_told(value: str) -> None:
    assert code(value) is None


@pytest.mark.parametrize(
    ("tags", "likely"),
    [
        ({"Modality": "US"}, True),
        ({"Modality": "US", "BurnedInAnnotation": "NO"}, False),
        ({"Modality": "DX"}, False),
        ({"Modality": "DX", "BurnedInAnnotation": "YES"}, True),
        ({"Modality": "OT", "SOPClassUID": uids.SecondaryCaptureImageStorage}, True),
    ],
)
def test_letters_in_the_pixels_are_expected_where_they_are_likely(
    tags: dict[str, Any], likely: bool
) -> None:
    assert imaging.open(dicom(ramp(12), **tags), side=8).about.burned_in is likely


def test_a_box_comes_back_to_the_pixels_of_the_original() -> None:
    picture = imaging.open(dicom(np.zeros((100, 200), np.uint16), Modality="DX"))
    assert picture.box_to_original((250, 0, 750, 1000)) == (0, 0, 200, 100)


def test_boxes_are_drawn_on_the_whole_x_ray(tmp_path: Path) -> None:
    (tmp_path / "image").write_bytes(dicom(ramp(12), Modality="DX"))
    boxes.save(tmp_path / "image", [boxes.PixelBox("", 2, 3, 20, 15)], tmp_path / "boxes.png")
    with Image.open(tmp_path / "boxes.png") as drawn:
        assert drawn.size == (31, 24)
        assert drawn.getpixel((2, 3)) != drawn.getpixel((1, 2))
        grey = np.asarray(drawn)[20:, :, 0]
    assert (grey == x_ray(ramp(12))[20:]).all()
