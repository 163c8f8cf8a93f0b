"""Rewrite the manifest of a model folder in today's form; the model files stay as they are."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from edge_med import __version__, _platform
from edge_med.artifacts import manifest as manifests
from edge_med.artifacts.file_names import LOCK, MANIFEST, PENDING
from edge_med.errors import ArtifactError, BusyError


def upgrade(folder: Path) -> bool:
    """Rewrite a folder's manifest in today's form, whole or not at all.

    Hashes, sizes and offsets stay. Whether the files still have them is for the caller to verify.

    Returns:
        Whether the manifest was in another form before.

    Raises:
        ArtifactError: the folder has no manifest, or a damaged one.
        BusyError: a conversion writes into the folder, or was interrupted there.
    """
    name = folder.resolve().name
    if not (folder / MANIFEST).is_file():
        raise ArtifactError(
            f"{name} has no manifest to upgrade.",
            "Give the folder of a model that edge-med converted.",
        )
    with _platform.locked(folder / LOCK, f"A conversion writes into {name}."):
        if (folder / PENDING).exists():
            raise BusyError(
                f"A conversion into {name} was interrupted.",
                "Run that conversion again: it finishes the set of files.",
            )
        return _rewrite(folder)


def _rewrite(folder: Path) -> bool:
    manifest = manifests.load(folder)
    if manifest is None or manifest.to_json().encode() == (folder / MANIFEST).read_bytes():
        return False
    tool = dataclasses.replace(manifest.tool, edge_med=__version__)
    manifests.save(dataclasses.replace(manifest, tool=tool), folder)
    return True
