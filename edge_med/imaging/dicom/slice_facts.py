"""What a file is in its series: read from its beginning, without its pixels."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from pydicom import charset
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag, Tag

from edge_med.imaging.dicom import dataset
from edge_med.imaging.dicom.dataset import DicomHeader
from edge_med.imaging.dicom.elements import MAX_FRAMES, cut_off, too_many
from edge_med.imaging.dicom.functional_groups import modality, value
from edge_med.imaging.dicom.header_checks import SIZES, check_whole, frames
from edge_med.imaging.files import image_files
from edge_med.imaging.patient_identity import bare, figures, word
from edge_med.imaging.picture_facts import kernel, sequence
from edge_med.imaging.slice_geometry import VOLUMES, spans_plane

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
    "SeriesNumber": "batch",
    "FrameOfReferenceUID": "space",
    "TriggerTime": "trigger",
    "SliceThickness": "thickness",
    "PixelSpacing": "spacing",
    "SamplesPerPixel": "samples",
    "ConvolutionKernel": "kernel",
    "ScanningSequence": "sequence",
}
"""Attributes, and their names in `series.Slice`."""


_INTEGERS = {"rows", "columns", "samples", "number", "acquisition", "echo", "moment"}
_INTEGERS |= {"batch", "trigger"}
_WORDS = ("image", "series", "space")
"""Names that are compared, and never shown."""

_IDENTITY: tuple[dict[BaseTag, Callable[[str], str]], ...] = (
    {Tag("PatientID"): str, Tag("PatientName"): bare, Tag("PatientBirthDate"): figures},
    {Tag("StudyInstanceUID"): str},
    {Tag("StudyDate"): figures},
)
"""By what patients, studies and days are compared, and what of it counts."""

_SLICES = ("1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4")
"""How the classes of CT's and MR's images begin: one that has no size has lost its end."""

_B_VALUES = (("SIEMENS MR HEADER", 0x0019, 0x0C), ("GEMS_PARM_01", 0x0043, 0x39))
"""Where machines write a b-value that have no element of the standard's for it."""

_GE = 100_000
"""GE adds multiples of this to b-values, of which it makes no secret and says no reason."""

_NAMES = {Tag(keyword): name for keyword, name in _TAGS.items()}

_TAGS_READ = [
    *_NAMES,
    *map(Tag, ("SOPClassUID", "NumberOfFrames", "DiffusionBValue", "SpecificCharacterSet", *SIZES)),
    Tag("SharedFunctionalGroupsSequence"),
    *(tag for tags in _IDENTITY for tag in tags),
    *(Tag(group, low) for _, group, el in _B_VALUES for low in (0x10, 0x11, 0x1000 | el)),
]


def describe(source: bytes | str, key: str = "") -> list[dict[str, Any]]:
    """The facts of each slice in a file, by the names of `series.Slice`.

    Args:
        source: bytes of the file, or its path.
        key: key of the hashes that stand for names and dates.

    Returns:
        one; of a CT or MR of many frames one for each frame; none if it isn't a DICOM image.

    Raises:
        ImageError: it can't be read.
        Exception: whatever a damaged file makes pydicom raise.
    """
    with image_files.opened(source) as file:
        try:
            found = dataset.read(file, _TAGS_READ)
        except dataset.DirectoryError:
            return []
        if "Rows" not in found or "Columns" not in found:
            if str(found.file_meta.get("MediaStorageSOPClassUID")).startswith(_SLICES):
                raise cut_off()
            return []
        facts, count = _facts(found, key), frames(found)
        if count > MAX_FRAMES:
            raise too_many()
        check_whole(found)
        if count < 2 or facts["modality"] not in VOLUMES:
            return [facts]
        return _frames(found, facts, count)


def _facts(data: Dataset, key: str) -> dict[str, Any]:
    made_by = modality(data)
    found: dict[str, Any] = {"identity": identity(data, key)}
    found["b_value"] = _b_value(data) if made_by == "MR" else None
    for tag, name in _NAMES.items():
        if name in _WORDS:
            found[name] = word([_text(data, tag)], key)
            continue
        value = data[tag].value if tag in data else None
        if name in _INTEGERS:
            found[name] = _integer(value)
        elif name in _READ:
            found[name] = _READ[name](value)
        else:
            found[name] = str(value or "")
    return found | {"modality": made_by}


