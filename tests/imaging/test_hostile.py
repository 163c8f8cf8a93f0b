"""Whatever a photo holds: a picture, or an error of ours; soon, silently, from any thread."""

from __future__ import annotations

import io
import random
import struct
import warnings
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile

from devtools.images.mutants import opened, photo_mutant, timed
from devtools.images.photos import DEEP, FILES, chunk, exif, grey_tiff, jpeg_segment, png, tiff
from edge_med.imaging.photo import strip

SAMPLES = {**FILES, **DEEP}
MUTANTS, MANY = 20, 3000
"""Of each sample, and of all in the long test."""

STARTS = (
    *(b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF", b"II*\x00", b"MM\x00*", b"BM", b"GIF89a"),
    *(b"\x00\x00\x00\x10ftypavif", b"\x00\x00\x00\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51"),
    *(b"%PDF-", b"\x1f\x8b\x08", b"\x5c\x01\x00\x00"),
)


@given(st.binary(max_size=400), st.sampled_from(STARTS))
@settings(max_examples=400)
@example(b"", b"")
def test_arbitrary_bytes_are_pictures_or_refused(data: bytes, start: bytes) -> None:
    opened(start + data)


@pytest.mark.parametrize("name", SAMPLES)
def test_mutants_are_pictures_or_refused(name: str) -> None:
    source = random.Random(name)
    for _ in range(MUTANTS):
        opened(photo_mutant(SAMPLES[name], source))


@pytest.mark.timing
def test_mutants_are_opened_or_refused_in_two_seconds() -> None:
    source = random.Random(2)
    for data in SAMPLES.values():
        timed(photo_mutant(data, source))


@pytest.mark.long
@pytest.mark.parametrize("name", SAMPLES)
def test_three_thousand_mutants_are_pictures_or_refused(name: str) -> None:
    source = random.Random(name + " long")
    for _ in range(-(-MANY // len(SAMPLES))):
        timed(photo_mutant(SAMPLES[name], source))


def with_segment(code: int, body: bytes) -> bytes:
    """A sound JPEG with one more segment."""
    return FILES["JPEG RGB"][:2] + jpeg_segment(code, body) + FILES["JPEG RGB"][2:]


def changed(name: str, old: bytes, new: bytes) -> bytes:
    """A sample with something else in one place."""
    assert FILES[name].count(old) == 1
    return FILES[name].replace(old, new)


UNTOLD = tiff({**grey_tiff(2, 1, 8), 270: range(9)}, b"\x01\x02")
WARNED_OF = {
    "EXIF that is cut off": with_segment(0xE1, exif(6)[:-3]),
    "EXIF of more tags than there are": with_segment(
        0xE1, exif(6).replace(b"\x00\x01\x01\x12", b"\xff\xff\x01\x12")
    ),
    "APNG of no frames": png(8, 0, (1, 1), [b"\x01"], chunk(b"acTL", bytes(8))),
    "malformed MPO": with_segment(0xE2, b"MPF\x00II*\x00\xff\xff\xff\xff"),
    "TIFF with a description outside": UNTOLD.replace(
        struct.pack("<HHI", 270, 4, 9), struct.pack("<HHI", 270, 4, 99)
    ),
}
"""What Pillow's `open` or `load` would warn of."""


@pytest.fixture(scope="module")
def hostile() -> list[bytes]:
    """Damaged tags, every sample, and a few mutants of each."""
    source = random.Random(1)
    mutants = [photo_mutant(data, source) for data in FILES.values() for _ in range(10)]
    return [*WARNED_OF.values(), *FILES.values(), *mutants]


@pytest.mark.parametrize("name", WARNED_OF)
def test_pillow_would_warn_of_it(name: str) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        image = Image.open(io.BytesIO(WARNED_OF[name]))
        image.getexif()
    assert caught


def test_but_here_it_never_does(hostile: list[bytes]) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for data in hostile:
            opened(data)
    assert [str(warning.message) for warning in caught] == []


def test_nothing_is_printed(hostile: list[bytes], capfd: pytest.CaptureFixture[str]) -> None:
    for data in hostile:
        opened(data)
    assert capfd.readouterr() == ("", "")


def test_no_setting_of_the_process_is_changed(hostile: list[bytes]) -> None:
    before = (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES, list(warnings.filters))
    for data in hostile:
        opened(data)
    after = (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES, list(warnings.filters))
    assert after == before


def test_a_name_in_a_tag_never_reaches_a_decoder() -> None:
    chunks = [chunk(kind, b"Doe\x00Doe") for kind in (b"tEXt", b"eXIf", b"doEs")]
    segments = b"".join(jpeg_segment(code, b"Doe") for code in (0xFE, 0xE1, 0xE2, 0xED))
    photo = FILES["JPEG RGB"]
    assert b"Doe" not in strip.png(png(8, 0, (1, 1), [b"\x01"], *chunks)).data
    assert b"Doe" not in strip.jpeg(photo[:2] + segments + photo[2:] + b"Doe").data


def test_many_threads_get_the_same_pictures_as_one(hostile: list[bytes]) -> None:
    alone = [opened(data) for data in hostile]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(opened, hostile * 2))
    assert together == alone * 2
