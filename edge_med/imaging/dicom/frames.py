"""One frame of a DICOM image as an array, once its header was checked."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
import numpy.typing as npt
import pydicom.uid as uids
from pydicom.encaps import encapsulate
from pydicom.pixels.utils import as_pixel_options

from edge_med.errors import ImageError
from edge_med.imaging import time_limit
from edge_med.imaging.dicom import jpegxl
from edge_med.imaging.dicom.dataset import DicomHeader
from edge_med.imaging.dicom.header_checks import (
    COLOUR,
    PACKED,
    contradicts,
    frame_bytes,
    frames,
    kind,
    syntax,
)
from edge_med.imaging.dicom.pixel_data import Pixels
from edge_med.imaging.dicom.syntaxes import PLUGIN, check_frame, decoder
from edge_med.imaging.file_limits import DAMAGED

PLAIN = uids.ExplicitVRLittleEndian


def decode(data: DicomHeader, index: int) -> npt.NDArray[Any]:
    """Decode one frame of a file that was checked.

    Returns:
        patterns of bits in uint8 or uint16 of the shape (rows, columns) for grey and palettes;
        RGB of the shape (rows, columns, 3) for colours.

    Raises:
        ImageError: there is no such frame, or it can't be decoded.
    """
    if not 0 <= index < (count := frames(data)):
        raise ImageError(
            f"The DICOM image has {'1 frame' if count == 1 else f'{count} frames'}.",
            f"Leave out `frame`{'' if count == 1 else ', or give the number of one of them'}.",
        )
    assert data.pixels
    if data.BitsAllocated == PACKED:
        return _unpacked(data, data.pixels, index)
    source, samples = _source(data, data.pixels, index), 3 if kind(data) in COLOUR else 1
    check_frame(source, syntax(data).frame, (data.Columns, data.Rows, samples))
    what = f"A frame of the DICOM image ({syntax(data).name})"
    try:
        with time_limit.within(data.Rows * data.Columns * samples, what):
            pixels = _decoded(data, source)
    except ImageError:
        raise
    except Exception:  # noqa: BLE001 - decoders raise what a damaged frame makes them meet
        raise ImageError(
            f"The DICOM image can't be decoded: its transfer syntax is {syntax(data).name}.",
            DAMAGED,
        ) from None
    native = pixels.astype(pixels.dtype.newbyteorder("="), copy=False)
    return native.view(f"u{native.dtype.itemsize}")


def _source(data: DicomHeader, pixels: Pixels, index: int) -> bytes:
    """The bytes of one frame, as they are written."""
    size = frame_bytes(data, data.Rows * data.Columns * data.BitsAllocated // 8)
    if syntax(data).frame:
        found = pixels.compressed(index, frames(data), _offsets(data))
        return _inflated(found, size) if syntax(data).frame == "deflated" else found
    words = data.BitsAllocated == 8 and not pixels.form.little and pixels.kind == "OW"
    return pixels.plain(index * size, size, words=words)


def _inflated(source: bytes, size: int) -> bytes:
    """A deflated frame, of which no more than it should have is made (PS3.5 A.4.13)."""
    try:
        found = zlib.decompressobj(-zlib.MAX_WBITS).decompress(source, size)
    except zlib.error:
        found = b""
    if len(found) < size:
        raise ImageError("A compressed frame of the DICOM image is damaged.", DAMAGED)
    return found


def _offsets(data: DicomHeader) -> list[int]:
    """Where the compressed frames begin, if a file has a table of that (PS3.5 A.4)."""
    table = data.get("ExtendedOffsetTable")
    return np.frombuffer(table, "<u8").tolist() if isinstance(table, bytes) else []


def _decoded(data: DicomHeader, source: bytes) -> npt.NDArray[Any]:
    """A frame by our decoders, with pydicom's rules of colours, signs and planes around them."""
    frame, grey = syntax(data).frame, kind(data) not in COLOUR
    if frame == "jpegxl":
        return _whole(data, jpegxl.decode(source))
    uid = PLAIN if frame == "deflated" else str(data.file_meta.TransferSyntaxUID)
    options: dict[str, Any] = {
        **as_pixel_options(data),
        "photometric_interpretation": kind(data),
        "samples_per_pixel": 1 if grey else 3,
        "planar_configuration": data.get("PlanarConfiguration") or 0,
        "number_of_frames": 1,
        "extended_offsets": None,
        "pixel_keyword": "PixelData",
        "pixel_vr": "OB",  # what was in words is turned round already
        "correct_unused_bits": False,  # `grayscale.stored_values` does, by the high bit
    }
    if frame and uid != PLAIN:
        source, options["decoding_plugin"] = encapsulate([source], has_bot=False), PLUGIN
    elif grey:
        options["view_only"] = True
    return decoder(uid).as_array(source, index=0, raw=grey, **options)[0]  # type: ignore[no-any-return]


def _whole(data: DicomHeader, pixels: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """A frame that its decoder has made grey or RGB, if it has as many colours as its file says."""
    shape = (data.Rows, data.Columns) if kind(data) not in COLOUR else (data.Rows, data.Columns, 3)
    if pixels.shape != shape or pixels.dtype not in (np.uint8, np.uint16):
        raise contradicts(data, "SamplesPerPixel")
    return pixels


def _unpacked(data: DicomHeader, pixels: Pixels, index: int) -> npt.NDArray[np.uint16]:
    """A frame of packed pixels: two in three bytes, the lower bits first (PS3.5-2008, D.2)."""
    count = data.Rows * data.Columns
    skipped, pairs = index * count % 2, (index * count % 2 + count + 1) // 2
    begin = index * count // 2 * 3
    packed = pixels.plain(begin, min(3 * pairs, pixels.there - begin)).ljust(3 * pairs, b"\0")
    first, middle, last = np.frombuffer(packed, np.uint8).reshape(-1, 3).T.astype(np.uint16)
    whole = np.stack([first | (middle & 15) << 8, middle >> 4 | last << 4], axis=1).ravel()
    return whole[skipped : skipped + count].reshape(data.Rows, data.Columns)