def _frames(data: DicomHeader, facts: dict[str, Any], count: int) -> list[dict[str, Any]]:
    """The facts of each frame, by its functional groups."""
    found = [{**facts, **_of_frame(data, index, facts["image"])} for index in range(count)]
    for fact in found:  # groups that a frame lacks say nothing else of its pixels
        fact["spacing"] = fact["spacing"] or found[0]["spacing"]
    has_places = any(fact["position"] or fact["number"] for fact in found)
    return found if has_places else [{**facts, "has_positions": False}]


def _of_frame(data: DicomHeader, index: int, image: str) -> dict[str, Any]:
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
        "orientation": _orientation(own("PlaneOrientationSequence", "ImageOrientationPatient")),
        "number": _integer(own("FrameContentSequence", "InStackPositionNumber")),
        "acquisition": _integer(own("FrameContentSequence", "FrameAcquisitionNumber")),
        "moment": _integer(own("FrameContentSequence", "TemporalPositionIndex")),
        "echo": None if echo is None else _integer(float(echo) * 1000),  # ms
        "b_value": _number(own("MRDiffusionSequence", "DiffusionBValue")),
        "thickness": _number(own("PixelMeasuresSequence", "SliceThickness")),
        "spacing": _numbers(own("PixelMeasuresSequence", "PixelSpacing"), 2),
    } | ({"kinds": list(kinds)} if kinds else {})


def _number(value: Any) -> float | None:
    try:
        found = float(value)
    except (TypeError, ValueError):
        return None
    return found if math.isfinite(found) else None


def _kinds(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value or ())


def identity(data: Dataset, key: str) -> list[str]:
    """Of which patient, study and day a file is, as words of that key."""
    return [
        word([counts(_text(data, tag)) for tag, counts in tags.items()], key) for tags in _IDENTITY
    ]


def _text(data: Dataset, tag: BaseTag) -> str:
    """A value as it is written, whatever its characters: it is compared alone."""
    value = data.get_item(tag).value if tag in data else None
    text = _decoded(value, data) if isinstance(value, bytes) else str(value or "")
    return text.strip(" \0")


def _decoded(value: bytes, data: Dataset) -> str:
    """Text in its file's character set; where that is wrong or missing, in the likeliest.

    No byte is given up, as in pydicom's way: what can't be read would be alike then.
    """
    named = data.get("SpecificCharacterSet") or ()
    codes = [named] if isinstance(named, str) else [str(code or "") for code in named]
    if any(codes):
        with suppress(LookupError, ValueError, Warning), warnings.catch_warnings():
            warnings.simplefilter("error")  # pydicom warns where it guesses
            return charset.decode_bytes(value, charset.convert_encodings(codes), _ENDS)
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")


_ENDS = {ord("^"), ord("=")}
"""Before these signs of a name a change of the character set ends (PS3.5 6.1.2.5.3)."""


def _b_value(data: Dataset) -> float | None:
    """Of a diffusion image, as the standard has it or as its machine does."""
    if (found := _number(data.get("DiffusionBValue"))) is not None:
        return found
    for creator, group, element in _B_VALUES:
        try:
            own = data.private_block(group, creator)[element].value
        except KeyError:
            continue
        text = own.decode("ascii", "replace") if isinstance(own, bytes) else own
        first = text.split("\\")[0] if isinstance(text, str) else text
        several = isinstance(first, Iterable) and not isinstance(first, str)
        found = _number(next(iter(first), None) if several else first)
        return None if found is None else found % _GE
    return None


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


def _orientation(value: Any) -> list[float] | None:
    """Directions of rows and columns, if they are directions that aren't the same."""
    found = _numbers(value, 6)
    return found if found and spans_plane(found) else None


_READ: dict[str, Callable[[Any], Any]] = {
    "kinds": _kinds,
    "position": lambda value: _numbers(value, 3),
    "spacing": lambda value: _numbers(value, 2),
    "orientation": _orientation,
    "thickness": _number,
    "kernel": kernel,
    "sequence": sequence,
}
"""How values are read that are neither whole numbers nor text."""
