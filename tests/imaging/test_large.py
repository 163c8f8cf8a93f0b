"""Files of any size: a frame costs a frame, and what is said of a thousand of them one item."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pydicom.uid as uids
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.encaps import encapsulate, encapsulate_extended, fragment_frame, get_frame
from pydicom.pixels.utils import pixel_array

from devtools.images.dicom import Pixels as Array
from devtools.images.dicom import compressed, dicom, elements, written
from devtools.images.enhanced import DEPTHS, enhanced
from devtools.images.photos import FILES
from edge_med import imaging
from edge_med.errors import ImageError
from edge_med.imaging import Picture
from edge_med.imaging.dicom import dataset, frames, grayscale, header_checks, slice_facts
from edge_med.imaging.dicom.elements import UNDEFINED, Encoding
from edge_med.imaging.dicom.pixel_data import Pixels
from edge_med.imaging.file_limits import MAX_BYTES

SIDE = 1024
MANY = 160
"""Frames of 2 MiB: more than a file that is read whole may have."""


class Counted(io.BytesIO):
    """A file that counts the bytes that are read of it."""

    count = 0

    def read(self, size: int | None = -1, /) -> bytes:
        found = super().read(size)
        self.count += len(found)
        return found


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CT of 320 MiB, most of which are holes; one frame in it isn't empty."""
    path = tmp_path_factory.mktemp("large") / "ct.dcm"
    data = elements(np.zeros((1, 1), np.uint16), {"Modality": "CT"})
    data.Rows = data.Columns = SIDE
    data.NumberOfFrames, data.RescaleSlope, data.RescaleIntercept = MANY, 1, -1024
    data.PixelData = bytes(4)
    head = written(data)[:-8]
    with path.open("wb") as file:
        file.write(head + (MANY * SIDE * SIDE * 2).to_bytes(4, "little"))
        start = file.tell()
        file.seek(start + 77 * SIDE * SIDE * 2)
        file.write(np.full((SIDE, SIDE), 1100, np.uint16).tobytes())
        file.truncate(start + MANY * SIDE * SIDE * 2)
    assert path.stat().st_size > MAX_BYTES
    return path


def test_a_frame_of_a_file_that_is_too_large_to_be_read_whole_is_shown(large: Path) -> None:
    full, empty = (imaging.open(large, frame=number, side=8) for number in (78, 77))
    assert full.pixels[0, 0].tolist() == [137, 154, 242]  # 76 HU
    assert not empty.pixels.any()
    assert pixel_array(large, index=77)[0, 0] == 1100


def test_where_nothing_tells_how_its_frames_lie_it_is_refused_as_any_other(large: Path) -> None:
    with pytest.raises(ImageError, match="The frames of the CT have no positions"):
        imaging.open(large, slices="auto")


