"""What a file is in its series: read from its beginning, without its pixels."""

from __future__ import annotations

from typing import Any

from pydicom.dataset import Dataset
from pydicom.tag import Tag

from edge_med.imaging import files
from edge_med.imaging.dicom import reading
from edge_med.imaging.recognise import HEAD, is_dicom

_TAGS = {
    "SOPInstanceUID": "image",
    "SeriesInstanceUID": "series",
    "Modality": "modality",
    "ImageType": "kinds",
    "Rows": "rows",
    "Columns": "columns",
    "NumberOfFrames": "frames",
    "InstanceNumber": "number",
    "AcquisitionNumber": "acquisition",
    "EchoNumbers": "echo",
    "TemporalPositionIdentifier": "moment",
    "ImagePositionPatient": "position",
    "ImageOrientationPatient": "orientation",
}
"""Attributes, and their names in `series.Slice`."""

_INTEGERS = {"rows", "columns", "frames", "number", "acquisition", "echo", "moment"}
_NUMBERS = {"position": 3, "orientation": 6}


def describe(source: bytes | str) -> dict[str, Any] | None:
    """The facts of a file, by the names of `series.Slice`; None if it isn't a DICOM image.

    Raises:
        ImageError: it can't be read.
        Exception: whatever a damaged file makes pydicom raise.
    """
    head = source[:HEAD] if isinstance(source, bytes) else files.read(source, HEAD)
    if not is_dicom(head) or reading.is_directory(head):
        return None
    found = _read(head) if len(head) < HEAD else _begun(head)
    if found is None or "Rows" not in found:  # something long stands before
        found = _read(source if isinstance(source, bytes) else files.read(source))
    return _facts(found) if "Rows" in found and "Columns" in found else None


def _begun(head: bytes) -> Dataset | None:
    """What a file's beginning says; None if it can't be read without the rest."""
    try:
        return _read(head)
    except Exception:  # noqa: BLE001 - an element is cut off there, or all is deflated
        return None


def _read(data: bytes) -> Dataset:
    return reading.read(data, [Tag(name) for name in _TAGS])


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
    return found if len(found) == count else None
