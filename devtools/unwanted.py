"""Refuse files that must never be committed: weights, pictures of patients, keys.

python -m scripts.unwanted [FILE ...]

Without files, what is staged. The exit code is the number of files that were refused, 100 at most.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

LARGEST = 1 << 20
"""Bytes of a file; micro's weights are the one exception."""

ALLOWED = frozenset(["models/micro/model.safetensors"])

ENDINGS = {
    **dict.fromkeys([".gguf", ".safetensors", ".bin", ".pt", ".pth"], "weights"),
    **dict.fromkeys([".dcm", ".dicom", ".ima", ".nii", ".svs", ".ndpi"], "a medical image"),
    **dict.fromkeys([".pem", ".key", ".p12", ".pfx"], "a key"),
}

MARKS = {
    b"GGUF": "weights",
    b"-----BEGIN OPENSSH PRIVATE KEY": "a key",
    b"-----BEGIN RSA PRIVATE KEY": "a key",
    b"-----BEGIN PRIVATE KEY": "a key",
}
"""How such a file begins, whatever it is called."""

MOST = 100
"""An exit code has eight bits: 256 would mean that all is well."""

DICOM = slice(128, 132)
"""Where a DICOM file has its mark (PS3.10 7.1)."""


def main(names: list[str]) -> int:
    refused = [found for name in names or staged() for found in unwanted(Path(name))]
    for line in refused:
        print(line, file=sys.stderr)
    return min(len(refused), MOST)


def unwanted(path: Path) -> Iterator[str]:
    """Why a file shouldn't be committed, if it shouldn't."""
    if path.as_posix() in ALLOWED or not path.is_file():
        return
    with path.open("rb") as file:
        start = file.read(DICOM.stop)
    what = ENDINGS.get(Path(path.name.lower().removesuffix(".gz")).suffix)
    what = what or next((kind for mark, kind in MARKS.items() if start.startswith(mark)), None)
    what = what or ("a medical image" if start[DICOM] == b"DICM" else None)
    if what:
        yield f"{path}: {what}"
    elif path.stat().st_size > LARGEST:
        yield f"{path}: larger than 1 MiB"


def staged() -> list[str]:
    """The files of the next commit."""
    command = ["git", "diff", "--cached", "--name-only", "--diff-filter=ACMR", "-z"]
    listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return [name for name in listed.split("\0") if name]
