"""Windows of Hounsfield units: which part of the range becomes black to white."""

from __future__ import annotations

import re

from edge_med.errors import UsageError

Window = tuple[float, float]
"""What becomes black, and what becomes white."""

Windows = tuple[Window, Window, Window]
"""Of red, green and blue."""


def _grey(low: float, high: float) -> Windows:
    return ((low, high),) * 3


WINDOWS: dict[str, Windows] = {
    "medgemma": ((-1024, 1024), (-135, 215), (0, 80)),
    "medgemma-server": ((-1024, 1024), (135, 215), (0, 80)),
    "abdomen": _grey(-150, 250),
    "bone": _grey(-500, 1300),
    "brain": _grey(0, 80),
    "liver": _grey(-45, 105),
    "lung": _grey(-1350, 150),
    "mediastinum": _grey(-125, 225),
}
"""By name. `medgemma`: Google's notebook high_dimensional_ct_hugging_face.ipynb and the model's
paper. `medgemma-server`: Google's serving code (generic_dicom_handler.py), whose green begins at
+135, against both. The others are one window in all three colours, with the centres and widths that
radiologists use (radiopaedia.org, Windowing (CT)): 50/400, 400/1800, 40/80, 30/150, -600/1500,
50/350."""

DEFAULT = "medgemma"

_SHOWN = 40
"""Characters of a name that isn't known."""

_OWN = re.compile(r"(-?\d{1,5}):(-?\d{1,5})")


def windows(name: str) -> Windows:
    """Windows by their name, or as numbers: `-150:250`, or three of them with commas.

    Raises:
        UsageError: there are no such windows.
    """
    if name in WINDOWS:
        return WINDOWS[name]
    found = [_OWN.fullmatch(part.strip()) for part in name.split(",")]
    pairs = [(float(match[1]), float(match[2])) for match in found if match]
    if len(pairs) != len(found) or len(pairs) not in (1, 3) or any(a >= b for a, b in pairs):
        raise UsageError(
            f"Unknown CT window: {name[:_SHOWN]!r}.",
            f"Use one of {', '.join(WINDOWS)}; or a range in HU, as -150:250, or three of"
            " them with commas for red, green and blue.",
        )
    red, green, blue = pairs * (3 // len(pairs))
    return red, green, blue
