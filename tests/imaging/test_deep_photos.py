"""Depths other than 8 bits, each on purpose: full range to full range, or refused."""

from __future__ import annotations

import struct

import imagecodecs
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from devtools.images.dicom import ramp, x_ray
from devtools.images.photos import chunk, drawn, grey_tiff, png, saved, tiff, whole
from edge_med import imaging
from edge_med.config import Fit
from edge_med.errors import ImageError

LEVELS = np.arange(65_536, dtype=np.uint16).reshape(256, 256)
"""Every level of 16 bits."""

ROUNDED = np.round(LEVELS / (65_535 / 255)).astype(np.uint8)
"""As Google's serving code scales them (`predictor.py`)."""


def grey(source: imaging.Source) -> npt.NDArray[np.uint8]:
    """A picture's levels; its three channels are equal."""
    pixels = whole(source)
    assert (pixels == pixels[:, :, :1]).all()
    return pixels[:, :, 0]


def rows_16(levels: npt.NDArray[np.uint16], order: str = ">") -> list[bytes]:
    return [row.astype(f"{order}u2").tobytes() for row in levels]


@pytest.mark.parametrize(
    "source",
    [
        png(16, 0, (256, 256), rows_16(LEVELS)),
        saved(Image.fromarray(LEVELS), "TIFF"),
        saved(Image.fromarray(LEVELS), "TIFF", compression="tiff_lzw"),
        tiff(grey_tiff(256, 256, 16), b"".join(rows_16(LEVELS)), order=">"),
        Image.fromarray(LEVELS),
        LEVELS,
        LEVELS.astype(">u2"),
        LEVELS[:, :, None],
    ],
    ids=["PNG", "TIFF", "TIFF LZW", "TIFF big-endian", "Pillow", "array", "array >u2", "array 3D"],
)
def test_16_bits_of_grey_are_scaled_and_rounded(source: imaging.Source) -> None:
    assert np.array_equal(grey(source), ROUNDED)
    step = "greys from 0 to 65535 of 16 bits are black to white"
    assert imaging.open(source).provenance[1] == step


def test_16_bits_of_rgb_in_an_array_are_scaled_and_rounded() -> None:
    assert np.array_equal(
        whole(np.dstack([LEVELS, LEVELS[::-1], LEVELS.T])),
        np.dstack([ROUNDED, ROUNDED[::-1], ROUNDED.T]),
    )


@pytest.mark.parametrize(
    "source",
    [
        png(16, 2, (256, 256), rows_16(LEVELS.repeat(3, axis=1))),
        tiff(
            {**grey_tiff(256, 256, 16, photometric=2), 258: (16, 16, 16), 277: 3},
            b"".join(rows_16(LEVELS.repeat(3, axis=1), "<")),
        ),
    ],
    ids=["PNG", "TIFF"],
)
def test_16_bits_of_rgb_in_a_file_are_scaled_and_rounded(source: bytes) -> None:
    assert np.array_equal(grey(source), ROUNDED)


def packed_12(levels: list[int]) -> bytes:
    """Two levels in three bytes, the upper bits first (TIFF 6.0)."""
    pairs = zip(levels[::2], levels[1::2], strict=True)
    return b"".join((one << 12 | two).to_bytes(3, "big") for one, two in pairs)


def test_12_bits_are_spread_from_their_least_to_their_greatest() -> None:
    levels = [100, 101, 2048, 4000]
    source = tiff(grey_tiff(4, 1, 12), packed_12(levels))
    assert (grey(source) == x_ray(np.array([levels]))).all()
    step = "greys from 100 to 4000 of 12 bits are black to white"
    assert imaging.open(source).provenance[1] == step


DIM = ramp(12) + np.uint16(30)
"""12 bits in 16, as exports of X-rays hold them."""

DIM_RGB = np.dstack([DIM, DIM[::-1], DIM[:, ::-1]])


@pytest.mark.parametrize(
    "source",
    [
        png(16, 0, DIM.shape[::-1], rows_16(DIM)),
        saved(Image.fromarray(DIM), "TIFF"),
        saved(Image.fromarray(DIM), "JPEG2000"),
        bytes(imagecodecs.jpeg2k_encode(DIM, level=0, bitspersample=13, codecformat="JP2")),
        Image.fromarray(DIM),
        DIM,
    ],
    ids=["PNG", "TIFF", "JPEG 2000", "JPEG 2000 of 13 bits", "Pillow", "array"],
)
@pytest.mark.parametrize("fit", ["pad", "stretch"])
def test_few_bits_in_many_have_the_greys_of_an_x_ray_in_dicom(
    source: imaging.Source, fit: Fit
) -> None:
    picture = imaging.open(source, fit=fit)
    wanted = Image.fromarray(x_ray(DIM)).convert("RGB")
    assert picture == imaging.open(wanted, fit=fit)
    assert any("greys from 30 to 4125 of 1" in notice for notice in picture.notices)


