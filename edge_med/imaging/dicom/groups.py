"""What a file of many frames says of each: functional groups (PS3.3 C.7.6.16)."""

from __future__ import annotations

import functools
from typing import Any

from pydicom.dataset import Dataset
from pydicom.tag import BaseTag, Tag

from edge_med.imaging.dicom.reading import Header


def of_frame(data: Header, index: int, name: str) -> Dataset | None:
    """A group of a frame of its own, or else of all frames; None if there is none.

    Args:
        data: of a file.
        index: of the frame, from 0.
        name: of the group's sequence.
    """
    if data.groups and index < len(data.groups):
        own = data.groups[index].group(_tag(name))
        if own:
            return own
    shared = data.get("SharedFunctionalGroupsSequence")
    found = shared[0].get(name) if shared else None
    return found[0] if found else None


def value(data: Header, index: int, group: str, name: str) -> Any:
    """An attribute of such a group; None if it isn't there."""
    found = of_frame(data, index, group)
    return None if found is None else found.get(name)


@functools.cache
def _tag(name: str) -> BaseTag:
    return Tag(name)
