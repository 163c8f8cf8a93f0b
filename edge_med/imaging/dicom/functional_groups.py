"""What a file of many frames says of each: functional groups (PS3.3 C.7.6.16)."""

from __future__ import annotations

import functools
from typing import Any

from pydicom.dataset import Dataset
from pydicom.tag import BaseTag, Tag

from edge_med.imaging.dicom.dataset import DicomHeader
from edge_med.imaging.picture_facts import MODALITIES

_CLASSES = {
    "1.2.840.10008.5.1.4.1.1.1": "CR",
    "1.2.840.10008.5.1.4.1.1.1.1": "DX",
    "1.2.840.10008.5.1.4.1.1.1.1.1": "DX",
    "1.2.840.10008.5.1.4.1.1.2": "CT",
    "1.2.840.10008.5.1.4.1.1.2.1": "CT",
    "1.2.840.10008.5.1.4.1.1.4": "MR",
    "1.2.840.10008.5.1.4.1.1.4.1": "MR",
}
"""The modality of a class of images (PS3.4 B.5), as far as Google's code takes it from there."""


def modality(data: Dataset) -> str:
    """DICOM's code of what made an image, empty if it isn't one of the standard's.

    Where it is missing, it is that of the image's class. Some programs write it in small letters.
    """
    code = str(data.get("Modality") or _CLASSES.get(str(data.get("SOPClassUID")))).strip().upper()
    return code if code in MODALITIES else ""


def of_frame(data: DicomHeader, index: int, name: str) -> Dataset | None:
    """A group of a frame of its own, or else of all frames; None if there is none.

    Args:
        data: header of a file.
        index: index of the frame, from 0.
        name: name of the group's sequence.
    """
    if data.groups and index < len(data.groups):
        own = data.groups[index].group(_tag(name))
        if own:
            return own
    return _of_all(data, name)


def _of_all(data: DicomHeader, name: str) -> Dataset | None:
    """A group of all frames; each is looked for once, since a thousand frames may ask for it."""
    if name not in data.shared_groups:
        shared = data.get("SharedFunctionalGroupsSequence")
        found = shared[0].get(name) if shared else None
        data.shared_groups[name] = found[0] if found else None
    return data.shared_groups[name]


def value(data: DicomHeader, index: int, group: str, name: str) -> Any:
    """An attribute of such a group; None if it isn't there."""
    found, tag = of_frame(data, index, group), _tag(name)
    return None if found is None or tag not in found else found[tag].value


@functools.cache
def _tag(name: str) -> BaseTag:
    return Tag(name)