@pytest.mark.parametrize(
    "source",
    [
        png(16, 2, DIM.shape[::-1], rows_16(DIM_RGB.reshape(len(DIM), -1))),
        tiff(
            {
                **grey_tiff(DIM.shape[1], DIM.shape[0], 16, photometric=2),
                258: (16, 16, 16),
                277: 3,
            },
            DIM_RGB.astype("<u2").tobytes(),
        ),
        DIM_RGB,
    ],
    ids=["PNG", "TIFF", "array"],
)
def test_colours_share_the_range_of_all_three(source: imaging.Source) -> None:
    assert (whole(source) == x_ray(DIM_RGB)).all()
    assert any("its own range" in notice for notice in imaging.open(source).notices)


def test_transparent_parts_dont_count_for_the_range() -> None:
    levels = np.dstack([DIM, np.where(DIM > 3000, 65_535, 0)]).astype(np.uint16)
    seen = DIM[DIM > 3000]
    found = grey(png(16, 4, DIM.shape[::-1], rows_16(levels.reshape(len(DIM), -1))))
    assert (found[DIM > 3000] == x_ray(seen)).all()
    assert (found[DIM <= 3000] == 255).all()


def jpeg_2000_of_colours(brightest: int) -> bytes:
    """16 bits, of which Pillow drops the lower half."""
    pixels = (DIM_RGB / DIM_RGB.max() * brightest).astype(np.uint16)
    return bytes(imagecodecs.jpeg2k_encode(pixels, level=0, codecformat="JP2"))


def test_deep_photo_of_low_bits_alone_is_refused() -> None:
    with pytest.raises(ImageError, match="16 bits a channel, and only its lower ones"):
        imaging.open(jpeg_2000_of_colours(4095))


def test_colours_that_use_all_bits_lose_the_lower_ones_there_and_say_so() -> None:
    picture = imaging.open(jpeg_2000_of_colours(65_535))
    assert picture.provenance[1] == "the upper 8 of 16 bits taken"


@pytest.mark.parametrize(
    ("bits", "row"),
    [(8, bytes([0, 1, 2, 255])), (16, struct.pack("<4H", 0, 257, 514, 65_535))],
    ids=["8 bits", "16 bits"],
)
def test_a_tiff_whose_zero_is_white_is_turned_round(bits: int, row: bytes) -> None:
    source = tiff(grey_tiff(4, 1, bits, photometric=0), row)
    assert grey(source).tolist() == [[255, 254, 253, 0]]


@pytest.mark.parametrize(
    ("depth", "clear", "seen"),
    [
        (1, 1, [255, 255, 255, 255]),
        (2, 2, [0, 85, 255, 255]),
        (4, 11, [17, 255, 17, 255]),
        (8, 27, [0, 1, 2, 3]),
        (16, 1, [0, 255, 2, 255]),
    ],
)
def test_a_clear_grey_is_white_at_every_depth(depth: int, clear: int, seen: list[int]) -> None:
    rows = {1: b"\xf0", 2: b"\x1b", 4: b"\x1b\x1b", 8: bytes(4), 16: b"\0\0\0\1\2\0\xff\xff"}
    row = bytes([0, 1, 2, 3]) if depth == 8 else rows[depth]
    source = png(depth, 0, (4, 1), [row], chunk(b"tRNS", struct.pack(">H", clear)))
    assert grey(source).tolist() == [seen]


def test_a_clear_colour_of_16_bits_is_white() -> None:
    clear = chunk(b"tRNS", struct.pack(">3H", 1, 2, 3))
    row = struct.pack(">6H", 1, 2, 3, 0, 65_535, 257)
    assert whole(png(16, 2, (2, 1), [row], clear)).tolist() == [[[255, 255, 255], [0, 255, 1]]]


@pytest.mark.parametrize(
    "source",
    [
        tiff({**grey_tiff(2, 2, 8), 339: 2}, bytes(4)),
        tiff({**grey_tiff(2, 2, 16), 339: 2}, bytes(8)),
        tiff({**grey_tiff(2, 2, 32), 339: 3}, bytes(16)),
        saved(drawn("L").convert("F"), "TIFF"),
    ],
    ids=["signed 8", "signed 16", "fractions by hand", "fractions by Pillow"],
)
def test_numbers_without_a_white_are_refused(source: bytes) -> None:
    with pytest.raises(ImageError, match="nothing defines what is white"):
        imaging.open(source)


@pytest.mark.parametrize("mode", ["I", "F", "HSV", "LAB"])
def test_modes_without_a_meaning_are_refused(mode: str) -> None:
    with pytest.raises(ImageError, match=f"mode {mode} "):
        imaging.open(Image.new(mode, (4, 4)))


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((4, 4)),
        np.zeros((4, 4), np.int16),
        np.zeros((4, 4), bool),
        np.zeros((4, 4, 2), np.uint8),
        np.zeros((1, 4, 4, 3), np.uint8),
        np.zeros(4, np.uint8),
    ],
    ids=["float", "signed", "bool", "two channels", "a batch", "a row"],
)
def test_arrays_of_another_type_or_shape_are_refused(pixels: npt.NDArray[np.generic]) -> None:
    with pytest.raises(ImageError, match="isn't an image"):
        imaging.open(pixels)
