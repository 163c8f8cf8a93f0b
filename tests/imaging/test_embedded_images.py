"""Images that stand in a text as letters, and letters that are none."""

from __future__ import annotations

import base64
import gzip
import io
import json
import urllib.parse
import zipfile

import pytest

from devtools.images.dicom import dicom, ramp
from devtools.images.photos import FILES
from edge_med.imaging.files.embedded_images import holds_image


def zipped(file: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as folder:
        folder.writestr("chest", file)
    return buffer.getvalue()


DICOM = dicom(ramp(8))
READ = {**FILES, "DICOM": DICOM, "DICOM and TIFF": b"II*\0\1\2\3" + DICOM[7:]}
REST = bytes(range(200))
OTHERS = {
    "a zip": zipped(DICOM),
    "gzip": gzip.compress(DICOM),
    "a PDF": b"%PDF-1.7\n" + REST,
    "a BigTIFF": b"II+\0\x08\0\0\0" + REST,
    "a BigTIFF, big endian": b"MM\0+\0\x08\0\0" + REST,
    "HEIC": b"\0\0\0\x18ftypheic" + REST,
    "JPEG XL": b"\0\0\0\x0cJXL \r\n\x87\n" + REST,
    "JPEG XL without a box": b"\xff\x0a" + REST,
    "DICOM without its preamble": DICOM[132:],
    "DICOM without its header": b"\x08\0\x05\0\x0a\0\0\0ISO_IR 100" + REST,
}
PNG, JPEG = FILES["PNG RGB"], FILES["JPEG RGB"]


@pytest.mark.parametrize("kind", READ)
def test_every_format_that_is_read_is_known_as_letters(kind: str) -> None:
    for letters in (base64.b64encode, base64.urlsafe_b64encode, base64.encodebytes):
        assert holds_image(f"Look: {letters(READ[kind]).decode()}")


@pytest.mark.parametrize("kind", OTHERS)
def test_what_may_hold_an_image_is_known_as_letters(kind: str) -> None:
    assert holds_image(f"Look: {base64.b64encode(OTHERS[kind]).decode()}")


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({"image": base64.b64encode(JPEG).decode()}).replace("/", "\\/"),
        json.dumps({"image": f"\n{base64.encodebytes(PNG).decode()}"}),
        " ".join(base64.b64encode(PNG).decode()[n : n + 4] for n in range(0, 400, 4)),
        urllib.parse.quote(base64.b64encode(JPEG).decode(), safe=""),
        f"data:image/png,{urllib.parse.quote(PNG)}",
        f"data:application/zip;base64,{base64.b64encode(zipped(PNG)).decode()}",
        f"data:image/png;name=a.png;base64,{base64.b64encode(PNG).decode()}",
        *(JPEG.hex(), PNG.hex(" ").upper(), zipped(PNG).hex(":"), DICOM.hex()),
        ", ".join(map(hex, PNG)),
        str(list(PNG)),
        f"Look: {PNG!r}",
        f"Look: {JPEG!r}",
    ],
    ids=lambda text: text[:24],
)
def test_an_image_is_known_however_its_letters_are_written(text: str) -> None:
    assert holds_image(text)


@pytest.mark.parametrize(
    "text",
    [
        base64.b64encode(b"the heart is of a normal size " * 20).decode(),
        "A" * 400,
        "CAAGACTAAAGGCTTACCGATAGCATTCGATCGGCTAATCGGATATCGCTAA" * 3,
        "CAAKAFLLMKTAYIAKQRQISFVKSHFSRQLEERLGLIEVQAPILSRVGDG" * 3,
        "CAA/AFib and hypertension, anticoagulation after haemorrhage is debated",
        "/data/Projects/Study2026/patients/0042/series-3/report",
        f"sha256: ffd8ff{'0123456789' * 6}"[:72],
        "1.2.840.113619.2.55.3.604688119.971.1246549394.424",
        "Which colours are 255, 216, 255 and 137, 80, 78?",
        "What does data:image/png, mean in an address?",
        "data:text/plain;base64,aGVsbG8=",
        "PK 3 4 and RIFF, GIF89a or %PDF-1.7 are how files begin",
        r"C:\new\reports\table.txt",
        "-" * 500,
    ],
)
def test_other_letters_hold_none(text: str) -> None:
    assert not holds_image(text)
