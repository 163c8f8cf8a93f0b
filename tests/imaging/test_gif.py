"""Of a GIF the first frame is taken, and that is said where there are more."""

from __future__ import annotations

import struct
import time

import pytest
from PIL import Image

from devtools.images.photos import FILES, drawn, saved
from edge_med import imaging
from edge_med.errors import ImageError
from edge_med.imaging.photo import gif
from edge_med.imaging.photo.photo import decode

SOUND = FILES["GIF P"]
SCREEN = 13 + 3 * 16
"""Bytes of its header and its sixteen colours; a frame follows."""


def moving(mode: str) -> bytes:
    more = [drawn(mode).transpose(Image.Transpose.ROTATE_180)]
    return saved(drawn(mode), "GIF", save_all=True, append_images=more)


@pytest.mark.parametrize("mode", ["P", "L", "RGB"])
def test_of_several_frames_the_first_is_taken_and_that_is_said(mode: str) -> None:
    picture = imaging.open(moving(mode))
    assert picture == imaging.open(saved(drawn(mode), "GIF"))
    assert picture.provenance[:2] == ("GIF", "the first of several frames")
    assert "the first of several frames is shown" in picture.notices[0]


def test_a_single_frame_needs_no_notice() -> None:
    assert not any("the first" in notice for notice in imaging.open(SOUND).notices)


def test_later_frames_may_be_damaged() -> None:
    data = moving("P")
    second = data.rindex(b"\x21\xf9")
    assert decode(data[: second + 40] + bytes(9)).image == decode(data).image


def test_what_names_somebody_never_reaches_the_decoder() -> None:
    comment = b"\x21\xfe\x03Doe\x00"
    data = SOUND[:SCREEN] + comment + SOUND[SCREEN:-1] + comment + SOUND[-1:]
    assert b"Doe" in data
    assert b"Doe" not in gif.gif(data).data
    assert decode(data).image == decode(SOUND).image


@pytest.mark.parametrize(("place", "value"), [(0, 1), (2, 1), (4, 22), (6, 18)])
def test_a_frame_that_doesnt_fill_the_screen_is_refused(place: int, value: int) -> None:
    frame = SOUND.index(b",", SCREEN) + 1 + place
    data = SOUND[:frame] + struct.pack("<H", value) + SOUND[frame + 2 :]
    with pytest.raises(ImageError, match="isn't a whole picture"):
        decode(data)


def test_a_frame_without_colours_is_refused() -> None:
    data = SOUND[:10] + b"\x00" + SOUND[11:13] + SOUND[SCREEN:]
    with pytest.raises(ImageError, match="damaged"):
        decode(data)


def test_a_chain_of_tiny_blocks_is_refused_soon() -> None:
    data = SOUND[:SCREEN] + b"\x21\xfe" + b"\x01x" * (gif.MOST_BLOCKS + 1) + SOUND[SCREEN:]
    start = time.thread_time()
    with pytest.raises(ImageError, match="damaged"):
        decode(data)
    assert time.thread_time() - start < 2