def test_of_a_photo_that_is_too_large_that_is_said(tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    with path.open("wb") as file:
        file.write(FILES["PNG L"])
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(ImageError, match="more than 256 MiB"):
        imaging.open(path)


@pytest.mark.parametrize("name", ["explicit", "compressed"])
def test_a_frame_costs_a_frame(name: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (200, 64, 64)).astype(np.uint8)
    data = dicom(pixels, Modality="US")
    if name == "compressed":
        data = compressed([bytes(frame) for frame in _jpeg_ls(pixels)], pixels, uids.JPEGLSLossless)
    file = Counted(data)
    header = dataset.read(file)
    header_checks.check(header)
    before = file.count
    assert (frames.decode(header, 150) == pixels[150]).all()
    assert file.count - before < 2 * 64 * 64 + 8 * 202  # and how each fragment begins


def test_what_is_said_of_one_frame_costs_an_item() -> None:
    file = Counted(enhanced([float(depth) for depth in range(500)]))
    header = dataset.read(file)
    before = file.count
    assert header.groups
    assert header.groups[300].group(0x00209113).ImagePositionPatient[2] == 300  # type: ignore[union-attr]
    assert file.count - before < 1000


@pytest.mark.parametrize("syntax", [uids.ExplicitVRLittleEndian, uids.ImplicitVRLittleEndian])
def test_groups_are_the_same_however_their_lengths_are_said(syntax: str) -> None:
    plain = enhanced(syntax=syntax)
    data = pydicom.dcmread(io.BytesIO(plain))
    _say_no_lengths(data)
    other = written(data, syntax)
    assert other.count(b"\xff\xff\xff\xff") > 2 * len(DEPTHS)
    assert slice_facts.describe(other) == slice_facts.describe(plain)
    assert _opened(other).pictures == _opened(plain).pictures


def _opened(data: bytes) -> imaging.Study:
    found = imaging.open(data, side=16, slices="auto")
    assert isinstance(found, imaging.Study)
    return found


def _say_no_lengths(data: pydicom.Dataset) -> None:
    for element in data:
        if element.VR == "SQ":
            element.is_undefined_length = True
            for item in element.value:
                item.is_undefined_length_sequence_item = True
                _say_no_lengths(item)


def _jpeg_ls(pixels: Array) -> list[bytes]:
    import imagecodecs

    return [bytes(imagecodecs.jpegls_encode(frame)) for frame in pixels]


@given(
    lengths=st.lists(st.integers(10, 40), min_size=1, max_size=6),
    pieces=st.integers(1, 4),
    table=st.sampled_from(["basic", "extended", "none"]),
    lot=st.randoms(use_true_random=False),
)
@settings(max_examples=80)
def test_compressed_frames_are_found_as_pydicom_finds_them(
    lengths: list[int], pieces: int, table: str, lot: Any
) -> None:
    kept = [
        b"\xff\xd8\xff" + bytes(lot.randrange(200) for _ in range(2 * length)) + b"\xff\xd9\0"
        for length in lengths
    ]
    offsets: Any = None
    if table == "extended":
        value, *offsets = encapsulate_extended(kept)
    else:
        count = min(pieces, min(len(frame) for frame in kept) // 2)
        value = encapsulate(kept, fragments_per_frame=count, has_bot=table == "basic")
    found = Pixels(io.BytesIO(value), Encoding(implicit=False, little=True), "OB", 0, len(value))
    starts = np.frombuffer(offsets[0], "<u8").tolist() if offsets else []
    for index in range(len(kept)):
        theirs = get_frame(
            value, index, number_of_frames=len(kept), extended_offsets=offsets or None
        )
        assert found.compressed(index, len(kept), starts) == theirs


def test_fragments_without_frames_are_refused_with_their_numbers() -> None:
    pieces = [bytes(piece) for piece in fragment_frame(bytes(range(40)), 5)]
    data = compressed(pieces, np.zeros((3, 8, 8), np.uint8), uids.RLELossless)
    with pytest.raises(ImageError, match=r"3 compressed frames .* are in 5 fragments"):
        imaging.open(data)


def test_truncated_compressed_file_is_refused_in_the_same_words() -> None:
    (frame,) = _jpeg_ls(np.random.default_rng(1).integers(0, 9, (1, 16, 16)).astype(np.uint8))
    data = compressed([frame], np.zeros((16, 16), np.uint8), uids.JPEGLSLossless)
    imaging.open(data, side=8)
    start = data.index(b"\xe0\x7f\x10\x00")
    for end in range(start + 13, len(data) - 8, 5):
        with pytest.raises(ImageError, match="The DICOM file ends before its image does"):
            frames_of(data[:end])


def frames_of(data: bytes) -> Array:
    """The first frame, in this process."""
    header = dataset.read(io.BytesIO(data))
    header_checks.check(header)
    return frames.decode(header, 0)


def test_pixels_in_fragments_that_should_have_none_are_named() -> None:
    data = compressed([bytes(600)], np.zeros((16, 16), np.uint8), uids.RLELossless)
    plain = data.replace(b"1.2.840.10008.1.2.5\0", b"1.2.840.10008.1.2.1\0")
    assert UNDEFINED.to_bytes(4, "little") in plain
    with pytest.raises(ImageError, match=r"PixelData \(7FE0,0010\) is in fragments"):
        imaging.open(plain)


@pytest.mark.parametrize("index", range(3))
def test_frames_of_odd_length_in_big_endian_words_are_those_of_pydicom(index: int) -> None:
    pixels = np.random.default_rng(2).integers(0, 255, (3, 5, 7)).astype(np.uint8)
    data = elements(pixels, {"Modality": "US"})
    stored = pixels.tobytes() + b"\0"
    data.PixelData = np.frombuffer(stored, "<u2").byteswap().tobytes()
    file = written(data, uids.ExplicitVRBigEndian)
    header = dataset.read(io.BytesIO(file))
    theirs = pydicom.dcmread(io.BytesIO(file)).pixel_array[index]
    found = frames.decode(header, index)
    assert (grayscale.stored_values(header, 256)[found] == theirs).all()
    assert (theirs == pixels[index]).all()


def test_slices_of_a_large_file_are_those_of_a_small_one(tmp_path: Path) -> None:
    data = enhanced()
    (tmp_path / "all.dcm").write_bytes(data)
    with (tmp_path / "all.dcm").open("ab") as file:
        file.truncate(MAX_BYTES + 1)  # what follows the pixels isn't looked at
    found = imaging.open(tmp_path / "all.dcm", side=16, slices="auto")
    assert isinstance(found, imaging.Study)
    assert found.pictures == _opened(data).pictures
    assert len(found.pictures) == len(DEPTHS)
    assert isinstance(found.pictures[0], Picture)
