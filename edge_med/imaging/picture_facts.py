"""Facts of a picture's file that may be shown: a short list, checked word by word."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

_WORD = re.compile(r"[A-Z0-9 _]{1,16}")
"""What a code may look like. Names, dates, numbers and free text don't pass (PS3.5 6.2, CS)."""

_TERMS = """
ANN AR ASMT AU BDUS BI BMD CFM CR CT CTPROTOCOL DG DMS DOC DX ECG EEG EMG EOG EPS ES FID GM HC HD
IO IOL IVOCT IVUS KER KO LEN LS M3D MG MR NM OAM OCT OP OPM OPT OPTBSV OPTENF OPV OSS OT PA PLAN
POS PR PT PX REG RESP RF RG RTDOSE RTIMAGE RTINTENT RTPLAN RTRAD RTRECORD RTSEGANN RTSTRUCT RWV
SEG SM SMR SR SRF STAIN TEXTUREMAP TG US VA XA XAPROTOCOL XC
AS CD CF CP CS DD DF DM DS EC FA FS LP MA MS OPR ST VF
"""

MODALITIES = frozenset(_TERMS.split())
"""DICOM's terms of Modality, with the retired ones in the last line (PS3.3 C.7.3.1.1.1). Anything
else may be a name, and is never shown."""

PROMPT_FACTS = {"modality": "Modality", "body_part": "BodyPartExamined", "view": "ViewPosition"}
"""The only attributes that may enter a prompt, and by which names DICOM knows them."""


OTHER_CONTENT = {
    **dict.fromkeys(("RTDOSE", "RTPLAN", "RTRECORD"), "a radiotherapy plan or its dose"),
    **dict.fromkeys(("RTSTRUCT", "SEG"), "outlines of structures"),
    **dict.fromkeys(("SR", "KO", "DOC"), "a report"),
    "ANN": "annotations",
    **dict.fromkeys(("ECG", "HD", "EPS", "RESP"), "curves, such as an ECG"),
    "PR": "how another image is shown",
    "REG": "the alignment of images",
}
"""Modalities whose files hold something else, and what; some have pixels that say so."""

NO_IMAGE = OTHER_CONTENT.keys() - {"ECG", "HD", "EPS", "RESP"}
"""Those that are believed even where there are pixels."""


@dataclass(frozen=True, slots=True)
class About:
    """Facts of a medical image. None stands for what its file doesn't say, or not in a known form.

    Attributes:
        modality: DICOM's code of the modality, such as CR, CT or MR.
        body_part: DICOM's code of the body part.
        view: DICOM's code of the view, such as PA or MLO.
        laterality: side of the body, L or R.
        spacing: distance of rows and of columns, in mm.
        position: position of the first pixel's centre in the patient, in mm; x, y, z.
        frames: number of frames of the file.
        burned_in: whether letters in the pixels are likely.
    """

    modality: str | None = None
    body_part: str | None = None
    view: str | None = None
    laterality: str | None = None
    spacing: tuple[float, float] | None = None
    position: tuple[float, float, float] | None = None
    frames: int = 1
    burned_in: bool = False

    def prompt_line(self) -> str:
        """What may enter a prompt, as one line; empty if nothing is known."""
        values = {name.replace("_", " "): getattr(self, name) for name in PROMPT_FACTS}
        return ", ".join(f"{name} {value}" for name, value in values.items() if value)


def code(value: object) -> str | None:
    """A value if it is a code that may be shown, else None."""
    text = str(value).strip() if value is not None else ""
    return text if _WORD.fullmatch(text) else None


_KERNEL = re.compile(
    r"(?:(?:[BDHIJSTU]|[BHQU][cflprv]|S[ad]|Tr)\d\d[a-z]?|FC\d\d|[A-FL]|[EUY][A-D]"
    r"|STANDARD|STND|SOFT|DETAIL|CHST|LUNG|BONE|BONEPLUS|EDGE|ULTRA)"
)
"""Kernels of CTs: Siemens' (B30f, Br40d: the part of the body, then what for), Canon's (FC08),
Philips' (B, YA) and GE's words. Any two letters, and any with figures, may be initials and a year.
"""

_SEQUENCES = {
    "SE": "spin echo",
    "IR": "inversion recovery",
    "GR": "gradient echo",
    "EP": "echo planar",
}
"""DICOM's terms of ScanningSequence (PS3.3 C.8.3.1), but for research mode."""


def kernel(value: object) -> str | None:
    """The kernel of a CT if it has the form of a known one, else None."""
    first = next(iter(_several(value)), None)
    return first if first and _KERNEL.fullmatch(first) else None


def sequence(value: object) -> str | None:
    """The kind of an MR's sequence in words; None if nothing of it is known."""
    return ", ".join(_SEQUENCES[one] for one in _several(value) if one in _SEQUENCES) or None


def _several(value: object) -> list[str]:
    """The texts of an element that may have one or several."""
    values = [value] if isinstance(value, str) else value
    return [one for one in values if isinstance(one, str)] if isinstance(values, Iterable) else []
