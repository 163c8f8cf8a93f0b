"""What several workers of one run share: it is made by the first that wants it, and once only."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock


def shared_folder(factory: pytest.TempPathFactory, name: str) -> Path:
    """A folder that all workers of this run have in common; pytest removes old runs' folders."""
    base = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent  # a worker's own folder lies in that of the run
    folder = base / "shared" / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def once(path: Path, make: Callable[[Path], object]) -> Path:
    """A file or a folder that `make` writes, if no worker has written it before.

    Workers that want it meanwhile wait. What a failed `make` left behind is removed.
    """
    done = path.with_name(f".{path.name}.done")
    if done.exists():
        return path
    with FileLock(path.with_name(f".{path.name}.lock")):
        if not done.exists():
            remove(path)
            make(path)
            done.touch()
    return path


def remove(path: Path) -> None:
    """Remove a file or a folder, if it is there."""
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
