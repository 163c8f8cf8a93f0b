"""Transfer syntaxes: which are read, and what decodes their frames.

pydicom keeps the rules of colours, signs and packing around a frame. The frame itself is decoded by
imagecodecs, for all of them alike; it alone is permissively licensed and reads JPEG lossless, which
clinics have most.
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pydicom.uid as uids
from pydicom.pixels.decoders.base import get_decoder

from edge_med.errors import ImageError
from edge_med.imaging.dicom import jpegxl
from edge_med.imaging.file_limits import DAMAGED

PLUGIN = "edge_med"


class Syntax(NamedTuple):
    """How a file is written.

    Attributes:
        name: name for people.
        implicit: whether elements don't name their kind (VR).
        little: whether the byte order is little endian.
        frame: format of a compressed frame; None if frames aren't compressed.
    """

    name: str
    implicit: bool = False
    little: bool = True
    frame: str | None = None


SYNTAXES: dict[str, Syntax] = {
    uids.ImplicitVRLittleEndian: Syntax("implicit little endian", implicit=True),
    uids.ExplicitVRLittleEndian: Syntax("explicit little endian"),
    uids.ExplicitVRBigEndian: Syntax("explicit big endian", little=False),
    uids.DeflatedExplicitVRLittleEndian: Syntax("deflated"),
    uids.RLELossless: Syntax("RLE", frame="rle"),
    uids.JPEGBaseline8Bit: Syntax("JPEG baseline", frame="jpeg"),
    uids.JPEGExtended12Bit: Syntax("JPEG extended", frame="jpeg"),
    uids.JPEGLossless: Syntax("JPEG lossless", frame="jpeg"),
    uids.JPEGLosslessSV1: Syntax("JPEG lossless, first order", frame="jpeg"),
    uids.JPEGLSLossless: Syntax("JPEG-LS lossless", frame="jpegls"),
    uids.JPEGLSNearLossless: Syntax("JPEG-LS near-lossless", frame="jpegls"),
    uids.JPEG2000Lossless: Syntax("JPEG 2000 lossless", frame="jpeg2k"),
    uids.JPEG2000: Syntax("JPEG 2000", frame="jpeg2k"),
    uids.HTJ2KLossless: Syntax("HTJ2K lossless", frame="jpeg2k"),
    uids.HTJ2KLosslessRPCL: Syntax("HTJ2K lossless, by resolutions", frame="jpeg2k"),
    uids.HTJ2K: Syntax("HTJ2K", frame="jpeg2k"),
    "1.2.840.10008.1.2.4.110": Syntax("JPEG XL lossless", frame="jpegxl"),
    "1.2.840.10008.1.2.4.111": Syntax("JPEG XL of a JPEG", frame="jpegxl"),
    "1.2.840.10008.1.2.4.112": Syntax("JPEG XL", frame="jpegxl"),
    "1.2.840.10008.1.2.8.1": Syntax("deflated frames", frame="deflated"),
}
"""PS3.5, annex A, without video, references and the retired ones. pydicom doesn't know JPEG XL and
deflated frames."""

_OURS = ("jpegxl", "deflated")
"""Kinds of frames that pydicom isn't asked to decode."""

OTHERS = {
    "1.2.840.10008.1.2.7.1": "SMPTE ST 2110-20 Uncompressed Progressive Active Video",
    "1.2.840.10008.1.2.7.2": "SMPTE ST 2110-20 Uncompressed Interlaced Active Video",
    "1.2.840.10008.1.2.7.3": "SMPTE ST 2110-30 PCM Digital Audio",
}
"""Names of those that aren't read and that pydicom doesn't know (PS3.6, A)."""

_SOF = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC} | {0xF7}
"""JPEG's frame headers (ITU-T T.81, table B.1), and that of JPEG-LS (T.87, table C.1)."""

_ENDED, _EOI = ("jpeg", "jpegls"), b"\xff\xd9"
"""Kinds of frames that end with a mark (ITU-T T.81, table B.1). Without it libjpeg makes up what is
missing, and CharLS may search for seconds."""

_PADDED = 10
"""Bytes at the end in which it lies; some pad by more than the one that there may be."""

_SIZ = b"\xff\x4f\xff\x51"
"""How a JPEG 2000 codestream begins (ITU-T T.800, A.4.1 and A.5.1)."""


def register() -> None:
    """Teach pydicom our decoder; harmless when done twice."""
    for uid, syntax in SYNTAXES.items():
        if syntax.frame and syntax.frame not in _OURS:
            decoder = get_decoder(uid)
            if PLUGIN not in decoder.available_plugins:
                decoder.add_plugin(PLUGIN, (__name__, f"decode_{syntax.frame}"))


def is_available(uid: str) -> bool:
    """What pydicom asks a plugin before it is added."""
    return uid in SYNTAXES


