"""How each modality's images become what the model was trained to see."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

from edge_med.imaging.dicom import grayscale, palettes
from edge_med.imaging.dicom.dataset import DicomHeader
from edge_med.imaging.dicom.frames import decode
from edge_med.imaging.dicom.functional_groups import modality, of_frame, value
from edge_med.imaging.dicom.grayscale import RESCALING, Flags
from edge_med.imaging.dicom.header_checks import (
    COLOUR,
    PALETTE,
    check,
    frames,
    kind,
    number,
    syntax,
)
from edge_med.imaging.grey_levels import Extent, Values, look_up, spread, spread_by_16_bits
from edge_med.imaging.hu_windows import Windows
from edge_med.imaging.photo.photo import Photo
from edge_med.imaging.picture_facts import About, code

Greys = Literal["range", "windows", "display"]


@dataclass(frozen=True, slots=True)
class GreyRecipe:
    """How greys become eight bits.

    Attributes:
        greys: `range`: from the least value to the greatest; `windows`: of Hounsfield units;
            `display`: as a viewer shows them.
        over_series: whether the range is that of a whole series, where there is one. Google's code
            spreads these at eight bits too, whose greys otherwise stay as they are.
        by_16_bits: whether the range is spread over 16 bits first, as in Google's code.
        source: source of the rule.
    """

    greys: Greys
    source: str
    over_series: bool = False
    by_16_bits: bool = False


_GOOGLE = "Google's serving code, generic_dicom_handler.py"
_OURS = "no recipe of Google's: as a viewer shows it (PS3.4 N.2)"

_X_RAY = GreyRecipe("range", f"{_GOOGLE}: full range since 71a1135 of 24 Feb 2026", by_16_bits=True)

RECIPES: dict[str, GreyRecipe] = {
    "CR": _X_RAY,
    "DX": _X_RAY,
    "CT": GreyRecipe("windows", "Google's notebook high_dimensional_ct_hugging_face.ipynb"),
    "MR": GreyRecipe("range", f"{_GOOGLE}: over the acquisition", over_series=True),
    "MG": GreyRecipe("display", _OURS),
    "US": GreyRecipe("display", _OURS),
    "XC": GreyRecipe("display", f"{_GOOGLE}: colours as they are"),
    "OP": GreyRecipe("display", _OURS),
    "ES": GreyRecipe("display", _OURS),
    "GM": GreyRecipe("display", f"{_GOOGLE}: colours as they are"),
}
"""By DICOM's code of the modality."""

OTHER = GreyRecipe("display", _OURS)

_SECONDARY = "1.2.840.10008.5.1.4.1.1.7"
"""Secondary capture: pictures of screens and papers, which often have letters in them."""


def recipe_of(data: DicomHeader) -> GreyRecipe:
    """The recipe of a file."""
    return RECIPES.get(modality(data), OTHER)


def about(data: DicomHeader, index: int) -> About:
    """What a file says of one of its frames, as far as it may be shown."""
    made_by, burned = code(modality(data)), data.get("BurnedInAnnotation")
    secondary = str(data.get("SOPClassUID", "")).startswith(_SECONDARY)
    return About(
        made_by,
        code(data.get("BodyPartExamined")),
        code(data.get("ViewPosition")),
        code(data.get("ImageLaterality") or data.get("Laterality")),
        _floats(_spacing(data, index), 2),
        _floats(_position(data, index), 3),
        frames(data),
        burned == "YES" or (burned != "NO" and (made_by == "US" or secondary)),
    )


def prepare(
    data: DicomHeader, index: int, windows: Windows, ends: Extent | None = None
) -> tuple[Photo, About]:
    """One frame by its modality's recipe.

    Args:
        data: header of a file.
        index: index of the frame, from 0.
        windows: HU windows for a CT.
        ends: least and greatest value of its series, for a recipe that needs them.

    Returns:
        grey or RGB, and what is known of it.

    Raises:
        ImageError: it can't be read.
    """
    check(data)
    pixels = decode(data, index)
    steps = ["DICOM"]
    if frames(data) > 1:
        steps.append(f"frame {index + 1} of {frames(data)}")
    elif mosaic := _mosaic(data):
        steps.append(mosaic)
    if kind(data) in COLOUR:
        shown = _colours(data, pixels, steps)
    elif kind(data) == PALETTE:
        shown = look_up(pixels, _palette(data, pixels))
        steps.append("palette applied")
    else:
        shown = look_up(pixels, _greys(data, pixels, index, windows, ends, steps))
    return Photo(Image.fromarray(shown), tuple(steps)), about(data, index)


