"""What isn't read is named by its first bytes, with the next step."""

from __future__ import annotations

import gzip
import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from devtools.images.dicom import body, dicom, ramp
from devtools.images.photos import drawn, grey_tiff, saved, tiff
from edge_med import imaging
from edge_med.errors import ImageError
from edge_med.imaging.files import unread_formats
from edge_med.imaging.photo.photo import decode

BRANDS = [b"heic", b"heix", b"hevc", b"heim", b"mif1"]
NIFTI = (348).to_bytes(4, "little") + bytes(340) + b"n+1\0" + bytes(4)
ARRAY = io.BytesIO()
np.save(ARRAY, ramp(8))

OTHERS: dict[str, tuple[bytes, str, str]] = {
    **{
        f"HEIC, {brand.decode()}": (
            b"\0\0\0\x18ftyp" + brand + b"\0\0\0\0mif1heic",
            "a HEIC photo",
            "Most Compatible",
        )
        for brand in BRANDS
    },
    "PDF": (saved(drawn("RGB"), "PDF"), "a PDF", "pdftoppm -png"),
    "PDF after something": (b"\n\n%PDF-1.7\n", "a PDF", "page"),
    "NIfTI": (NIFTI, "a NIfTI volume", "DICOM"),
    "NIfTI, big endian": (NIFTI[3::-1] + NIFTI[4:], "a NIfTI volume", "DICOM"),
    "NIfTI-2": (b"\x1c\x02\0\0n+2\0\r\n\x1a\n" + bytes(500), "a NIfTI volume", "DICOM"),
    "NIfTI, packed": (gzip.compress(NIFTI), "a NIfTI volume that gzip has packed", "gunzip"),
    "DICOM, packed": (gzip.compress(dicom(ramp(12))), "a DICOM file that gzip has packed", "gunz"),
    "something packed": (gzip.compress(b"x"), "a file that gzip has packed", "gunzip"),
    "DICOM without a header": (
        body(dicom(ramp(12))),
        "DICOM without its header",
        "Export it again",
    ),
    "JPEG XL": (b"\xff\x0a" + bytes(9), "a JPEG XL", "PNG"),
    "PPM": (saved(drawn("RGB"), "PPM"), "a Netpbm", "PNG"),
    "ICO": (saved(drawn("RGB"), "ICO"), "an icon", "PNG"),
    "EPS": (saved(drawn("RGB"), "EPS"), "a PostScript", "PNG"),
    "BigTIFF": (saved(drawn("RGB"), "TIFF", big_tiff=True), "a BigTIFF", "region"),
    "MP4": (b"\0\0\0\x18ftypmp42" + bytes(9), "a video", "frame"),
    "WAV": (b"RIFF\x24\x00\x00\x00WAVEfmt ", "a sound", "PNG"),
    "SVG": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "an SVG", "PNG"),
    "web page": (b"<!DOCTYPE html><title>Log in</title>", "a web page", "image itself"),
    "Git LFS": (b"version https://git-lfs.github.com/spec/v1\noid x", "Git LFS", "git lfs pull"),
    "array": (ARRAY.getvalue(), "a NumPy array", "numpy.load"),
    "HDF5": (b"\x89HDF\r\n\x1a\n", "an HDF5 file", "DICOM"),
    "GGUF": (b"GGUF\3\0\0\0", "a model's file", "`model`"),
    "base64": (b"iVBORw0KGgo" * 20, "written in base64", "base64 -d"),
    "text": (b"This is no picture.", "file is a text", "text"),
    "UTF-16": ("Befund".encode("utf-16"), "file is a text", "text"),
    "empty": (b"", "file is empty", "Copy"),
    "unknown": (bytes(range(256)), "isn't of a known format", "AVIF, JPEG 2000 and DICOM are read"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_another_format_is_named_with_the_next_step(name: str) -> None:
    data, named, step = OTHERS[name]
    with pytest.raises(ImageError) as caught:
        imaging.open(data)
    assert named in caught.value.message
    assert step in caught.value.hint


@pytest.mark.parametrize("more", [{}, {330: 8}], ids=["pages", "pictures within"])
def test_tiles_in_several_sizes_are_a_whole_slide(more: dict[int, int]) -> None:
    tiles = {**grey_tiff(4, 4, 8), 322: 16, 323: 16, 324: 8, 325: 9, **more}
    data = tiff(tiles)
    end = 10 + 12 * len(tiles)
    following = data if more else data[:end] + (8).to_bytes(4, "little") + data[end + 4 :]
    with pytest.raises(ImageError, match="whole-slide image") as caught:
        imaging.open(following)
    assert "region" in caught.value.hint


@pytest.mark.parametrize("major", [b"avif", b"mif1"])
def test_an_avif_is_known_by_any_of_its_brands(major: bytes) -> None:
    data = saved(drawn("RGB"), "AVIF")
    found = decode(data.replace(b"ftypavif", b"ftyp" + major))
    assert found.steps[0] == "AVIF"
    assert np.array_equal(np.asarray(found.image), np.asarray(Image.open(io.BytesIO(data))))


@settings(max_examples=300)
@given(st.binary(max_size=700), st.sampled_from([data for data, _, _ in OTHERS.values()]))
def test_whatever_follows_a_mark_is_refused_in_words(data: bytes, start: bytes) -> None:
    error = unread_formats.unknown(start[:12] + data)
    assert error.message.startswith("The image")
    assert error.hint
