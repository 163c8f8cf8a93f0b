"""AVIF and JPEG 2000: whole files of one picture, each kind of pixel on purpose."""

from __future__ import annotations

import io
import struct

import imagecodecs
import pytest
from PIL import Image

from devtools.images.dicom import ramp
from devtools.images.photos import FILES, drawn, exif, saved
from edge_med import imaging
from edge_med.errors import ImageError
from edge_med.imaging.photo.iso_boxes import avif, jpeg2000

TURNS = {
    3: Image.Transpose.ROTATE_180,
    6: Image.Transpose.ROTATE_270,
    8: Image.Transpose.ROTATE_90,
}


def box(kind: bytes, body: bytes = b"") -> bytes:
    return struct.pack(">I4s", 8 + len(body), kind) + body


@pytest.mark.parametrize("number", TURNS)
def test_an_avif_is_turned_as_its_own_box_says(number: int) -> None:
    flat = saved(drawn("RGB"), "AVIF", quality=100, subsampling="4:4:4")
    data = saved(drawn("RGB"), "AVIF", quality=100, subsampling="4:4:4", exif=exif(number))
    turned = Image.open(io.BytesIO(flat)).transpose(TURNS[number])
    assert imaging.open(data, side=64) == imaging.open(turned, side=64)
    assert f"turned by EXIF orientation {number}" in imaging.open(data, side=8).provenance


def test_an_avif_that_moves_is_refused() -> None:
    frames = [drawn("RGB").transpose(Image.Transpose.ROTATE_180)]
    data = saved(drawn("RGB"), "AVIF", save_all=True, append_images=frames)
    with pytest.raises(ImageError, match="AVIF image holds several pictures"):
        imaging.open(data)


@pytest.mark.parametrize("missing", [b"meta", b"mdat"])
def test_an_avif_without_its_picture_is_refused(missing: bytes) -> None:
    with pytest.raises(ImageError, match="AVIF image is damaged"):
        imaging.open(FILES["AVIF RGB"].replace(missing, b"free", 1))


def test_an_avif_whose_boxes_go_beyond_its_end_is_refused() -> None:
    with pytest.raises(ImageError, match="end of the AVIF image is missing"):
        avif(FILES["AVIF RGB"] + box(b"free", b"x")[:-1])


def test_a_jpeg_2000_of_several_pictures_is_refused() -> None:
    data = FILES["JPEG-2000 L"]
    stream = data[data.index(b"jp2c") - 4 :]
    whole = data.replace(stream, struct.pack(">I", len(stream)) + stream[4:])
    with pytest.raises(ImageError, match="JPEG 2000 image holds several pictures"):
        imaging.open(whole + struct.pack(">I", len(stream)) + stream[4:])


def test_of_a_jpeg_2000_only_what_pixels_need_goes_on() -> None:
    data = FILES["JPEG-2000 L"]
    place = data.index(b"jp2h") - 4
    planted = data[:place] + box(b"xml ", b"Doe") + box(b"uuid", b"Doe" * 9) + data[place:]
    assert b"Doe" not in jpeg2000(planted).data
    assert imaging.open(planted) == imaging.open(data)


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [(42, 0x87, "have a sign"), (42, 37, "38 bits a channel"), (40, 0, "damaged|missing")],
)
def test_a_jpeg_2000_whose_numbers_have_no_white_is_refused(
    place: int, value: int, message: str
) -> None:
    data = bytearray(FILES["JPEG-2000 RGB, bare"])
    if place == 40:
        data[40:42] = struct.pack(">H", value)
    else:
        data[place] = value
    with pytest.raises(ImageError, match=message):
        imaging.open(bytes(data))


def test_a_jpeg_2000_of_12_bits_says_so() -> None:
    data = bytes(imagecodecs.jpeg2k_encode(ramp(12), level=0, bitspersample=12, codecformat="JP2"))
    assert jpeg2000(data).depth == 12
    step = "greys from 0 to 4095 of 12 bits are black to white"
    assert imaging.open(data, side=8).provenance[1] == step
