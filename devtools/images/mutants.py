"""Damaged files: samples of every kind with some bytes changed, and how they are opened."""

from __future__ import annotations

import random
import struct
import time
import zlib

import imagecodecs
import numpy as np
import pydicom.uid as uids

from devtools.images.dicom import (
    body,
    coloured,
    compressed,
    ct_slice,
    deflated,
    dicom,
    jpeg_lossless,
    ramp,
    rle,
    under,
    with_tables,
)
from devtools.images.enhanced import enhanced
from devtools.images.photos import chunk, scene
from edge_med import imaging
from edge_med.errors import ImageError
from edge_med.imaging.sandbox.pool import POOL, Process

SIDE = 16

LONGEST = 2.0
"""Seconds for a file, in a process that has started; the samples take a few hundredths."""

BEGINNINGS = ("The ", "A ", "This ", "There ", "Pixels ", "Nothing ", "Several ", "All ")
"""How an error of an image begins: in words for people."""

GREY, DEEP = ramp(8).astype(np.uint8), ramp(12)
TABLE = np.arange(256) * 257

DICOM = {
    "explicit": dicom(DEEP, Modality="DX", BitsStored=12),
    "implicit": dicom(
        DEEP, uids.ImplicitVRLittleEndian, Modality="MG", WindowCenter=9, WindowWidth=9
    ),
    "big endian": dicom(DEEP.byteswap(), uids.ExplicitVRBigEndian, Modality="MR"),
    "without a mark": body(dicom(DEEP, uids.ImplicitVRLittleEndian)),
    "deflated": deflated(body(dicom(DEEP, Modality="CR"))),
    "RGB": dicom(scene(31, 24), Modality="XC"),
    "palette": coloured([TABLE.astype(">u2").tobytes()] * 3, uids.ExplicitVRBigEndian),
    "frames": dicom(np.stack([DEEP] * 3), Modality="XA"),
    "CT": ct_slice(3.0),
    "enhanced CT": enhanced(),
    "RLE": compressed([rle(GREY)], GREY, uids.RLELossless, Modality="US"),
    "JPEG": compressed(
        [bytes(imagecodecs.jpeg8_encode(GREY))], GREY, uids.JPEGBaseline8Bit, Modality="US"
    ),
    "JPEG extended": compressed(
        [bytes(imagecodecs.jpeg8_encode(DEEP, bitspersample=12))], DEEP, uids.JPEGExtended12Bit
    ),
    "JPEG lossless": compressed([jpeg_lossless(DEEP, 12)], DEEP, uids.JPEGLosslessSV1),
    "JPEG-LS": compressed([bytes(imagecodecs.jpegls_encode(DEEP))], DEEP, uids.JPEGLSLossless),
    "JPEG 2000": compressed(
        [bytes(imagecodecs.jpeg2k_encode(DEEP, codecformat="J2K", level=0))],
        DEEP,
        uids.JPEG2000Lossless,
    ),
    "HTJ2K": compressed([bytes(imagecodecs.htj2k_encode(DEEP))], DEEP, uids.HTJ2KLossless),
    "JPEG XL": under(
        compressed([bytes(imagecodecs.jpegxl_encode(DEEP))], DEEP, uids.RLELossless),
        "1.2.840.10008.1.2.4.112",
    ),
    "deflated frames": under(
        compressed([zlib.compress(DEEP.tobytes(), wbits=-15)], DEEP, uids.RLELossless),
        "1.2.840.10008.1.2.8.1",
    ),
    "fragments": compressed(
        [bytes(imagecodecs.jpegls_encode(GREY))] * 3,
        np.stack([GREY] * 3),
        uids.JPEGLSLossless,
        pieces=2,
        Modality="US",
    ),
    "group 2 first": dicom(DEEP, Modality="DX", BitsStored=12)[132:],
    "tables": with_tables(),
}


WAYS = 4


def change(changed: bytearray, place: int, how: int, lot: random.Random) -> None:
    """Change, leave out or double some bytes, in one of `WAYS`."""
    match how:
        case 0:
            changed[place] = lot.randrange(256)
        case 1:
            changed[place] ^= 1 << lot.randrange(8)
        case 2:
            del changed[place : place + lot.randint(1, 8)]
        case 3:
            changed[place:place] = changed[place : place + lot.randint(1, 40)]


def dicom_mutant(data: bytes, lot: random.Random) -> bytes:
    """A file with some bytes changed, left out or doubled; most of them behind its preamble."""
    changed, behind = bytearray(data), 132 if data[128:132] == b"DICM" else 0
    for _ in range(lot.randint(1, 6)):
        place = lot.randrange(behind if lot.random() < 0.9 else 0, len(changed) - 1)
        if (how := lot.randrange(5)) < WAYS:
            change(changed, place, how, lot)
        else:
            changed[place : place + 2] = struct.pack("<H", lot.choice((0, 1, 255, 65535)))
    return bytes(changed) if lot.random() < 0.95 else bytes(changed[: lot.randrange(len(changed))])


def photo_mutant(data: bytes, lot: random.Random) -> bytes:
    """A file with some bytes changed, left out or doubled; PNG's checksums are made right again."""
    changed = bytearray(data)
    for _ in range(lot.randint(1, 6)):
        place = lot.randrange(len(changed) - 1)
        change(changed, place, lot.randrange(WAYS), lot)
    return checked_again(bytes(changed))


def checked_again(data: bytes) -> bytes:
    """A PNG's checksums made right, as far as it has chunks, so that mutants get past them."""
    if not data.startswith(b"\x89PNG\r\n\x1a\n"):
        return data
    made, place = data[:8], 8
    while place + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, place)
        made += chunk(kind, data[place + 8 : place + 8 + length])
        place += 12 + length
    return made


Found = imaging.Picture | imaging.Study | None


def opened(data: bytes) -> Found:
    """What a file holds, or nothing if it was refused as it should be."""
    try:
        return imaging.open(data, side=SIDE, slices="auto")
    except ImageError as error:
        assert error.hint
        assert error.message.startswith(BEGINNINGS)
        return None


def timed(data: bytes) -> tuple[Found, float]:
    """The same, soon, and the seconds that it took: at the second try, if others were before it."""
    _ready()
    for last in (False, True):
        start = time.monotonic()
        found = opened(data)
        seconds = time.monotonic() - start
        if seconds < LONGEST:
            break
        assert not last
    return found, seconds


def _ready() -> None:
    """Have all processes started, where some were ended with a mutant."""
    job = {"job": "describe", "paths": [None], "images": 1}
    while len(POOL.idle) < POOL.most:
        process = Process(kind="dicom")
        process.call(job, [b"nothing"], 60.0)
        POOL._idle.append(process)
