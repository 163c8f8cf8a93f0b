"""Small DICOM files of every kind. All names and numbers in them are invented."""

from __future__ import annotations

import io
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import imagecodecs
import numpy as np
import numpy.typing as npt
import pydicom.uid as uids
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.filewriter import dcmwrite
from pydicom.tag import Tag

from edge_med import imaging

Pixels = npt.NDArray[Any]

PLAIN = uids.ExplicitVRLittleEndian

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


def elements(pixels: npt.NDArray[Any], tags: Mapping[str, Any]) -> Dataset:
    """Elements of an image; its frames are along the first axis if it is grey and has three."""
    data = Dataset()
    data.set_original_encoding(is_implicit_vr=False, is_little_endian=True)
    colour = pixels.ndim == 3 and pixels.shape[-1] == 3
    rows, columns = pixels.shape[:2] if colour else pixels.shape[-2:]
    bits = pixels.dtype.itemsize * 8
    data.SOPClassUID, data.SOPInstanceUID = uids.CTImageStorage, uids.generate_uid()
    data.SeriesInstanceUID, data.Modality = "1.2.3", "OT"
    data.Rows, data.Columns, data.SamplesPerPixel = rows, columns, 3 if colour else 1
    data.PhotometricInterpretation = "RGB" if colour else "MONOCHROME2"
    data.BitsAllocated, data.BitsStored, data.HighBit = bits, bits, bits - 1
    data.PixelRepresentation = int(pixels.dtype.kind == "i")
    if colour:
        data.PlanarConfiguration = 0
    if pixels.ndim == 3 and not colour:
        data.NumberOfFrames = len(pixels)
    data.PixelData = pixels.tobytes()
    for name, value in tags.items():
        if value is not None:
            setattr(data, name, value)
        elif name in data:
            delattr(data, name)
    if "BitsStored" in tags and "HighBit" not in tags:
        data.HighBit = data.BitsStored - 1
    return data


def dicom(pixels: npt.NDArray[Any], syntax: str = PLAIN, **tags: Any) -> bytes:
    """A file with these pixels; a tag that is None is left out."""
    return written(elements(pixels, tags), syntax)


