"""Depths other than 8 bits, each on purpose: full range to full range, or refused."""

from __future__ import annotations

import struct

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from edge_med import imaging
from edge_med.errors import ImageError
from tests.imaging.samples import (
    chunk,
    drawn,
    grey_tiff,
    png,
    saved,
    tiff,
    whole,
)

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
    assert imaging.open(source).provenance[1] == "16 bits scaled to 8"


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
def test_16_bits_of_rgb_in_a_file_lose_their_lower_half_and_say_so(source: bytes) -> None:
    assert np.array_equal(grey(source), LEVELS >> 8)
    assert imaging.open(source).provenance[1] == "the upper 8 of 16 bits taken"


def packed_12(levels: list[int]) -> bytes:
    """Two levels in three bytes, the upper bits first (TIFF 6.0)."""
    pairs = zip(levels[::2], levels[1::2], strict=True)
    return b"".join((one << 12 | two).to_bytes(3, "big") for one, two in pairs)


def test_12_bits_are_scaled_by_their_own_white() -> None:
    levels = [0, 1, 2048, 4095]
    source = tiff(grey_tiff(4, 1, 12), packed_12(levels))
    assert grey(source).tolist() == [[round(level / (4095 / 255)) for level in levels]]
    assert imaging.open(source).provenance[1] == "12 bits scaled to 8"


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
        (1, 1, [0, 0, 0, 0]),
        (2, 2, [0, 85, 0, 255]),
        (4, 11, [17, 0, 17, 0]),
        (8, 27, [0, 1, 2, 3]),
        (16, 1, [0, 0, 2, 255]),
    ],
)
def test_a_clear_grey_is_black_at_every_depth(depth: int, clear: int, seen: list[int]) -> None:
    rows = {1: b"\xf0", 2: b"\x1b", 4: b"\x1b\x1b", 8: bytes(4), 16: b"\0\0\0\1\2\0\xff\xff"}
    row = bytes([0, 1, 2, 3]) if depth == 8 else rows[depth]
    source = png(depth, 0, (4, 1), [row], chunk(b"tRNS", struct.pack(">H", clear)))
    assert grey(source).tolist() == [seen]


def test_a_clear_colour_of_16_bits_is_refused() -> None:
    clear = chunk(b"tRNS", struct.pack(">3H", 1, 2, 3))
    with pytest.raises(ImageError, match="transparent colour has 16 bits"):
        imaging.open(png(16, 2, (1, 1), [bytes(6)], clear))


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
    with pytest.raises(ImageError, match="nothing says what is white"):
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
