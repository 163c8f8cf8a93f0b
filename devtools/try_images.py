"""Open each file and folder below a folder, and print a table of what has come of it.

python -m scripts.try_images FOLDER [--each]

Rows are of what was said, with how many files or folders it was said of, and one of them by name;
`--each` has a row for each. A column tells whether pydicom or Pillow reads such a file by itself:
where they do and edge-med doesn't, the words should say why. Ends with 1 if something was neither
opened nor refused with an error of ours, or took too long.
"""

from __future__ import annotations

import argparse
import re
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from PIL import Image
from pydicom.pixels.utils import pixel_array

from edge_med import imaging
from edge_med.errors import EdgeMedError
from edge_med.imaging.sandbox.pool import POOL

LONGEST = 20.0
"""Seconds for a file, or for a folder of some hundreds."""

SIDE = 64
"""Pixels of the square: how files are opened is tried here, and not how they are fitted."""

NUMBER = re.compile(r"\d[\d,.]*")


class Tried(NamedTuple):
    """What has come of a file or folder.

    Attributes:
        path: of it, below the folder.
        kind: `file` or `folder`.
        said: in a row's words; a fault begins with `FAULT`.
        peer: whether another reader opened it.
        seconds: that it took.
    """

    path: str
    kind: str
    said: str
    peer: str
    seconds: float


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--each", action="store_true", help="a row for each file and folder")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    found = [tried(path, options.folder) for path in wanted(options.folder)]
    POOL.close()
    print("| | | said | read by | longest, s |\n|---|---|---|---|---|")
    for line in each(found) if options.each else grouped(found):
        print(line)
    faults = [one for one in found if one.said.startswith("FAULT") or one.seconds > LONGEST]
    print(f"\n{len(found)} tried, {len(faults)} faults")
    for one in faults:
        print(f"{one.path}: {one.said}, {one.seconds:.1f} s")
    return bool(faults)


def wanted(folder: Path) -> Iterator[Path]:
    """The files below a folder, and the folders that hold more than one thing."""
    for path in sorted([folder, *folder.rglob("*")]):
        if path.is_file() or (path.is_dir() and len(list(path.iterdir())) > 1):
            yield path


def tried(path: Path, folder: Path) -> Tried:
    """Open a file or a folder as `view` does."""
    start = time.monotonic()
    try:
        said = opened(imaging.open(path, side=SIDE, slices="auto"))
    except EdgeMedError as error:
        said = error.message
    except Exception as error:  # noqa: BLE001 - that is what is looked for
        said = f"FAULT {type(error).__name__}"
    seconds = time.monotonic() - start
    kind = "folder" if path.is_dir() else "file"
    peer = "" if path.is_dir() else others(path)
    return Tried(path.relative_to(folder).as_posix(), kind, said, peer, seconds)


def opened(found: imaging.Picture | imaging.Study) -> str:
    """What was opened, in a row's words."""
    notices = " ".join(map(str, found.notices))
    if isinstance(found, imaging.Study):
        return f"{found.about.modality} series, {found.plan}. {notices}".strip()
    told = f"{found.about.modality or found.provenance[0]}, {found.original_size[0]} x"
    return f"{told} {found.original_size[1]} pixels. {notices}".strip()


def others(path: Path) -> str:
    """Whether pydicom or Pillow reads a file by itself."""
    for name, read in (("pydicom", _pydicom), ("Pillow", _pillow)):
        try:
            read(path)
        except Exception:  # noqa: BLE001 - they raise what they meet
            continue
        return name
    return ""


def _pydicom(path: Path) -> None:
    pixel_array(path, index=0)


def _pillow(path: Path) -> None:
    with Image.open(path) as image:
        image.load()


def each(found: list[Tried]) -> Iterator[str]:
    for one in found:
        yield f"| {one.kind} | {one.path} | {one.said} | {one.peer} | {one.seconds:.2f} |"


def grouped(found: list[Tried]) -> Iterator[str]:
    """Rows of what was said alike but for its numbers, the most frequent first."""
    groups: dict[tuple[str, str, str], list[Tried]] = {}
    for one in found:
        groups.setdefault((one.kind, NUMBER.sub("N", one.said), one.peer), []).append(one)
    for (kind, said, peer), alike in sorted(groups.items(), key=lambda item: -len(item[1])):
        longest = max(one.seconds for one in alike)
        count = f"{len(alike)} {kind}{'s' * (len(alike) > 1)}"
        text = alike[0].said if len(alike) == 1 else said
        yield f"| {count} | `{Path(alike[0].path).name or '.'}` | {text} | {peer} | {longest:.2f} |"
