"""Make written files appear: all of a set, or none; after a kill, the next run finishes or sweeps.

    1. every file lies whole under NAME.partial, the new manifest under manifest.json.partial
    2. files that are about to be replaced leave the old manifest
    3. the partial files take their final names
    4. the new manifest takes its name: only now does the set count

A manifest.json.partial that can be read means that step 1 was finished, so the rest can be done by
whoever comes next. So it is the first to go wherever partial files are removed.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from pathlib import Path

from edge_med import _platform
from edge_med.artifacts import manifest as manifests
from edge_med.artifacts.file_names import LOCK, MANIFEST, PARTIAL, PENDING, is_model_file
from edge_med.artifacts.manifest import FileEntry, Manifest
from edge_med.errors import ArtifactError


@contextlib.contextmanager
def locked_folder(folder: Path) -> Iterator[tuple[str, ...]]:
    """Make and lock a model folder, and repair what a killed run left in it.

    Yields the names of files that a killed run had written and that now count.

    Raises:
        BusyError: another conversion writes into the folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with _platform.locked(folder / LOCK, f"Another conversion writes into {folder.name}."):
        finished = _finish_pending(folder)
        sweep(folder)
        yield finished


def sweep(folder: Path) -> None:
    """Remove partial files of ours."""
    withdraw(folder)
    (folder / manifests.FRESH).unlink(missing_ok=True)
    for path in folder.glob(f"*{PARTIAL}"):
        if is_model_file(path.name.removesuffix(PARTIAL)):
            path.unlink(missing_ok=True)


def prepare(folder: Path, manifest: Manifest) -> None:
    """Write the manifest to the complete partial files: from now on the set will appear."""
    manifests.write(manifest, folder / PENDING)


def withdraw(folder: Path) -> None:
    """Remove the manifest of `prepare`; partial files mean nothing without it."""
    (folder / PENDING).unlink(missing_ok=True)


def commit(folder: Path, manifest: Manifest) -> None:
    """Let the files of a prepared manifest take their names, and the manifest last.

    Whatever interrupts it, everything is left as it is: the next run goes on from there.
    """
    fresh = [e.path for e in manifest.files if (folder / (e.path + PARTIAL)).exists()]
    _unlist(folder, fresh)
    for name in fresh:
        _platform.replace(folder / (name + PARTIAL), folder / name)
    _platform.sync_folder(folder)
    _platform.replace(folder / PENDING, folder / MANIFEST)
    _platform.sync_folder(folder)


def _finish_pending(folder: Path) -> tuple[str, ...]:
    try:
        manifest = manifests.read(folder / PENDING)
    except ArtifactError:  # killed while it was written: nothing was renamed yet
        return ()
    if manifest is None or not all(_is_there(folder, entry) for entry in manifest.files):
        return ()
    names = tuple(e.path for e in manifest.files if (folder / (e.path + PARTIAL)).exists())
    commit(folder, manifest)
    return names


def _is_there(folder: Path, entry: FileEntry) -> bool:
    partial, final = folder / (entry.path + PARTIAL), folder / entry.path
    path = partial if partial.exists() else final  # an old file may stand under the final name
    return path.is_file() and path.stat().st_size == entry.size


def _unlist(folder: Path, names: list[str]) -> None:
    """Take files out of the existing manifest, before their bytes change."""
    try:
        existing = manifests.load(folder)
    except ArtifactError:
        return  # nobody can read it, so it can't lie
    if existing is None or not any(existing.entry(name) for name in names):
        return
    others = tuple(entry for entry in existing.files if entry.path not in names)
    manifests.save(dataclasses.replace(existing, files=others), folder)
