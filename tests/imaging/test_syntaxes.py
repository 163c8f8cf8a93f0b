"""Frames of the newer compressions are those that were written, and of no other size."""

from __future__ import annotations

import io
import zlib
from typing import Any

import imagecodecs
import numpy as np
import numpy.typing as npt
import pydicom
import pydicom.uid as uids
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devtools.images.dicom import Pixels, compressed, dicom, ramp, rgb, under
from devtools.images.photos import scene
from edge_med import imaging
from edge_med.errors import ImageError
from edge_med.imaging.dicom import dataset, frames, header_checks, jpegxl
from edge_med.imaging.dicom.syntaxes import OTHERS

JPEG_XL = "1.2.840.10008.1.2.4.110"
JPEG_XL_OF_JPEG = "1.2.840.10008.1.2.4.111"
JPEG_XL_LOSSY = "1.2.840.10008.1.2.4.112"
DEFLATED = "1.2.840.10008.1.2.8.1"
HTJ2K = (uids.HTJ2KLossless, uids.HTJ2KLosslessRPCL, uids.HTJ2K)

SAMPLES: dict[str, Pixels] = {
    "8 bits": ramp(8).astype(np.uint8),
    "12 bits": ramp(12),
    "16 bits": ramp(16),
    "colours": scene(31, 24),
}


def decoded(data: bytes) -> npt.NDArray[np.generic]:
    header = dataset.read(io.BytesIO(data))
    header_checks.check(header)
    return frames.decode(header, 0)


def htj2k(pixels: Pixels, syntax: str = uids.HTJ2KLossless) -> bytes:
    """A file whose frame another library has written: OpenJPH."""
    return compressed([bytes(imagecodecs.htj2k_encode(pixels))], pixels, syntax)


def jpeg_xl(pixels: Pixels, *, boxed: bool = False) -> bytes:
    return in_jpeg_xl(imagecodecs.jpegxl_encode(pixels, lossless=True, usecontainer=boxed), pixels)


def in_jpeg_xl(
    frame: bytes | bytearray, pixels: Pixels, syntax: str = JPEG_XL, **tags: Any
) -> bytes:
    """A file with such a frame; pydicom knows no JPEG XL."""
    return under(compressed([bytes(frame)], pixels, uids.RLELossless, **tags), syntax)


@pytest.mark.parametrize("syntax", HTJ2K)
@pytest.mark.parametrize("name", SAMPLES)
def test_htj2k_is_read_to_the_last_bit(name: str, syntax: str) -> None:
    assert (decoded(htj2k(SAMPLES[name], syntax)) == SAMPLES[name]).all()


@pytest.mark.parametrize("name", SAMPLES)
def test_htj2k_is_what_pydicom_makes_of_it_with_another_decoder(name: str) -> None:
    data = htj2k(SAMPLES[name])
    theirs = pydicom.dcmread(io.BytesIO(data))
    theirs.pixel_array_options(decoding_plugin="pylibjpeg")
    assert (decoded(data) == theirs.pixel_array).all()


@pytest.mark.parametrize("boxed", [False, True])
@pytest.mark.parametrize("name", SAMPLES)
def test_jpeg_xl_is_read_to_the_last_bit(name: str, boxed: bool) -> None:
    assert (decoded(jpeg_xl(SAMPLES[name], boxed=boxed)) == SAMPLES[name]).all()


@pytest.mark.parametrize("kind", ["RGB", "XYB"])
def test_lossy_jpeg_xl_has_the_colours_that_were_written(kind: str) -> None:
    pixels = scene(64, 48)
    frame = imagecodecs.jpegxl_encode(pixels, distance=0.5)
    data = in_jpeg_xl(frame, pixels, JPEG_XL_LOSSY, PhotometricInterpretation=kind)
    assert np.abs(rgb(data).astype(int) - pixels).mean() < 6


def test_a_jpeg_in_jpeg_xl_is_what_the_jpeg_is() -> None:
    y, x = np.mgrid[0:48, 0:64]
    pixels = np.dstack([40 + 3 * x, 30 + 4 * y, 50 + x + y]).astype(np.uint8)
    frame = bytes(imagecodecs.jpeg8_encode(pixels, level=95, subsampling="444"))
    packed = imagecodecs.jpegxl_encode_jpeg(frame)
    tags = {"PhotometricInterpretation": "YBR_FULL"}
    data = in_jpeg_xl(packed, pixels, JPEG_XL_OF_JPEG, **tags)
    theirs = imagecodecs.jpeg8_decode(frame).astype(int)
    assert np.abs(rgb(data).astype(int) - theirs).max() <= 3  # rounded otherwise


