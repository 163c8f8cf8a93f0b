"""Small files beside an adapter: where they lie, and that a damaged one is the adapter's."""

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
    """Say of what can't be used that it is the adapter's, and not the base's.

    Raises:
        CheckpointError: it can't.
    """
    try:
        yield
    except CheckpointError as error:
        name = called(where)
        raise CheckpointError(
            f"{what} in {name}, beside the adapter, can't be used: {error}",
            f"Copy it again from where the adapter was saved, or take it out of {name}.",
        ) from None
