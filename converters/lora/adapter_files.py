"""Small files of an adapter: their folders, and errors that name the adapter's folder."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from edge_med.artifacts.adapters.find_folder import folders
from edge_med.artifacts.file_names import called
from edge_med.errors import CheckpointError


def folder_with(adapter: Path, names: Iterable[str]) -> Path | None:
    """Where one of these files of an adapter lies: in its folder, or in the one around it."""
    there = (f for f in folders(adapter) if any((f / name).is_file() for name in names))
    return next(there, None)


@contextlib.contextmanager
def blamed(what: str, where: Path) -> Iterator[None]:
    """Raise errors of a file with the name of the adapter's folder, as it isn't the base's.

    Raises:
        CheckpointError: it can't.
    """
    try:
        yield
    except CheckpointError as error:
        name = called(where)
        raise CheckpointError(
            f"{what} in {name}, the adapter's folder, can't be used: {error}",
            f"Copy it again from where the adapter was saved, or remove it from {name}.",
        ) from None
