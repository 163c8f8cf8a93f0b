"""What a file of many frames says of each: functional groups (PS3.3 C.7.6.16)."""

from __future__ import annotations

from typing import Any

from pydicom.dataset import Dataset


def of_frame(data: Dataset, index: int, name: str) -> Dataset | None:
    """A group of a frame of its own, or else of all frames; None if there is none.

    Args:
        data: of a file.
        index: of the frame, from 0.
        name: of the group's sequence.
    """
    own = data.get("PerFrameFunctionalGroupsSequence") or ()
    shared = data.get("SharedFunctionalGroupsSequence") or ()
    for group in (*own[index : index + 1], *shared[:1]):
        if found := group.get(name):
            return found[0]  # type: ignore[no-any-return]
    return None


def value(data: Dataset, index: int, group: str, name: str) -> Any:
    """An attribute of such a group; None if it isn't there."""
    found = of_frame(data, index, group)
    return None if found is None else found.get(name)