def _mosaic(data: DicomHeader) -> str | None:
    """The text about slices that lie side by side in one frame, as Siemens writes them."""
    if "MOSAIC" not in (data.get("ImageType") or ()):
        return None
    try:
        block = data.private_block(*_SIEMENS)
        return f"a mosaic of {int(block[_IN_MOSAIC].value)} slices"
    except (KeyError, TypeError, ValueError):
        return "a mosaic of slices"


_SIEMENS, _IN_MOSAIC = (0x0019, "SIEMENS MR HEADER"), 0x0A
"""NumberOfImagesInMosaic (pydicom's dictionary of private elements)."""


def extent(data: DicomHeader, index: int) -> Extent | None:
    """The least and the greatest value of a frame; None if all of it is padding.

    Raises:
        ImageError: it can't be read.
    """
    check(data)
    pixels = decode(data, index)
    return grayscale.extent(pixels, *_values(data, pixels, index))


def _values(data: DicomHeader, pixels: npt.NDArray[Any], index: int) -> tuple[Values, Flags]:
    """What each pattern of bits means in a file, and which of them are padding."""
    numbers = grayscale.stored_values(data, 1 << 8 * pixels.dtype.itemsize)
    meaning = grayscale.modality_values(data, numbers, index, ct=recipe_of(data).greys == "windows")
    return meaning, grayscale.padding(data, numbers)


def _greys(
    data: DicomHeader,
    pixels: npt.NDArray[Any],
    index: int,
    windows: Windows,
    ends: Extent | None,
    steps: list[str],
) -> npt.NDArray[np.uint8]:
    """Eight bits, or RGB, for each pattern; what is done is added to the steps."""
    recipe, negative = recipe_of(data), _negative(data)
    inverted = bool(negative)
    if recipe.greys == "windows":
        steps += ["values in HU", "windows of HU " + _named(windows)]
        table, padded = _ct_table(data, pixels, index, windows, inverted=inverted)
    else:
        values, hidden = _values(data, pixels, index)
        ends = ends if recipe.over_series else None
        shares = _shares(data, pixels, index, (values, hidden), ends, steps)
        table, padded = grayscale.eight_bits(shares, hidden, inverted=inverted), bool(hidden.any())
    if padded:
        steps.append("padding black")
    if negative:
        steps.append(negative)
    return table


def _negative(data: DicomHeader) -> str:
    """Why the least number is white, in a step's words; nothing if it is black.

    Either element says so, and the other should say the same (PS3.3 C.8.11.3.1.2).
    """
    shape = str(data.get("PresentationLUTShape") or "").strip().upper()
    return _NEGATIVE.get((kind(data), shape)) or _NEGATIVE.get((kind(data), ""), "")


_NEGATIVE = {
    ("MONOCHROME1", ""): "MONOCHROME1 inverted",
    ("MONOCHROME1", "IDENTITY"): "MONOCHROME1 inverted, though PresentationLUTShape is IDENTITY",
    ("MONOCHROME2", "INVERSE"): "MONOCHROME2 inverted, since PresentationLUTShape is INVERSE",
}