def written(data: Dataset, syntax: str = PLAIN) -> bytes:
    """The file of some elements."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = data.get("SOPClassUID", uids.CTImageStorage)
    meta.MediaStorageSOPInstanceUID = data.get("SOPInstanceUID", "1.2")
    meta.TransferSyntaxUID = uids.UID(syntax)
    file = FileDataset("", data, file_meta=meta, preamble=bytes(128))
    file["PixelData"].VR = "OB" if uids.UID(syntax).is_encapsulated else "OW"
    if uids.UID(syntax).is_encapsulated:
        file["PixelData"].is_undefined_length = True
    buffer = io.BytesIO()
    dcmwrite(buffer, file, enforce_file_format=True)
    return buffer.getvalue()


def compressed(
    frames: Sequence[bytes], pixels: npt.NDArray[Any], syntax: str, *, pieces: int = 1, **tags: Any
) -> bytes:
    """A file whose frames some encoder has written, each in so many fragments."""
    packed = encapsulate(list(frames), fragments_per_frame=pieces)
    return dicom(pixels, syntax, PixelData=packed, **tags)


def with_tables() -> bytes:
    """A mammogram with a modality LUT and a VOI LUT."""
    data = elements(ramp(8).astype(np.uint8), {"Modality": "MG"})
    for name in ("ModalityLUTSequence", "VOILUTSequence"):
        item = Dataset()
        item.LUTDescriptor, item.LUTData = (
            [256, 0, 16],
            (np.arange(256) * 257).astype("<u2").tobytes(),
        )
        setattr(data, name, [item])
    return written(data)


def under(data: bytes, syntax: str) -> bytes:
    """A file that says of itself that it is written in another syntax."""
    begin = data.index(b"\x02\x00\x10\x00UI")
    end = begin + 8 + int.from_bytes(data[begin + 6 : begin + 8], "little")
    uid = syntax.encode() + b"\0" * (len(syntax) % 2)
    return data[: begin + 6] + len(uid).to_bytes(2, "little") + uid + data[end:]


def deflated(body: bytes, bits: int = -zlib.MAX_WBITS) -> bytes:
    """A file whose elements are these, deflated (PS3.5 A.5)."""
    head = dicom(np.zeros((2, 2), np.uint8), uids.ImplicitVRLittleEndian)
    start = head.index(b"\x02\x00\x10\x00")
    engine = zlib.compressobj(9, zlib.DEFLATED, bits)
    uid = uids.DeflatedExplicitVRLittleEndian.encode()
    element = b"\x02\x00\x10\x00UI" + len(uid).to_bytes(2, "little") + uid
    return head[:start] + element + engine.compress(body) + engine.flush()


def body(data: bytes) -> bytes:
    """What follows the elements of group 2."""
    length = int.from_bytes(data[140:144], "little")
    return data[144 + length :]


def ramp(bits: int, height: int = 24, width: int = 31) -> npt.NDArray[np.uint16]:
    """Greys without any symmetry, from 0 to the most that so many bits hold."""
    y, x = np.mgrid[0:height, 0:width]
    top = (1 << bits) - 1
    grey: npt.NDArray[np.uint16] = ((x * 37 + y * 101) * 977 % (top + 1)).astype(np.uint16)
    grey[0, 0], grey[-1, -1] = 0, top
    return grey


PALETTE = ramp(8).astype(np.uint8)
"""Numbers of colours."""


def coloured(
    tables: list[bytes], syntax: str = PLAIN, *, entries: int = 256, bits: int = 16
) -> bytes:
    """A file of `PALETTE` with three tables, as they are stored."""
    tags: dict[str, Any] = {"PhotometricInterpretation": "PALETTE COLOR", "Modality": "US"}
    data = elements(PALETTE, tags)
    if syntax == uids.ExplicitVRBigEndian:  # its bytes lie two to a word
        data.PixelData = np.frombuffer(PALETTE.tobytes(), "<u2").byteswap().tobytes()
    for name, table in zip(("Red", "Green", "Blue"), tables, strict=True):
        data.add_new(Tag(f"{name}PaletteColorLookupTableDescriptor"), "US", [entries, 0, bits])
        data.add(DataElement(Tag(f"{name}PaletteColorLookupTableData"), "OW", table))
    return written(data, syntax)


def jpeg_lossless(pixels: npt.NDArray[Any], bits: int) -> bytes:
    """A frame of JPEG lossless."""
    return bytes(imagecodecs.jpeg8_encode(pixels, lossless=True, bitspersample=bits))


def rle(pixels: Pixels) -> bytes:
    """A frame of DICOM's run lengths, all of literal runs (PS3.5 annex G)."""
    planes = [pixels >> 8, pixels & 255] if pixels.dtype.itemsize == 2 else [pixels]
    segments = []
    for plane in planes:
        flat = plane.astype(np.uint8).tobytes()
        runs = [flat[start : start + 128] for start in range(0, len(flat), 128)]
        segment = b"".join(bytes([len(run) - 1]) + run for run in runs)
        segments.append(segment + b"\x80" * (len(segment) % 2))
    places = [64 + sum(map(len, segments[:n])) for n in range(len(segments))]
    header = [len(segments), *places, *[0] * (15 - len(segments))]
    return np.array(header, "<u4").tobytes() + b"".join(segments)


def ct_slice(depth: float, **tags: Any) -> bytes:
    """A slice of a CT at some depth; its HU are 10 times that and more to the right."""
    hounsfield = (np.arange(16)[None, :] + np.zeros((16, 1)) + round(depth * 10)).astype(np.int16)
    given: dict[str, Any] = {
        "Modality": "CT",
        "ImagePositionPatient": [0.0, 0.0, depth],
        "ImageOrientationPatient": list(AXIAL),
        "InstanceNumber": round(depth) + 1,
        "RescaleSlope": 1,
        "RescaleIntercept": -1024,
        **tags,
    }
    return dicom((hounsfield + 1024).astype(np.int16), **given)


def shown(data: bytes, **options: Any) -> Pixels:
    """One channel of a picture's own pixels."""
    grey: Pixels = rgb(data, **options)[:, :, 0]
    return grey


def rgb(data: bytes, **options: Any) -> Pixels:
    """A picture's own pixels, cut out of its padded square."""
    width, height = imaging.open(data, side=1, **options).original_size
    side = max(width, height)
    left, top = (side - width) // 2, (side - height) // 2
    square = imaging.open(data, side=side, **options).pixels
    cut: Pixels = square[top : top + height, left : left + width]
    return cut


def full_range(pixels: Pixels) -> Pixels:
    """From the least to the greatest, in eight bits."""
    low, high = float(pixels.min()), float(pixels.max())
    shares: Pixels = (pixels - low) / (high - low)
    scaled: Pixels = np.rint(shares * 255).astype(np.uint8)
    return scaled


def x_ray(pixels: Pixels, *, inverted: bool = False) -> Pixels:
    """What Google's code makes of an X-ray, in the steps of image_utils.py and predictor.py."""
    low, high = pixels.min(), pixels.max()
    image = np.interp(pixels, (low, high), (0, 65_535)).astype(np.uint16)
    image = 65_535 - image if inverted else image
    scaled: Pixels = np.round(image / (65_535 / 255), 0).astype(np.uint8)
    return scaled
