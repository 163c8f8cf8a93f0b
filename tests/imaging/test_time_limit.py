"""A decoder that goes on too long is given up with the reason, and the next file is decoded."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from typing import NoReturn

import imagecodecs
import numpy as np
import pydicom.uid as uids
import pytest

from devtools.images.dicom import compressed, jpeg_lossless, ramp
from edge_med import imaging
from edge_med.errors import ImageError
from edge_med.imaging import time_limit
from edge_med.imaging.dicom.syntaxes import check_frame
from edge_med.imaging.sandbox import decoder, pipe

SMALL, DEEP = ramp(8).astype(np.uint8), ramp(12)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What is told where a decoder is given up; this process doesn't end with it here."""
    found: list[str] = []
    monkeypatch.setattr(time_limit, "SECONDS", 0.1)
    monkeypatch.setattr(time_limit, "_REPORT", [found.append])
    return iter([found])


def compute(seconds: float) -> None:
    end = time.process_time() + seconds
    while time.process_time() < end:
        time.time()


def test_what_computes_for_too_long_is_told_by_name_with_the_time(
    told: Iterator[list[str]],
) -> None:
    found = next(told)
    with time_limit.within(1000, "A frame"):
        compute(0.4)
    assert found[0] == "A frame takes more than 0.1 s to decode, so it was stopped."


def test_what_is_ready_in_time_isnt_told(told: Iterator[list[str]]) -> None:
    found = next(told)
    with time_limit.within(1000, "A frame"):
        compute(0.01)
    compute(0.3)
    assert not found


def test_a_large_frame_may_take_longer(told: Iterator[list[str]]) -> None:
    found = next(told)
    with time_limit.within(2_000_000, "A frame"):
        compute(0.4)
    assert not found


def test_whoever_waits_is_answered_and_the_process_is_left_to_another() -> None:
    given, left = io.BytesIO(), []

    def leave() -> NoReturn:
        left.append(True)
        raise SystemExit

    with pytest.raises(SystemExit):
        decoder._give_up(given, "A frame takes too long.", leave, followed=True)
    reply, blobs = pipe.receive(io.BytesIO(given.getvalue()))
    assert reply["error"] == "ImageError"
    assert reply["text"][0] == "A frame takes too long."
    assert reply["goes_on"]
    assert left
    assert not blobs


def test_a_frame_that_charls_is_busy_with_for_seconds_is_refused_at_once() -> None:
    frame = bytearray(imagecodecs.jpegls_encode(DEEP))
    frame[95], frame[-2] = 0x80, 0xDF  # it looks for the end that isn't there
    start = time.process_time()
    with pytest.raises(ImageError, match="end of a compressed frame"):
        check_frame(bytes(frame), "jpegls", (31, 24, 1))
    assert time.process_time() - start < 0.1


@pytest.mark.parametrize(
    ("frame", "kind", "syntax"),
    [
        (bytes(imagecodecs.jpeg8_encode(SMALL)), "jpeg", uids.JPEGBaseline8Bit),
        (jpeg_lossless(SMALL, 8), "jpeg", uids.JPEGLosslessSV1),
        (bytes(imagecodecs.jpegls_encode(SMALL)), "jpegls", uids.JPEGLSLossless),
    ],
)
def test_a_compressed_frame_without_its_end_is_refused(
    frame: bytes, kind: str, syntax: str
) -> None:
    for end in range(len(frame) // 2, len(frame) - 1, 7):
        with pytest.raises(ImageError, match="end of a compressed frame"):
            check_frame(frame[:end], kind, (31, 24, 1))
    with pytest.raises(ImageError, match="end of a compressed frame"):
        imaging.open(compressed([frame[:-40]], SMALL, syntax))
    imaging.open(compressed([frame + b"\xff"], SMALL, syntax))  # padded, as some do it