def _shares(
    data: DicomHeader,
    pixels: npt.NDArray[Any],
    index: int,
    meaning: tuple[Values, Flags],
    ends: Extent | None,
    steps: list[str],
) -> Values:
    """Shares of white for each pattern of what isn't a CT."""
    (values, hidden), recipe = meaning, recipe_of(data)
    if recipe.greys == "display" and (shown := grayscale.display_values(data, values, index)):
        shares, how = shown
        steps.append(f"the file's own {how}")
        return shares
    if recipe.by_16_bits and grayscale.table_bits(data) == 8:
        return spread(values, (0, 255))  # eight bits to Google's code, whatever they were before
    if _as_they_are(data, pixels, index):
        return spread(values, (values.min(), values.max()))
    found = ends or grayscale.extent(pixels, values, hidden) or (0.0, 0.0)
    spreading = spread_by_16_bits if recipe.by_16_bits else spread
    steps.append("full range of the series" if ends else "full range of the image")
    return spreading(values, found)


def _as_they_are(data: DicomHeader, pixels: npt.NDArray[Any], index: int) -> bool:
    """Whether greys of eight bits aren't spread.

    Google's code leaves an X-ray's alone only where nothing says what they mean: rescaled ones are
    fractions to it (pydicom's `apply_modality_lut`), and it spreads these.
    """
    if pixels.dtype != np.uint8 or number(data, "PixelRepresentation"):
        return False
    recipe = recipe_of(data)
    return not (recipe.over_series or (recipe.by_16_bits and grayscale.says_meaning(data, index)))


_LAST: dict[str, tuple[npt.NDArray[np.uint8], bool]] = {}
"""The table of the last CT slice. That of the next is nearly always the same, and making it anew
takes a third of the time that the slice takes."""


def _ct_table(
    data: DicomHeader, pixels: npt.NDArray[Any], index: int, windows: Windows, *, inverted: bool
) -> tuple[npt.NDArray[np.uint8], bool]:
    """RGB for each pattern of a CT, and whether some are padding."""
    rescaling = of_frame(data, index, "PixelValueTransformationSequence") or data
    parameters = [data.get(name) for name in _STORED] + [rescaling.get(name) for name in RESCALING]
    key = repr((pixels.dtype.itemsize, windows, inverted, parameters))
    found = _LAST.get(key)
    if found is None:
        values, hidden = _values(data, pixels, index)
        table = grayscale.eight_bits(grayscale.windowed(values, windows), hidden, inverted=inverted)
        found = table, bool(hidden.any())
        _LAST.clear()
        _LAST[key] = found
    return found


_STORED = (
    *("BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation"),
    *("PixelPaddingValue", "PixelPaddingRangeLimit"),
)
"""All that `stored_values`, `padding` and `modality_values` of `grayscale` read of a CT."""


def _colours(
    data: DicomHeader, pixels: npt.NDArray[Any], steps: list[str]
) -> npt.NDArray[np.uint8]:
    """RGB in eight bits."""
    if kind(data) != "RGB":
        steps.append("colours made RGB")
    if data.get("PlanarConfiguration") is None and not syntax(data).frame:
        steps.append("colours taken pixel by pixel, though its file doesn't say how they lie")
    if pixels.dtype == np.uint8:
        return pixels
    bits = number(data, "BitsStored")
    steps.append(f"{bits} bits scaled to 8")
    scale = np.arange(1 << 16).clip(max=(1 << bits) - 1) / ((1 << bits) - 1)
    return look_up(pixels, np.rint(scale * 255).astype(np.uint8))


def _palette(data: DicomHeader, pixels: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """The colour of each pattern, in eight bits."""
    return palettes.colours(data, grayscale.stored_values(data, 1 << 8 * pixels.dtype.itemsize))


def _spacing(data: DicomHeader, index: int) -> Any:
    own = value(data, index, "PixelMeasuresSequence", "PixelSpacing")
    return own or data.get("PixelSpacing") or data.get("ImagerPixelSpacing")


def _position(data: DicomHeader, index: int) -> Any:
    own = value(data, index, "PlanePositionSequence", "ImagePositionPatient")
    return own or data.get("ImagePositionPatient")


def _named(windows: Windows) -> str:
    return ", ".join(f"{low:g} to {high:g}" for low, high in windows)


def _floats(value: Any, count: int) -> Any:
    """So many finite numbers, or None."""
    try:
        found = tuple(float(part) for part in value)
    except (TypeError, ValueError):
        return None
    return found if len(found) == count and np.isfinite(found).all() else None
