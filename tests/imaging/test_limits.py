"""What is refused, and why: too large, cut off, damaged, several pictures, another format."""

from __future__ import annotations

import io
import struct
import time
import zlib

import numpy as np
import pytest
from PIL import Image, ImageFile
from PIL.PngImagePlugin import PngImageFile

from devtools.images.photos import (
    FILES,
    chunk,
    drawn,
    exif,
    grey_tiff,
    jpeg_segment,
    png,
    saved,
    scene,
    tiff,
)
from edge_med import imaging
from edge_med.errors import ImageError
from edge_med.imaging import file_limits
from edge_med.imaging.photo import strip
from edge_med.imaging.photo.photo import decode


def resized_png(width: int, height: int) -> bytes:
    """A PNG of a few bytes that claims to be large."""
    return png(8, 0, (width, height), [bytes(10)])


def resized_jpeg(width: int, height: int) -> bytes:
    data = FILES["JPEG L"]
    place = data.index(b"\xff\xc0") + 5
    return data[:place] + struct.pack(">HH", height, width) + data[place + 4 :]


def resized_bmp(width: int, height: int) -> bytes:
    return FILES["BMP L"][:18] + struct.pack("<II", width, height) + FILES["BMP L"][26:]


def resized_webp(width: int, height: int) -> bytes:
    """An extended WebP's canvas; its sides are stored less one, in three bytes each."""
    data = saved(drawn("RGB"), "WEBP", exif=exif(1))
    sides = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return data[:24] + sides + data[30:]


def resized_avif(width: int, height: int) -> bytes:
    """An AVIF whose property of size has other numbers."""
    place = FILES["AVIF RGB"].index(b"ispe") + 8
    sides = struct.pack(">II", width, height)
    return FILES["AVIF RGB"][:place] + sides + FILES["AVIF RGB"][place + 8 :]


def resized_jpeg2000(name: str, width: int, height: int) -> bytes:
    place = FILES[name].index(b"\xff\x4f\xff\x51") + 8
    return FILES[name][:place] + struct.pack(">II", width, height) + FILES[name][place + 8 :]


