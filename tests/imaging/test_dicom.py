"""DICOM single images: every way to write them gives the same pixels."""

from __future__ import annotations

from typing import Any

import imagecodecs
import numpy as np
import pydicom.uid as uids
import pytest
from pydicom.uid import UID

from devtools.images.dicom import (
    body,
    compressed,
    deflated,
    dicom,
    elements,
    jpeg_lossless,
    ramp,
    rle,
    shown,
    written,
    x_ray,
)
from edge_med import imaging
from edge_med.errors import ImageError


@pytest.mark.parametrize(
    "syntax", [uids.ImplicitVRLittleEndian, uids.ExplicitVRLittleEndian, uids.ExplicitVRBigEndian]
)
@pytest.mark.parametrize("bits", [10, 12, 16])
def test_an_uncompressed_image_is_read(syntax: UID, bits: int) -> None:
    pixels = ramp(bits)
    stored = pixels.byteswap() if syntax == uids.ExplicitVRBigEndian else pixels
    data = dicom(pixels, syntax, Modality="DX", BitsStored=bits, PixelData=stored.tobytes())
    assert (shown(data) == x_ray(pixels)).all()


def test_a_deflated_image_is_read() -> None:
    pixels = ramp(12)
    plain = dicom(pixels, Modality="DX", BitsStored=12)
    assert (shown(deflated(body(plain))) == x_ray(pixels)).all()


def test_a_deflated_image_without_its_end_is_refused() -> None:
    data = deflated(body(dicom(ramp(12))))
    with pytest.raises(ImageError, match="missing"):
        imaging.open(data[:-20])


def test_a_file_without_a_mark_is_read_if_it_is_implicit_little_endian() -> None:
    pixels = ramp(12)
    plain = dicom(pixels, uids.ImplicitVRLittleEndian, Modality="DX", BitsStored=12)
    assert (shown(body(plain)) == x_ray(pixels)).all()


def test_a_file_without_a_mark_and_of_another_kind_is_no_image() -> None:
    with pytest.raises(ImageError, match="DICOM without its header"):
        imaging.open(body(dicom(ramp(12))))


LOSSLESS: dict[str, tuple[str, Any]] = {
    "RLE": (uids.RLELossless, lambda pixels, _: rle(pixels)),
    "JPEG lossless": (uids.JPEGLossless, jpeg_lossless),
    "JPEG lossless, first order": (uids.JPEGLosslessSV1, jpeg_lossless),
    "JPEG-LS": (
        uids.JPEGLSLossless,
        lambda pixels, _: bytes(imagecodecs.jpegls_encode(pixels)),
    ),
    "JPEG 2000": (
        uids.JPEG2000Lossless,
        lambda pixels, bits: bytes(
            imagecodecs.jpeg2k_encode(
                pixels, codecformat="J2K", reversible=True, level=0, bitspersample=bits
            )
        ),
    ),
}


@pytest.mark.parametrize("name", LOSSLESS)
@pytest.mark.parametrize("bits", [8, 12, 16])
def test_compressed_dicom_gives_the_same_picture_as_uncompressed(name: str, bits: int) -> None:
    syntax, encode = LOSSLESS[name]
    pixels = ramp(bits).astype(np.uint8 if bits == 8 else np.uint16)
    twin = dicom(pixels, Modality="DX", BitsStored=bits)
    packed = compressed([encode(pixels, bits)], pixels, syntax, Modality="DX", BitsStored=bits)
    assert imaging.open(packed, side=64) == imaging.open(twin, side=64)


