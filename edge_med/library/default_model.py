"""The default model, and the embedded model micro."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from edge_med.artifacts import manifest as manifests
from edge_med.errors import EdgeMedError, UsageError
from edge_med.library import store

MICRO = "micro"

_PACKAGE = Path(__file__).parents[1]
EMBEDDED = (_PACKAGE / "_models" / MICRO, _PACKAGE.parent / "models" / MICRO)
"""Where micro's checkpoint is: in an installed wheel, and in a clone of the repository."""


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """The choice of a model.

    Attributes:
        model: name or path for `store.find`.
        named: whether the user named it.
        embedded: whether it is micro, which has to be converted first.
    """

    model: str | Path
    named: bool = False
    embedded: bool = False


def choose(named: str | Path | None) -> ModelChoice:
    """The model that the user named, else the only complete model, else micro.

    `micro` as a name is the one that comes with edge-med, unless a path is called so.

    Raises:
        UsageError: there are several, or `EDGE_MED_HOME` names no folder.
    """
    if named == MICRO and not Path(named).exists():
        return ModelChoice(store.models_folder() / MICRO, named=True, embedded=True)
    if named:
        return ModelChoice(named, named=True)
    complete = [name for name in store.names() if name != MICRO and is_complete(name)]
    if len(complete) > 1:
        raise UsageError(
            f"There are several models: {', '.join(complete)}.",
            f"Name one with `model`, or set a default: edge-med config set model {complete[0]}",
        )
    if complete:
        return ModelChoice(complete[0])
    return ModelChoice(store.models_folder() / MICRO, embedded=True)


def is_complete(name: str) -> bool:
    """Whether a folder in the models' folder can be loaded, with each file its manifest lists."""
    folder = store.models_folder() / name
    try:
        store.find(folder)
        manifest = manifests.load(folder)
    except EdgeMedError:
        return False
    return manifest is None or all((folder / entry.path).is_file() for entry in manifest.files)


def embedded() -> Path:
    """Micro's checkpoint, as it comes with edge-med.

    Raises:
        UsageError: it isn't there.
    """
    for folder in EMBEDDED:
        if (folder / "config.json").is_file():
            return folder
    raise UsageError(
        "There is no model, and this installation lacks the embedded one.",
        "Name a model with `model`; edge-med convert makes one from a checkpoint.",
    )


def is_made_from(folder: Path, checkpoint: Path) -> bool:
    """Whether a folder's model is whole, and was converted from just this checkpoint."""
    if not is_complete(folder.name):
        return False
    manifest = manifests.load(folder)
    sources = manifest.source.files if manifest else ()
    return bool(sources) and all(
        _sha256(checkpoint / source.path) == source.sha256 for source in sources
    )


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
