"""A photo is upright, whichever way the camera was held."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from devtools.images.photos import (
    SAID_OTHERWISE,
    Pixels,
    chunk,
    drawn,
    exif,
    grey_tiff,
    jpeg_segment,
    png,
    saved,
    scene,
    tiff,
    whole,
    xmp,
)
from edge_med import imaging

UPRIGHT: dict[int, Callable[[Pixels], Pixels]] = {
    1: lambda stored: stored,
    2: lambda stored: stored[:, ::-1],
    3: lambda stored: stored[::-1, ::-1],
    4: lambda stored: stored[::-1],
    5: lambda stored: stored.swapaxes(0, 1),
    6: lambda stored: stored.swapaxes(0, 1)[:, ::-1],
    7: lambda stored: stored[::-1, ::-1].swapaxes(0, 1),
    8: lambda stored: stored.swapaxes(0, 1)[::-1],
}
"""What EXIF's numbers mean: 6, for one, has its right side in the first row (Exif 2.32)."""

STORED = scene(23, 17)
LOSSLESS: dict[str, Callable[[int], Any]] = {
    "PNG": lambda number: saved(drawn("RGB"), "PNG", exif=exif(number)),
    "WebP": lambda number: saved(drawn("RGB"), "WEBP", lossless=True, exif=exif(number)),
    "TIFF": lambda number: saved(drawn("RGB"), "TIFF", exif=exif(number)),
    "TIFF LZW": lambda number: saved(
        drawn("RGB"), "TIFF", exif=exif(number), compression="tiff_lzw"
    ),
    "Pillow": lambda number: Image.open(io.BytesIO(saved(drawn("RGB"), "PNG", exif=exif(number)))),
}


@pytest.mark.parametrize("number", UPRIGHT)
@pytest.mark.parametrize("form", LOSSLESS)
def test_every_orientation_is_turned_upright(form: str, number: int) -> None:
    source = LOSSLESS[form](number)
    assert np.array_equal(whole(source), UPRIGHT[number](STORED))


@pytest.mark.parametrize("number", [1, 3, 6])
@pytest.mark.parametrize("form", SAID_OTHERWISE)
def test_other_words_for_it_count_where_there_is_no_exif(form: str, number: int) -> None:
    stored = whole(SAID_OTHERWISE[form](1))
    assert np.array_equal(whole(SAID_OTHERWISE[form](number)), UPRIGHT[number](stored))


@pytest.mark.parametrize("form", SAID_OTHERWISE)
def test_they_count_in_images_of_pillows_as_well(form: str) -> None:
    given = Image.open(io.BytesIO(SAID_OTHERWISE[form](6)))
    assert imaging.open(given) == imaging.open(SAID_OTHERWISE[form](6))


def test_exif_comes_first() -> None:
    both = saved(drawn("RGB"), "PNG", exif=exif(3), pnginfo=PngInfo())
    data = both.replace(chunk(b"IEND", b""), chunk(b"tEXt", b"XML:com.adobe.xmp\0" + xmp(6)))
    assert np.array_equal(whole(data + chunk(b"IEND", b"")), UPRIGHT[3](STORED))


@pytest.mark.parametrize(
    "text",
    [b"", b"\0", b"\x01\0\0\0nothing", b"\0\0", bytes(40)],
    ids=["empty", "a flag", "not packed", "cut off", "zeros"],
)
def test_texts_that_are_damaged_turn_nothing(text: bytes) -> None:
    texts = [
        chunk(kind, key + b"\0" + text)
        for kind in (b"tEXt", b"zTXt", b"iTXt")
        for key in (b"XML:com.adobe.xmp", b"Raw profile type exif")
    ]
    assert imaging.open(png(8, 0, (2, 1), [b"\1\2"], *texts)).original_size == (2, 1)


@pytest.mark.parametrize("number", UPRIGHT)
def test_a_jpeg_is_decoded_first_and_then_turned(number: int) -> None:
    stored = whole(saved(drawn("RGB"), "JPEG"))
    turned = whole(saved(drawn("RGB"), "JPEG", exif=exif(number)))
    assert np.array_equal(turned, UPRIGHT[number](stored))


def test_the_turn_is_in_the_provenance() -> None:
    picture = imaging.open(LOSSLESS["PNG"](6))
    assert picture.provenance[1] == "turned by EXIF orientation 6"


def test_the_original_size_is_that_of_the_upright_photo() -> None:
    assert imaging.open(LOSSLESS["PNG"](6)).original_size == (17, 23)


def test_16_bits_of_grey_are_turned_as_well() -> None:
    levels = np.array([[0, 257], [514, 771]], ">u2")
    block = chunk(b"eXIf", exif(6).removeprefix(b"Exif\x00\x00"))
    source = png(16, 0, (2, 2), [row.tobytes() for row in levels], block)
    assert whole(source)[:, :, 0].tolist() == [[170, 0], [255, 85]]


def test_an_image_that_pillow_has_turned_already_is_not_turned_again() -> None:
    turned = Image.open(io.BytesIO(LOSSLESS["TIFF"](6)))
    turned.load()
    assert np.array_equal(whole(turned), UPRIGHT[6](STORED))


@pytest.mark.parametrize("number", [0, 9, 65_535])
def test_a_number_without_a_meaning_turns_nothing(number: int) -> None:
    tags = {**grey_tiff(2, 1, 8), 274: number}
    assert whole(tiff(tags, b"\x01\x02"))[:, :, 0].tolist() == [[1, 2]]


BLOCK = exif(6).removeprefix(b"Exif\x00\x00")
DAMAGED = {
    "empty": b"",
    "no place of a directory": BLOCK[:6],
    "directory outside": BLOCK[:4] + b"\xff\xff\xff\xff" + BLOCK[8:],
    "cut off": BLOCK[:20],
    "no TIFF": b"XX" + BLOCK[2:],
    "no such type": BLOCK.replace(b"\x01\x12\x00\x03", b"\x01\x12\x00\x63"),
    "no value": BLOCK.replace(b"\x00\x00\x00\x01", bytes(4)),
    "2^32 values": BLOCK.replace(b"\x00\x00\x00\x01", b"\xff\xff\xff\xff"),
}


def jpeg_with(block: bytes) -> bytes:
    photo = saved(drawn("RGB"), "JPEG")
    return photo[:2] + jpeg_segment(0xE1, b"Exif\x00\x00" + block) + photo[2:]


def test_an_exif_block_may_begin_with_its_name_twice() -> None:
    assert imaging.open(jpeg_with(b"Exif\x00\x00" + BLOCK)) == imaging.open(jpeg_with(BLOCK))


@pytest.mark.parametrize("block", DAMAGED)
def test_a_photo_whose_exif_cannot_be_read_is_not_turned_and_says_so(block: str) -> None:
    assert DAMAGED[block] != BLOCK
    picture = imaging.open(jpeg_with(DAMAGED[block]))
    assert picture == imaging.open(saved(drawn("RGB"), "JPEG"))
    assert picture.provenance[1] == "not turned, since its EXIF block can't be read"
