"""Pointers of Git LFS: the few lines that a clone without it holds in place of a large file.

Layout: https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md
"""

from __future__ import annotations

from pathlib import Path

_BEGINS = b"version https://git-lfs"
_LARGEST = 1024
"""Bytes, all keys together."""

NEXT = "In the folder that was cloned: git lfs install && git lfs pull. Or download the file."


def is_pointer(path: Path) -> bool:
    """Whether a file is a pointer; False as well where it can't be read."""
    try:
        with path.open("rb") as file:
            start = file.read(_LARGEST + 1)
    except OSError:
        return False
    return start.startswith(_BEGINS) and len(start) <= _LARGEST


def words(name: str) -> str:
    """The message about a pointer."""
    return f"{name} is a Git LFS pointer: the file itself was never downloaded."
