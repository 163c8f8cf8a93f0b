"""What the user is told of a picture: that there is nothing to see, and what was chosen."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from devtools.images.dicom import dicom, elements, ramp, written
from devtools.images.photos import drawn, jpeg_segment, saved, scene
from edge_med import imaging
from edge_med.config import Fit
from edge_med.imaging import picture_notices
from edge_med.imaging.picture import Picture

Grey = npt.NDArray[np.uint8]


def codes(source: Any, **how: Any) -> list[str]:
    return [notice.code for notice in picture_notices.of(imaging.open(source, side=224, **how))]


def grey(width: int, height: int, level: int = 0) -> Grey:
    return np.full((height, width), level, np.uint8)


FITS: tuple[Fit, ...] = ("pad", "stretch")


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize(
    "source",
    [
        grey(1024, 1024),
        grey(640, 480, 255),
        grey(480, 641, 99),
        np.full((300, 400, 3), (200, 3, 90), np.uint8),
        saved(Image.fromarray(grey(500, 300, 77)), "JPEG"),
        saved(Image.fromarray(grey(500, 300).astype(np.uint16) + np.uint16(900)), "PNG"),
        dicom(np.zeros((300, 200), np.uint16), Modality="DX"),
        dicom(np.full((300, 200), 5, np.uint16), Modality="MG"),
    ],
    ids=["black", "white", "grey", "colour", "JPEG", "16 bits", "X-ray", "mammogram"],
)
def test_one_grey_is_nothing_to_see(source: Any, fit: Fit) -> None:
    assert picture_notices.ONE_GREY.code in codes(source, fit=fit)


def test_a_ct_that_lies_outside_of_its_windows_is_nothing_to_see() -> None:
    air = np.full((64, 64), -1000, np.int16) + 12 * np.arange(64, dtype=np.int16)
    data = dicom(air, Modality="CT", RescaleSlope=1, RescaleIntercept=0)
    assert codes(data, windows="brain") == ["one_grey"]
    assert codes(data) == []


@settings(max_examples=60)
@given(
    st.integers(1, 900),
    st.integers(1, 900),
    st.integers(0, 255),
    st.sampled_from(FITS),
    st.sampled_from([7, 56, 224]),
)
def test_one_grey_is_found_in_every_shape(
    width: int, height: int, level: int, fit: Fit, side: int
) -> None:
    picture = imaging.open(grey(width, height, level), fit=fit, side=side)
    assert picture_notices.ONE_GREY in [*picture_notices.of(picture)]


def test_a_dead_pixel_is_nothing_to_see() -> None:
    pixels = grey(2000, 1500)
    pixels[700, 900] = 255
    assert codes(pixels) == ["one_grey"]


@pytest.mark.parametrize(
    "drawing",
    [
        (slice(500, 600), slice(700, 760)),
        (slice(0, 1000), slice(0, 9)),
        (slice(990, 1000), slice(0, 1000)),
    ],
    ids=["a dot", "an edge", "the lower edge"],
)
def test_something_small_is_something_to_see(drawing: tuple[slice, slice]) -> None:
    pixels = grey(1000, 1000)
    pixels[drawing] = 200
    assert codes(pixels) == ["narrow"]  # two greys, though


def faint(levels: int, low: int = 0) -> Grey:
    """A picture of so many neighbouring greys, from left to right."""
    return grey(400, 400, low) + (np.arange(400) * levels // 400).astype(np.uint8)


@pytest.mark.parametrize(
    ("levels", "told"), [(8, ["few_greys"]), (16, ["few_greys"]), (18, ["narrow"]), (27, [])]
)
@pytest.mark.parametrize("low", [0, 90, 230])
def test_a_faint_picture_is_told_by_its_greys(levels: int, told: list[str], low: int) -> None:
    assert codes(faint(levels, low)) == told


def test_where_almost_all_pixels_lie_is_said() -> None:
    (notice,) = picture_notices.of(imaging.open(faint(12), side=224))
    assert notice.text.startswith("Almost all pixels of the image lie between grey 0 and 15 of 255")


def marked(pixels: npt.NDArray[Any], white: int) -> npt.NDArray[Any]:
    """With a hot pixel, and a marker of 8 x 8."""
    pixels[7, 5] = pixels[200:208, 200:208] = white
    return pixels


TWELVE_BITS = np.add.outer(np.arange(300), np.arange(300)).astype(np.uint16) * np.uint16(6)


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize(
    "source",
    [
        saved(Image.fromarray(marked(TWELVE_BITS.copy(), 65_535)), "PNG"),
        marked(TWELVE_BITS.copy(), 65_535),
        marked((TWELVE_BITS // 256).astype(np.uint8), 255),
        dicom(marked(TWELVE_BITS.copy(), 65_535), Modality="DX"),
    ],
    ids=["16 bits", "array", "8 bits", "X-ray"],
)
def test_a_marker_that_makes_all_else_black_is_told(source: Any, fit: Fit) -> None:
    assert "few_greys" in codes(source, fit=fit)


def test_twelve_bits_without_a_marker_are_fine() -> None:
    assert codes(TWELVE_BITS) == ["own_range"]


@settings(max_examples=60)
@given(st.integers(1, 40), st.integers(0, 215), st.integers(0, 89), st.sampled_from(FITS))
def test_greys_are_few_wherever_they_lie(levels: int, low: int, others: int, fit: Fit) -> None:
    pixels = faint(levels, low)
    pixels.reshape(-1)[: others * 1000 : 1000] = 255 - low
    picture = Picture(np.dstack([pixels] * 3), (400, 400), fit, ())
    found = {notice.code for notice in picture_notices.of(picture)}
    wanted = {"one_grey", "few_greys"} if levels <= 16 else {"narrow"} if levels <= 24 else set()
    assert found <= wanted
    assert bool(found) is bool(wanted)


@pytest.mark.parametrize(
    ("size", "few"),
    [
        ((10, 10), True),
        ((199, 200), True),
        ((20, 3000), True),
        ((200, 200), False),
        ((224, 224), False),
    ],
)
def test_few_pixels_are_told_with_their_number(size: tuple[int, int], *, few: bool) -> None:
    told = [n.text for n in picture_notices.of(imaging.open(scene(*size), side=32))]
    assert any(f"only {size[0]} x {size[1]} pixels" in text for text in told) is few


@pytest.mark.parametrize("modality", ["CT", "MR", "NM", "PT"])
def test_where_few_pixels_are_usual_nothing_is_said(modality: str) -> None:
    assert "few_pixels" not in codes(dicom(ramp(12), Modality=modality))
    assert "few_pixels" in codes(dicom(ramp(12), Modality="DX"))


MOSAIC: dict[str, Any] = {
    "Modality": "MR",
    "ImageType": ["ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC"],
}


def test_picture_of_slices_side_by_side_has_a_notice_with_their_number() -> None:
    data = elements(ramp(12), MOSAIC)
    data.private_block(0x0019, "SIEMENS MR HEADER", create=True).add_new(0x0A, "US", 60)
    (text,) = (
        n.text
        for n in picture_notices.of(imaging.open(written(data), side=32))
        if n.code == "mosaic"
    )
    assert "a mosaic of 60 slices" in text
    assert codes(dicom(ramp(12), **MOSAIC)) == ["mosaic"]


def test_frames_that_were_a_mosaic_once_are_none() -> None:
    frames = np.stack([ramp(12)] * 3)
    assert "mosaic" not in codes(dicom(frames, **MOSAIC), frame=2)


@pytest.mark.parametrize(
    ("source", "how", "told"),
    [
        (saved(drawn("RGBA"), "PNG"), {}, "Transparent parts of the image are white."),
        (saved(drawn("RGBA"), "PNG"), {"fit": "stretch"}, "transparency is ignored"),
        (
            scene(9, 9)[:, :, 0].astype(np.uint16) * 9,
            {},
            "its own range, as X-rays in DICOM are shown",
        ),
        (
            saved(drawn("RGB"), "JPEG")[:2]
            + jpeg_segment(0xE1, b"Exif\0\0II*\0\xff\xff\xff\xff")
            + saved(drawn("RGB"), "JPEG")[2:],
            {},
            "may lie on its side",
        ),
    ],
    ids=["alpha", "alpha, stretched", "16 bits", "damaged EXIF"],
)
def test_what_was_chosen_is_told(source: Any, how: dict[str, Any], told: str) -> None:
    assert any(told in notice for notice in imaging.open(source, **how).notices)


def plain(shade: int) -> Picture:
    return imaging.open(grey(300, 300, shade), side=32)


def several(*pictures: Picture) -> Iterator[tuple[str, str]]:
    for notice in picture_notices.among(pictures):
        yield notice.code, notice.text.partition(":")[0]


def test_of_several_the_numbers_of_those_that_it_is_said_of_are_told() -> None:
    fine = imaging.open(scene(300, 300), side=32)
    pictures = (plain(0), fine, plain(9), plain(8), fine, imaging.open(scene(9, 9), side=32))
    assert [*several(*pictures)] == [("one_grey", "Images 1, 3-4"), ("few_pixels", "Image 6")]


def test_of_one_no_number_is_told() -> None:
    assert [*picture_notices.among([plain(0)])] == [picture_notices.ONE_GREY]


def test_frames_of_a_volume_arent_told_one_by_one() -> None:
    frames = [
        Picture(scene(32, 32), (300, 300), "pad", (f"frame {n} of 9",), imaging.About("MR"))
        for n in (1, 2)
    ]
    assert [*several(*frames)] == []
    assert [*several(frames[0])] == [("one_of_several", "The image's file holds several pictures")]


def test_a_series_is_doubted_only_if_all_of_its_slices_are() -> None:
    fine = imaging.open(scene(300, 300), side=32)
    assert picture_notices.doubt([plain(0), fine]) is None
    assert picture_notices.doubt([plain(0), plain(1)]) == picture_notices.ONE_GREY
    assert picture_notices.doubt([fine]) is None


def test_every_code_is_listed() -> None:
    assert picture_notices.DOUBTFUL < picture_notices.CODES
    assert "burned_in" in picture_notices.CODES


def labelled(content: int, label: int, size: int = 60) -> Grey:
    """A picture of some dark greys, and a bright square in a corner."""
    picture = np.random.default_rng(1).integers(0, content, (600, 600)).astype(np.uint16)
    picture[20 : 20 + size, 20 : 20 + size] = label
    return picture  # type: ignore[return-value]


def written_on(*texts: str) -> Image.Image:
    """White letters on black."""
    from PIL import ImageDraw

    image = Image.new("L", (1024, 1024))
    for number, text in enumerate(texts):
        ImageDraw.Draw(image).text((40, 60 + 80 * number), text, fill=255, font_size=48)
    return image


def framed() -> Grey:
    frame = grey(600, 600, 255)
    frame[20:-20, 20:-20] = 3
    return frame


@pytest.mark.parametrize(
    "source",
    [
        Image.fromarray(labelled(4096, 65535)),
        Image.fromarray(labelled(12, 255, 80).astype(np.uint8)),
        written_on("ANNA EXAMPLE 1970", "CHEST PA 120 kV"),
        Image.fromarray(framed()),
        dicom(labelled(4096, 65535), Modality="DX", BitsStored=16, HighBit=15),
    ],
    ids=["a label", "8 bits", "letters", "a frame", "an X-ray"],
)
def test_letters_and_markers_on_black_are_told(source: Any) -> None:
    assert {"narrow", "few_greys"} & set(codes(source))


def lit(width: float) -> Image.Image:
    """A shaded disc on black, as wide as that share of the picture."""
    y, x = np.mgrid[-1:1:600j, -1:1:600j]
    shade = np.clip(1 - np.hypot(x, y) / width, 0, 1) * 200
    return Image.fromarray(shade.astype(np.uint8))


@pytest.mark.parametrize(
    "source", [lit(0.2), lit(0.8), scene(600, 500)], ids=["small", "large", "a scene"]
)
def test_a_shaded_picture_on_black_is_a_picture(source: Any) -> None:
    assert codes(source) == []
