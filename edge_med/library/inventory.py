"""The models in the models' folder: their quants, their sizes on the disk, and their removal."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edge_med import _platform
from edge_med.artifacts import split
from edge_med.artifacts.file_names import LOCK, MANIFEST, PARTIAL, PENDING
from edge_med.errors import EdgeMedError, UsageError
from edge_med.library import store

_SUFFIXES = (".gguf", f".gguf{PARTIAL}")
_RECORDS = (PENDING, MANIFEST, f"{MANIFEST}.new")
"""The next manifest goes first: a conversion would finish a set that it announces."""


@dataclass(frozen=True, slots=True)
class StoredModel:
    """A model's folder.

    Attributes:
        name: name of the folder.
        quants: quants of its text models with their sizes in bytes, the recommended one first.
        projector: size of the projector's file in bytes; None if there is none.
        size: size of all files in the folder, in bytes.
        problem: reason why it can't be loaded; None if it can.
    """

    name: str
    quants: tuple[tuple[str, int], ...]
    projector: int | None
    size: int
    problem: str | None = None


def stored() -> tuple[StoredModel, ...]:
    """Every model in the models' folder."""
    return tuple(map(_stored, store.names()))


def remove(name: str) -> list[str]:
    """Delete a model's files, and its folder if nothing else is in it.

    Returns:
        Names of the files that stay, because they aren't a model's.

    Raises:
        UsageError: no model is called so.
        BusyError: a conversion writes into the folder.
    """
    folder = folder_of(name)
    if folder.is_symlink():  # the model is somebody else's; only our name for it goes
        folder.unlink()
        return []
    with _platform.locked(folder / LOCK, f"A conversion writes into {name}."):
        for record in _RECORDS:
            (folder / record).unlink(missing_ok=True)
        for path in folder.iterdir():
            if path.name.endswith(_SUFFIXES) and (path.is_symlink() or not path.is_dir()):
                path.unlink()
    (folder / LOCK).unlink(missing_ok=True)
    left = sorted(path.name for path in folder.iterdir())
    if not left:
        folder.rmdir()
    return left


def folder_of(name: str) -> Path:
    """The folder of a model in the models' folder.

    Raises:
        UsageError: no model is called so.
    """
    if store.is_stored(name):
        return store.models_folder() / name
    known = ", ".join(store.names())
    raise UsageError(
        f"There is no model '{name}' in the models' folder.",
        f"There are: {known}." if known else "It is empty; edge-med models path says where it is.",
    )


def _stored(name: str) -> StoredModel:
    folder = store.models_folder() / name
    size = sum(path.stat().st_size for path in folder.iterdir() if path.is_file())
    try:
        found = store.find(folder)
        texts = [(found.quant, found.text), *((_quant(path), path) for path in found.others)]
    except EdgeMedError as error:
        return StoredModel(name, (), None, size, error.message)
    return StoredModel(
        name=name,
        quants=tuple((quant, split.size(path)) for quant, path in texts),
        projector=found.projector.stat().st_size if found.projector else None,
        size=size,
    )


def _quant(path: Path) -> str:
    return split.stem(path).rpartition("-")[2].upper()