DECODER_DEPENDENCIES = {uids.UID(uid): ("imagecodecs",) for uid, s in SYNTAXES.items() if s.frame}
"""What pydicom reads of a plugin."""


def check_frame(source: bytes, frame: str | None, size: tuple[int, int, int]) -> None:
    """Hold what a compressed frame says against its file, before a decoder makes room for it.

    Args:
        source: bytes of the frame.
        frame: format of the frame.
        size: width, height and samples of a pixel that the file says.

    Raises:
        ImageError: they differ, the frame doesn't say, or its end is missing.
    """
    if frame in _ENDED and _EOI not in source[-_PADDED:]:
        raise ImageError("The end of a compressed frame of the DICOM image is missing.", DAMAGED)
    if frame in _SIZES:
        try:
            found = _SIZES[frame](source)
        except struct.error:
            raise _broken() from None
        if found != size[: len(found)]:
            raise ImageError(
                "A compressed frame of the DICOM image has another size than its file says: "
                f"{_sized(found)}, and not {_sized(size[: len(found)])}.",
                DAMAGED,
            )


def _sized(size: tuple[int, ...]) -> str:
    """As in 512 x 512 pixels of 3 colours."""
    colours = f" of {size[2]} colour{'s' * (size[2] != 1)}" if size[2:] else ""
    return f"{size[0]} x {size[1]} pixels{colours}"


def _jpeg_size(source: bytes) -> tuple[int, ...]:
    place = 2
    while place + 10 <= len(source):
        mark, code, length = struct.unpack_from(">BBH", source, place)
        if mark != 0xFF or length < 2:
            break
        if code == 0xFF:  # filling
            place += 1
        elif code in _SOF:
            _, height, width, samples = struct.unpack_from(">BHHB", source, place + 4)
            return width, height, samples
        else:
            place += 2 + length
    raise _broken()


def _jpeg2k_size(source: bytes) -> tuple[int, ...]:
    start = source.find(_SIZ, 0, 4096)
    if start < 0:
        raise _broken()
    width, height, left, top = struct.unpack_from(">IIII", source, start + 8)
    (samples,) = struct.unpack_from(">H", source, start + 40)
    return width - left, height - top, samples


_SIZES: dict[str, Callable[[bytes], tuple[int, ...]]] = {
    "jpeg": _jpeg_size,
    "jpegls": _jpeg_size,
    "jpeg2k": _jpeg2k_size,
    "jpegxl": jpegxl.size,
}
"""Functions that read the size of a compressed frame; run lengths don't have it."""


def decode_jpeg(source: bytes, runner: Any) -> bytearray:
    """A frame of JPEG baseline, extended or lossless; colours stay as they are in it."""
    import imagecodecs

    # One colour space in and out: pydicom converts by what the file says of its colours.
    space = "YCBCR" if runner.samples_per_pixel == 3 else None
    return _copied(imagecodecs.jpeg8_decode(source, colorspace=space, outcolorspace=space), runner)


def decode_jpegls(source: bytes, runner: Any) -> bytearray:
    """A frame of JPEG-LS."""
    import imagecodecs

    return _copied(imagecodecs.jpegls_decode(source), runner)


def decode_jpeg2k(source: bytes, runner: Any) -> bytearray:
    """A frame of JPEG 2000, HTJ2K too, whose colours the decoder makes RGB."""
    import imagecodecs

    pixels = imagecodecs.jpeg2k_decode(source, numthreads=1, planar=False)
    if runner.photometric_interpretation in ("YBR_ICT", "YBR_RCT"):
        runner.set_option("photometric_interpretation", "RGB")
    return _copied(pixels, runner)


def decode_rle(source: bytes, runner: Any) -> bytearray:
    """A frame of DICOM's run lengths; its parts are planes of bytes, the upper ones first."""
    import imagecodecs

    width = runner.bits_allocated // 8
    size = width * runner.samples_per_pixel * runner.rows * runner.columns
    pixels = bytearray(size)  # a longer result doesn't fit, and is refused
    imagecodecs.dicomrle_decode(source, dtype=f"<u{width}", out=pixels)
    runner.set_option("planar_configuration", 1)
    return pixels


def _copied(pixels: np.ndarray[Any, Any], runner: Any) -> bytearray:
    """A decoded frame as pydicom wants it: its bytes, and how wide its numbers are."""
    runner.set_option("bits_allocated", pixels.dtype.itemsize * 8)
    if runner.samples_per_pixel > 1:
        runner.set_option("planar_configuration", 0)
    return bytearray(np.ascontiguousarray(pixels).tobytes())


def _broken() -> ImageError:
    return ImageError("A compressed frame of the DICOM image is damaged.", DAMAGED)


@functools.cache
def decoder(uid: str) -> Any:
    """Pydicom's decoder of a syntax, with ours in it."""
    register()
    return get_decoder(uid)