@pytest.mark.parametrize("name", SAMPLES)
def test_deflated_frames_are_read_to_the_last_bit(name: str) -> None:
    assert (decoded(deflated(SAMPLES[name])) == SAMPLES[name]).all()


def deflated(pixels: Pixels, more: bytes = b"") -> bytes:
    engine = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    frame = engine.compress(pixels.tobytes() + more) + engine.flush()
    return under(compressed([frame], pixels, uids.RLELossless), DEFLATED)


def test_of_a_deflated_frame_no_more_is_made_than_it_should_have() -> None:
    assert (decoded(deflated(SAMPLES["8 bits"], bytes(1 << 27))) == SAMPLES["8 bits"]).all()


def test_a_deflated_frame_that_is_too_short_is_refused() -> None:
    data = deflated(SAMPLES["8 bits"][:-1])
    place = data.index(b"\x28\x00\x10\x00US\x02\x00") + 8
    with pytest.raises(ImageError, match="compressed frame of the DICOM image is damaged"):
        imaging.open(data[:place] + b"\x18\x00" + data[place + 2 :])


def test_a_ct_is_the_same_in_all_of_them() -> None:
    pixels = ramp(12)
    tags: dict[str, Any] = {"Modality": "CT", "RescaleSlope": 1, "RescaleIntercept": -1024}
    plain, fast = rgb(dicom(pixels, **tags)), bytes(imagecodecs.htj2k_encode(pixels))
    assert (rgb(compressed([fast], pixels, uids.HTJ2KLossless, **tags)) == plain).all()
    frame = imagecodecs.jpegxl_encode(pixels, lossless=True, bitspersample=12)
    assert (rgb(in_jpeg_xl(frame, pixels, **tags)) == plain).all()


@given(width=st.integers(1, 3000), height=st.integers(1, 3000), boxed=st.booleans())
@settings(max_examples=40)
def test_the_size_of_a_frame_of_jpeg_xl_is_known_before_it_is_decoded(
    width: int, height: int, boxed: bool
) -> None:
    pixels = np.zeros((height, width), np.uint8)
    frame = imagecodecs.jpegxl_encode(pixels, lossless=True, effort=1, usecontainer=boxed)
    assert jpegxl.size(bytes(frame)) == (width, height)


@pytest.mark.parametrize("write", [htj2k, jpeg_xl])
def test_a_frame_of_another_size_is_refused_with_both(write: type) -> None:
    data = write(ramp(8).astype(np.uint8))
    place = data.index(b"\x28\x00\x11\x00US\x02\x00") + 8
    other = data[:place] + b"\x20\x00" + data[place + 2 :]
    with pytest.raises(ImageError, match=r"31 x 24 pixels.*, and not 32 x 24 pixels"):
        imaging.open(other)


def test_colours_where_its_file_says_grey_are_refused_by_name() -> None:
    frame = imagecodecs.jpegxl_encode(scene(31, 24), lossless=True)
    data = in_jpeg_xl(frame, ramp(8).astype(np.uint8))
    with pytest.raises(ImageError, match=r"SamplesPerPixel \(0028,0002\) is 1"):
        imaging.open(data)


@pytest.mark.parametrize(
    ("syntax", "name"),
    [
        *OTHERS.items(),
        (uids.JPIPHTJ2KReferenced, "JPIP HTJ2K Referenced"),
        (uids.MPEG2MPML, "MPEG2 Main Profile / Main Level"),
        ("1.2.840.10008.1.2.4.66", "JPEG Lossless, Hierarchical"),
    ],
)
def test_a_syntax_that_isnt_read_is_named(syntax: str, name: str) -> None:
    data = compressed([bytes(10)], ramp(8).astype(np.uint8), uids.RLELossless)
    with pytest.raises(ImageError, match=f"transfer syntax isn't read: {name}"):
        imaging.open(under(data, syntax))
