"""Store what other decoders make of pydicom's test files, in tests/golden/dicom.json and the docs.

python -m scripts.make_golden_dicom

Pixels are pydicom's with every decoder but ours: its own for RLE, Pillow, pyjpegls, pylibjpeg with
pylibjpeg-openjpeg; and pylibjpeg-libjpeg for JPEG lossless, which is GPL and never a dependency:
install it beside for this script, with pip install pylibjpeg-libjpeg.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.pixels.utils import pixel_array
from pydicom.uid import JPEGBaseline8Bit, JPEGExtended12Bit

from edge_med import imaging
from edge_med.errors import ImageError

ROOT = Path(__file__).parents[1]
GOLDEN, DOCS = ROOT / "tests/golden/dicom.json", ROOT / "docs/evidence/images.md"
DATA = Path(pydicom.__file__).parent / "data"
NO_DICOM = {".txt", ".md", ".json", ".py", ".pyc", ".icc", ".dump", ".gz"}
GREY = ("MONOCHROME1", "MONOCHROME2", "PALETTE COLOR")
BEGIN, END = "<!-- made by devtools/make_golden_dicom.py -->", "<!-- end -->"
NAMED = 6
"""Files of a row that the docs name."""

TOOLS = ("pydicom", "pillow", "numpy", "pyjpegls", "pylibjpeg-openjpeg", "pylibjpeg-rle")


def main() -> None:
    warnings.simplefilter("ignore")
    version("pylibjpeg-libjpeg")  # ends here: without it JPEG lossless would go unchecked
    files = [row(path) for path in shipped()]
    tools = {name: version(name) for name in TOOLS}
    golden = {"made_with": tools, "files": files}
    GOLDEN.write_text(json.dumps(golden, indent=1) + "\n", "utf-8")
    text = DOCS.read_text("utf-8")
    before, _, rest = text.partition(BEGIN)
    DOCS.write_text(f"{before}{BEGIN}\n\n{table(files)}\n\n{END}{rest.partition(END)[2]}", "utf-8")
    print(table(files))


def shipped() -> Iterator[Path]:
    """DICOM files that come with pydicom, and those that only look like it."""
    for path in sorted(DATA.rglob("*")):
        if path.is_file() and path.suffix not in NO_DICOM and path.name != "README":
            yield path


def row(path: Path) -> dict[str, Any]:
    """A file's verdict, and what other decoders make of its first frame."""
    try:
        picture = imaging.open(path, side=8)
        verdict, modality = "read", picture.about.modality
    except ImageError as error:
        verdict, modality = error.message, None
    return {
        "file": path.relative_to(DATA).as_posix(),
        "syntax": syntax(path),
        "modality": modality,
        "verdict": verdict,
        **(pixels(path) if verdict == "read" else {"pixels": None}),
    }


def syntax(path: Path) -> str:
    """How it is written, in pydicom's words."""
    try:
        return str(pydicom.dcmread(path, stop_before_pixels=True).file_meta.TransferSyntaxUID.name)
    except Exception:  # noqa: BLE001 - pydicom raises what it meets
        return "not said"


def pixels(path: Path) -> dict[str, Any]:
    """The first frame by other decoders; `pixels` is None if none of them reads it.

    Decoders of lossy JPEG may differ by their rounding. Pillow has the same library as ours, and is
    equal; for 12 bits there is another one alone, of which some pixels are stored.
    """
    try:
        data = pydicom.dcmread(path)
        uid = data.file_meta.TransferSyntaxUID
        options: dict[str, Any] = {"decoding_plugin": "pillow"} if uid == JPEGBaseline8Bit else {}
        grey = data.PhotometricInterpretation in GREY
        found = pixel_array(data, index=0, raw=grey, **options)
    except Exception:  # noqa: BLE001 - pydicom raises what it meets
        return {"pixels": None}
    if uid == JPEGExtended12Bit:
        return {"pixels": None, "samples": samples(found)}
    return {"pixels": digest(found)}


def samples(numbers: Any) -> list[int]:
    """Every thousandth number."""
    return [int(number) for number in np.ravel(numbers)[::1000]]


def digest(numbers: Any) -> str:
    """SHA-256 of whole numbers in 32 bits, row by row."""
    return hashlib.sha256(np.ascontiguousarray(numbers, "<i4").tobytes()).hexdigest()


def table(files: list[dict[str, Any]]) -> str:
    """For docs: a row for each way of writing and verdict."""
    groups: dict[tuple[str, str, str], list[str]] = {}
    for file in files:
        key = (file["syntax"], file["verdict"], held(file))
        groups.setdefault(key, []).append(f"`{file['file'].rpartition('/')[2]}`")
    head = "| written as | files of pydicom | | verdict | pixels |\n|---|---|---|---|---|"
    rows = [
        f"| {way} | {len(names)} | {', '.join(names[:NAMED])}{', …' if names[NAMED:] else ''} "
        f"| {verdict} | {how} |"
        for (way, verdict, how), names in sorted(groups.items())
    ]
    return "\n".join([head, *rows])


def held(file: dict[str, Any]) -> str:
    """What its pixels are held against."""
    if file["verdict"] != "read":
        return ""
    if file["pixels"]:
        return "equal to other decoders'"
    return "within 1 of another decoder's" if "samples" in file else "no other decoder reads it"
