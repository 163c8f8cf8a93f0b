"""What a picture's file says about it that may be told: a short list, checked word by word."""

from __future__ import annotations

import re
from dataclasses import dataclass

_WORD = re.compile(r"[A-Z0-9 _]{1,16}")
"""What a code may look like. Names, dates, numbers and free text don't pass (PS3.5 6.2, CS)."""

TOLD = {"modality": "Modality", "body_part": "BodyPartExamined", "view": "ViewPosition"}
"""The only attributes that may enter a prompt, and by which names DICOM knows them."""


@dataclass(frozen=True, slots=True)
class About:
    """Facts of a medical image. None stands for what its file doesn't say, or not in a known form.

    Attributes:
        modality: DICOM's code of what made it, such as CR, CT or MR.
        body_part: DICOM's code of what it shows.
        view: DICOM's code of how it was taken, such as PA or MLO.
        laterality: L or R.
        spacing: of rows and of columns, in mm.
        position: of the first pixel's centre in the patient, in mm; x, y, z.
        frames: that the file has.
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

    def told(self) -> str:
        """What may enter a prompt, as one line; empty if nothing is known."""
        values = {name.replace("_", " "): getattr(self, name) for name in TOLD}
        return ", ".join(f"{name} {value}" for name, value in values.items() if value)


def code(value: object) -> str | None:
    """A value if it is a code that may be told, else None."""
    text = str(value).strip() if value is not None else ""
    return text if _WORD.fullmatch(text) else None
