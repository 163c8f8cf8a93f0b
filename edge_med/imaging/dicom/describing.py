"""What a file is in its series: read from its beginning, without its pixels."""

from __future__ import annotations

import math
from typing import Any

from pydicom.dataset import Dataset
from pydicom.tag import Tag

from edge_med.imaging import files
from edge_med.imaging.dicom import reading
from edge_med.imaging.dicom.checking import frames
from edge_med.imaging.dicom.groups import value
from edge_med.imaging.dicom.items import MAX_FRAMES, too_many
from edge_med.imaging.dicom.reading import Header
from edge_med.imaging.recognise import HEAD, is_dicom
from edge_med.imaging.series import VOLUMES

_TAGS = {
    "SOPInstanceUID": "image",
    "SeriesInstanceUID": "series",
    "Modality": "modality",
    "ImageType": "kinds",
    "Rows": "rows",
    "Columns": "columns",
    "InstanceNumber": "number",
    "AcquisitionNumber": "acquisition",
    "EchoNumbers": "echo",
    "TemporalPositionIdentifier": "moment",
    "ImagePositionPatient": "position",
    "ImageOrientationPatient": "orientation",
}
"""Attributes, and their names in `series.Slice`."""

_TAGS_READ = [*map(Tag, _TAGS), Tag("NumberOfFrames"), Tag("SharedFunctionalGroupsSequence")]

_INTEGERS = {"rows", "columns", "number", "acquisition", "echo", "moment"}
_NUMBERS = {"position": 3, "orientation": 6}


def describe(source: bytes | str) -> list[dict[str, Any]]:
    """The facts of each slice in a file, by the names of `series.Slice`.

    Returns:
        one; of a CT or MR of many frames one for each frame; none if it isn't a DICOM image.

    Raises:
        ImageError: it can't be read.
        Exception: whatever a damaged file makes pydicom raise.
    """
    with files.opened(source) as file:
        if not is_dicom(file.read(HEAD)):
            return []
        file.seek(0)
        try:
            found = reading.read(file, _TAGS_READ)
        except reading.DirectoryError:
            return []
        if "Rows" not in found or "Columns" not in found:
            return []
        facts, count = _facts(found), frames(found)
        if count < 2 or facts["modality"] not in VOLUMES:
            return [facts]
        return _frames(found, facts, count)


def _facts(data: Dataset) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for keyword, name in _TAGS.items():
        value = data.get(keyword)
        if name in _INTEGERS:
            found[name] = _integer(value)
        elif name in _NUMBERS:
            found[name] = _numbers(value, _NUMBERS[name])
        elif name == "kinds":
            found[name] = [value] if isinstance(value, str) else list(value or ())
        else:
            found[name] = str(value or "")
    return found


def _frames(data: Header, facts: dict[str, Any], count: int) -> list[dict[str, Any]]:
    """The facts of each frame, by its functional groups."""
    if count > MAX_FRAMES:
        raise too_many()
    found = [{**facts, **_of_frame(data, index, facts["image"])} for index in range(count)]
    placed = any(fact["position"] or fact["number"] for fact in found)
    return found if placed else [{**facts, "placed": False}]


def _of_frame(data: Header, index: int, image: str) -> dict[str, Any]:
    """What a frame says of itself (PS3.3 C.7.6.16.2, C.8.13.3.1, C.8.13.5.4)."""

    def own(group: str, name: str) -> Any:
        return value(data, index, group, name)

    kinds = own("CTImageFrameTypeSequence", "FrameType") or own(
        "MRImageFrameTypeSequence", "FrameType"
    )
    echo = own("MREchoSequence", "EffectiveEchoTime")
    return {
        "frame": index,
        "image": f"{image} {index}" if image else "",
        "position": _numbers(own("PlanePositionSequence", "ImagePositionPatient"), 3),
        "orientation": _numbers(own("PlaneOrientationSequence", "ImageOrientationPatient"), 6),
        "number": _integer(own("FrameContentSequence", "InStackPositionNumber")),
        "acquisition": _integer(own("FrameContentSequence", "FrameAcquisitionNumber")),
        "moment": _integer(own("FrameContentSequence", "TemporalPositionIndex")),
        "echo": None if echo is None else _integer(float(echo) * 1000),  # ms
    } | ({"kinds": list(kinds)} if kinds else {})


def _integer(value: object) -> int | None:
    try:
        return int(value)  # type: ignore[call-overload, no-any-return]
    except (TypeError, ValueError):
        return None


def _numbers(value: Any, count: int) -> list[float] | None:
    try:
        found = [float(part) for part in value]
    except (TypeError, ValueError):
        return None
    return found if len(found) == count and all(map(math.isfinite, found)) else None