@pytest.mark.parametrize("bits", [8, 12])
def test_a_lossy_jpeg_is_close_to_its_twin(bits: int) -> None:
    y, x = np.mgrid[0:40, 0:56]
    pixels = ((x + y) * ((1 << bits) - 1) // 94).astype(np.uint8 if bits == 8 else np.uint16)
    syntax = uids.JPEGBaseline8Bit if bits == 8 else uids.JPEGExtended12Bit
    frame = bytes(imagecodecs.jpeg8_encode(pixels, level=98, bitspersample=bits))
    packed = compressed([frame], pixels, syntax, Modality="DX", BitsStored=bits)
    assert np.abs(shown(packed).astype(int) - x_ray(pixels)).max() <= 2


@pytest.mark.parametrize("bits", [9, 12, 14])
def test_signed_pixels_keep_their_sign(bits: int) -> None:
    pixels = ramp(bits).astype(np.int32) - (1 << bits - 1)
    data = dicom(pixels.astype(np.int16), Modality="DX", BitsStored=bits, PixelRepresentation=1)
    assert (shown(data) == x_ray(pixels)).all()


def test_bits_that_arent_stored_are_ignored() -> None:
    pixels = ramp(12)
    with_overlay = pixels | (ramp(4) << 12)
    data = dicom(with_overlay.astype(np.uint16), Modality="DX", BitsStored=12)
    assert (shown(data) == x_ray(pixels)).all()


def test_bits_may_be_stored_in_the_upper_part() -> None:
    pixels = ramp(12)
    data = dicom((pixels << 4).astype(np.uint16), Modality="DX", BitsStored=12, HighBit=15)
    assert (shown(data) == x_ray(pixels)).all()


def test_an_overlay_isnt_drawn() -> None:
    pixels = ramp(12)
    plain = elements(pixels, {"Modality": "DX"})
    before = imaging.open(written(plain), side=32)
    plain.add_new(0x60000010, "US", pixels.shape[0])
    plain.add_new(0x60000011, "US", pixels.shape[1])
    plain.add_new(0x60000100, "US", 1)
    plain.add_new(0x60003000, "OW", b"\xff" * 94)
    assert imaging.open(written(plain), side=32) == before


@pytest.mark.parametrize("sign", [0, 1])
@pytest.mark.parametrize("frame", [1, 2, 3])
@pytest.mark.parametrize("width", [31, 32])
def test_packed_pixels_are_read(width: int, frame: int, sign: int) -> None:
    frames = np.stack([np.roll(ramp(12, 25, width), n) for n in range(3)])
    bits = (frames.reshape(-1, 1) >> np.arange(12)) & 1  # the lower ones first
    data = np.packbits(bits.astype(np.uint8).ravel(), bitorder="little").tobytes()
    tags: dict[str, Any] = {"BitsStored": 12, "PixelRepresentation": sign}
    packed = dicom(frames, BitsAllocated=12, PixelData=data + bytes(len(data) % 2), **tags)
    assert (shown(packed, frame=frame) == shown(dicom(frames, **tags), frame=frame)).all()


def test_packed_pixels_that_are_compressed_are_refused() -> None:
    frame = bytes(imagecodecs.jpegls_encode(ramp(12)))
    with pytest.raises(ImageError, match="contradicts itself"):
        shown(compressed([frame], ramp(12), uids.JPEGLSLossless, BitsAllocated=12, BitsStored=12))


@pytest.mark.parametrize(("sign", "vr", "value"), [(1, "US", 63536), (0, "SS", -2000)])
def test_padding_counts_though_its_sign_isnt_that_of_the_pixels(
    sign: int, vr: str, value: int
) -> None:
    pixels = ramp(11).astype(np.int16).view(np.int16 if sign else np.uint16)
    padded = pixels.copy()
    padded[:5] = np.array(-2000, np.int16).view(pixels.dtype)
    data = elements(padded, {"Modality": "DX"})
    data.add_new("PixelPaddingValue", vr, value)
    assert (shown(written(data))[:5] == 0).all()
    assert shown(written(data))[5:].max() == 255
    assert (shown(written(data))[5:] == x_ray(pixels[5:])).all()


@pytest.mark.parametrize("last", [None, 10])
def test_padding_is_black_and_doesnt_count(last: int | None) -> None:
    pixels = ramp(12).clip(min=1000)
    pixels[0, :5] = 7
    tags: dict[str, Any] = {"PixelPaddingValue": 7}
    if last:
        tags["PixelPaddingRangeLimit"] = last
        pixels[0, 2] = 9
    data = dicom(pixels, Modality="DX", PixelRepresentation=0, **tags)
    found = shown(data)
    assert (found[0, :5] == 0).all()
    assert (found[1:] == x_ray(pixels[1:])).all()