BOMBS = {
    "PNG of the most pixels": resized_png(2**31 - 1, 2**31 - 1),
    "PNG of too many pixels": resized_png(9_460, 9_460),
    "PNG too long": resized_png(20_001, 1),
    "JPEG": resized_jpeg(65_500, 65_500),
    "WebP": resized_webp(16_384, 16_384),
    "TIFF": tiff(grey_tiff(60_000, 60_000, 8), bytes(9)),
    "TIFF whose tiles are too large": tiff(
        {**grey_tiff(4, 4, 8), 322: 46_000, 323: 46_000, 324: 8, 325: 9}
    ),
    "BMP": resized_bmp(50_000, 50_000),
    "AVIF": resized_avif(20_001, 9),
    "JPEG 2000": resized_jpeg2000("JPEG-2000 RGB", 50_000, 40_000),
    "JPEG 2000, bare": resized_jpeg2000("JPEG-2000 RGB, bare", 50_000, 40_000),
    "GIF": FILES["GIF P"][:6] + b"\xff\xff\xff\xff" + FILES["GIF P"][10:],
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_by_what_its_header_says(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("PIL.Image.core.new", None)  # room for pixels would be made by this
    with pytest.raises(ImageError, match="pixels"):
        decode(BOMBS[name])


def test_an_image_of_pillows_that_is_a_bomb_is_refused_as_well() -> None:
    image = PngImageFile(io.BytesIO(resized_png(9_500, 9_500)))
    with pytest.raises(ImageError, match="9500 x 9500 pixels"):
        imaging.open(image)


def test_an_array_that_is_too_large_is_refused() -> None:
    with pytest.raises(ImageError, match="20001 x 1 pixels"):
        imaging.open(np.zeros((1, 20_001), np.uint8))


def test_the_size_is_refused_with_its_numbers_and_the_limits() -> None:
    with pytest.raises(ImageError, match="20001 x 1 pixels") as caught:
        imaging.open(resized_png(20_001, 1))
    assert "20,000" in caught.value.hint
    assert "89 megapixels" in caught.value.hint


def test_the_longest_strip_is_taken() -> None:
    assert imaging.open(scene(20_000, 2), side=64).original_size == (20_000, 2)
    assert imaging.open(scene(2, 20_000), side=64).original_size == (2, 20_000)


def test_the_limit_does_not_depend_on_pillows_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    for bomb in BOMBS.values():
        with pytest.raises(ImageError, match="pixels"):
            decode(bomb)


def test_a_large_file_is_refused_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_limits, "MAX_BYTES", 1000)
    with pytest.raises(ImageError, match="more than"):
        imaging.open(bytes(1001))


def test_a_chunk_that_inflates_to_a_gigabyte_is_left_behind() -> None:
    bomb = chunk(b"zTXt", b"Comment\x00\x00" + zlib.compress(bytes(1 << 24), 9))
    profile = chunk(b"iCCP", b"sRGB\x00\x00" + zlib.compress(bytes(1 << 24), 9))
    source = png(8, 0, (1, 1), [b"\x07"], bomb, profile)
    assert imaging.open(source) == imaging.open(png(8, 0, (1, 1), [b"\x07"]))


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_cut_off_is_refused_unless_it_has_all_pixels(name: str) -> None:
    data, whole = FILES[name], decode(FILES[name])
    kept = 0
    for length in range(len(data) - 1, -1, -1 - len(data) // 200):
        try:
            assert decode(data[:length]).image == whole.image
            kept += 1
        except ImageError:
            continue
    assert kept <= (1 if name.startswith("BMP") else 0)  # BMP fills up its last row


def test_pillows_setting_for_cut_off_files_is_no_way_around(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    with pytest.raises(ImageError, match="can't be decoded"):
        imaging.open(FILES["BMP L"][:-100])


def test_every_single_flipped_bit_of_a_png_is_noticed() -> None:
    data = FILES["PNG L"]
    for place in range(8, len(data)):
        flipped = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
        with pytest.raises(ImageError):
            decode(flipped)


def first() -> Image.Image:
    return drawn("RGB")


def second() -> Image.Image:
    return drawn("RGB").transpose(Image.Transpose.ROTATE_180)


@pytest.mark.parametrize("form", ["PNG", "WebP", "TIFF"])
def test_a_file_of_several_pictures_is_refused(form: str) -> None:
    data = saved(first(), form.upper(), save_all=True, append_images=[second()])
    with pytest.raises(ImageError, match=f"{form} image holds several pictures"):
        imaging.open(data)


def test_jpeg_with_previews_opens_the_photo_with_a_notice() -> None:
    data = saved(first(), "MPO", save_all=True, append_images=[second()])
    picture = imaging.open(data)
    assert picture == imaging.open(saved(first(), "JPEG"))
    assert picture.provenance[:2] == ("JPEG", "the first of several pictures")


def test_what_a_camera_puts_behind_a_jpeg_is_left_alone() -> None:
    data = FILES["JPEG RGB"]
    assert imaging.open(data + b"\x00\x00\x00\x18ftypmp42" + bytes(999)) == imaging.open(data)


def test_of_an_image_of_pillows_the_frame_that_it_is_at_is_taken() -> None:
    data = saved(first(), "TIFF", save_all=True, append_images=[second()])
    image = Image.open(io.BytesIO(data))
    image.seek(1)
    picture = imaging.open(image)
    assert picture == imaging.open(second())
    assert "frame 2 of 2 is shown" in picture.notices[0]


def test_a_picture_of_pillows_whose_file_was_closed_is_taken_as_it_is() -> None:
    data = saved(first(), "GIF", save_all=True, append_images=[second()])
    with Image.open(io.BytesIO(data)) as image:
        image.load()
    assert imaging.open(image) == imaging.open(data)


def test_of_two_jpegs_in_one_file_the_first_is_taken_and_that_is_said() -> None:
    data = FILES["JPEG RGB"]
    picture = imaging.open(data + data)
    assert picture == imaging.open(data)
    assert picture.provenance[:2] == ("JPEG", "the first of several pictures")


def test_a_jpeg_of_a_thousand_scans_is_refused_at_once() -> None:
    data = saved(Image.new("L", (2000, 2000)), "JPEG", progressive=True)
    scan = data[data.rindex(b"\xff\xda") : -2]
    with pytest.raises(ImageError, match="scans"):
        imaging.open(data[:-2] + scan * 1000 + data[-2:])


def test_a_jpeg_of_12_bits_is_refused_with_the_reason() -> None:
    place = FILES["JPEG L"].index(b"\xff\xc0") + 4
    with pytest.raises(ImageError, match="more than 8 bits"):
        imaging.open(FILES["JPEG L"][:place] + b"\x0c" + FILES["JPEG L"][place + 1 :])


def test_a_large_bmp_of_run_lengths_is_refused() -> None:
    data = bytearray(FILES["BMP L"] + bytes(strip.MAX_RUN_BYTES))
    data[30] = 1
    with pytest.raises(ImageError, match="run lengths"):
        imaging.open(data)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WebP", "GIF"])
def test_more_parts_than_any_picture_has_are_refused_soon(form: str) -> None:
    parts = 200_000
    data = {
        "PNG": FILES["PNG L"][:33] + chunk(b"teSt", b"") * parts,
        "JPEG": b"\xff\xd8" + jpeg_segment(0xFE, b"") * parts,
        "GIF": FILES["GIF P"][:-1] + b"\x21\xfe\x00" * parts,
        "WebP": b"RIFF" + struct.pack("<I", 4 + 8 * parts) + b"WEBP" + b"teSt\0\0\0\0" * parts,
    }
    start = time.thread_time()
    with pytest.raises(ImageError, match="damaged"):
        decode(data[form])
    assert time.thread_time() - start < 1
