"""What the user should know of a picture: notices, with codes for programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from edge_med.answers import Notice
from edge_med.imaging.fit import inside
from edge_med.imaging.slice_geometry import UNNAMED, VOLUMES

if TYPE_CHECKING:
    from edge_med.imaging.picture import Picture

ONE_GREY = Notice(
    "one_grey", "All pixels of the image have the same grey or colour: there is nothing to see."
)
BURNED_IN = Notice(
    "burned_in",
    "The image may have the patient's name written in it: look before you show it to anyone.",
)

DOUBTFUL = frozenset(("one_grey", "few_pixels", "few_greys"))
"""Codes of images that are asked about only if that is forced: a finding would be invented."""

FEWEST = 200 * 200
"""Pixels below which an image is called small. Of 32 x 32 to 600 x 600, findings in chest X-rays
are seen best from 256 x 256 on, and a fifth worse at 64 x 64 (Sabottke and Spieler 2020,
10.1148/ryai.2019190015); 224 x 224 is the least that whole data sets are made with."""

_NARROWEST = 64
"""Pixels of the shorter side, below which a picture is small however long it is."""

_SMALL = frozenset((*VOLUMES, "NM", "PT"))
"""Modalities with 64 to 128 pixels a side as a matter of course."""

_ALIKE = 2
"""Levels of 255 that count as equal: what JPEG makes of one grey."""

_SPECKS = 1e-4
"""Share of pixels that may differ: a detector's dead pixels, which no one would call a picture."""

_BANDS = {16: "few_greys", 24: "narrow"}
"""Neighbouring greys of 256 that hold next to nothing, or little, and the code of their notice.
12 bits in 16 are 16 greys; the soft parts of a CT take 30 in the widest window."""

_FEW = 5e-3
"""Share of pixels that may lie outside: a marker or hot pixels, which stretch a picture's range."""

_BLACK = 16
"""Greys of 255 that are taken for black."""

_DARK, _SHADED = 0.3, 5e-3
"""The least share of black pixels, and the most of shaded ones, in a picture of letters alone."""

_EDGE = 48
"""Greys between neighbours from which on a pixel is the edge of a letter or a marker."""

_ONE_OF_SEVERAL = "one_of_several"
_OF_FILE = "The image's file holds several pictures: {} is shown."

_MIXED = (
    ("several_patients", "The images come from {} patients."),
    ("several_studies", "The images come from {} studies."),
    ("several_days", "The images come from {} days."),
)
"""Codes and words of images that aren't of one patient, one study, or one day."""

_LABELS = (
    "{} series are shown, and the slices of each begin with SLICE 1: if an answer names a slice,"
    " ask which series it means."
)

_NEGATIVE = "The image's file contradicts itself about what is white. It is {}: look at it first."

_STEPS: tuple[tuple[str, str, str], ...] = (
    ("the first of several ", _ONE_OF_SEVERAL, _OF_FILE),
    ("frame ", _ONE_OF_SEVERAL, _OF_FILE),
    ("greys from ", "own_range", "The image's {}: its own range, as X-rays in DICOM are shown."),
    ("alpha laid on white", "alpha", "Transparent parts of the image are white."),
    (
        "alpha left out",
        "alpha",
        "The image's transparency is ignored, as in transformers: hidden parts become visible.",
    ),
    (
        "a mosaic of ",
        "mosaic",
        "The image is {} in one picture: the model sees no slice in full size.",
    ),
    ("not turned", "not_turned", "The image is {}: it may lie on its side."),
    ("colours taken pixel by pixel", "planes", "The image's {}."),
    ("MONOCHROME1 inverted, though", "negative", _NEGATIVE),
    ("MONOCHROME2 inverted, since", "negative", _NEGATIVE),
)
"""Beginning of a step that the user should know, its code, and its sentence."""

CODES = frozenset(
    (
        *(ONE_GREY.code, BURNED_IN.code, "few_pixels"),
        *_BANDS.values(),
        *(code for _, code, _ in _STEPS),
        *(code for code, _ in _MIXED),
        *("series", "several_series"),
    )
)
"""Of all notices that pictures have."""


def of(picture: Picture) -> Iterator[Notice]:
    """What the user should know of one picture, besides burned-in letters (`About`)."""
    for step in picture.provenance:
        for begins, code, sentence in _STEPS:
            if step.startswith(begins):
                yield Notice(code, sentence.format(step))
    width, height = picture.original_size
    few = width * height < FEWEST or min(width, height) < _NARROWEST
    if few and picture.about.modality not in _SMALL:
        yield Notice(
            "few_pixels",
            f"The image has only {width} x {height} pixels: too few to show findings.",
        )
    pixels = picture.pixels[inside(picture.original_size, picture.fit, len(picture.pixels))]
    if _is_one_grey(pixels):
        yield ONE_GREY
    else:
        yield from _of_few_greys(pixels)


def among(pictures: Sequence[Picture], first: int = 1) -> Iterator[Notice]:
    """What the user should know of several, each thing once, with the numbers of its images.

    Args:
        pictures: pictures in order.
        first: number of the first picture.
    """
    yield from _of_series(pictures, first)
    yield from together(pictures)
    found: dict[Notice, list[int]] = {}
    for number, picture in enumerate(pictures, first):
        slices = len(pictures) > 1 and picture.about.modality in VOLUMES
        burned_in = [BURNED_IN] if picture.about.burned_in else []
        for notice in (*of(picture), *burned_in):
            if not (slices and notice.code == _ONE_OF_SEVERAL):  # the others are shown as well
                found.setdefault(notice, []).append(number)
    for notice, numbers in found.items():
        which = f"{_numbered(numbers)}: " if len(pictures) > 1 else ""
        yield Notice(notice.code, which + notice.text)


def _of_series(pictures: Sequence[Picture], first: int) -> Iterator[Notice]:
    """The text about series: which slices are shown, and what was left out of them."""
    series = [(number, p.of_series) for number, p in enumerate(pictures, first) if p.of_series]
    for number, texts in series:
        which = f"From image {number} on: " if len(series) > 1 else ""
        yield from (Notice("series", which + text) for text in texts)


def together(pictures: Sequence[Picture]) -> Iterator[Notice]:
    """Notices about several images together."""
    yield from _mixed(pictures)
    volumes = Counter(
        p.series_origin.opened for p in pictures if p.series_origin and p.series_origin.order
    )
    if (several := sum(slices > 1 for slices in volumes.values())) > 1:
        yield Notice("several_series", _LABELS.format(several))


def _mixed(pictures: Sequence[Picture]) -> Iterator[Notice]:
    """That images are of several patients; or else of several studies, or days."""
    known = [picture.identity for picture in pictures if picture.identity is not None]
    people = {identity[0] for identity in known}
    if "" in people and len(people) == 2:
        yield Notice("several_patients", UNNAMED.format("patient"))
        return
    for which, (code, sentence) in enumerate(_MIXED):
        if (several := len({identity[which] for identity in known} - {""})) > 1:
            yield Notice(code, sentence.format(several))
            return


def doubt(pictures: Sequence[Picture]) -> Notice | None:
    """Why an image, or each slice of a series, isn't worth asking about; None if one is."""
    found = [[notice for notice in of(picture) if notice.code in DOUBTFUL] for picture in pictures]
    return found[0][0] if all(found) else None


def _is_one_grey(pixels: npt.NDArray[np.uint8]) -> bool:
    """Whether nearly all pixels are alike; a few of them settle it for most pictures."""
    sample = pixels[::16, ::16]
    middle = np.median(sample.reshape(-1, 3), axis=0)
    lowest = np.clip(middle - _ALIKE, 0, 255).astype(np.uint8)
    return _differing(sample, lowest) < 0.1 and _differing(pixels, lowest) < _SPECKS


def _of_few_greys(pixels: npt.NDArray[np.uint8]) -> Iterator[Notice]:
    for width, code in _BANDS.items():
        if _bands(pixels[::16, ::16], width, 0.1) and (lows := _bands(pixels, width, _FEW)):
            low = lows[0]
            where = f"between grey {low} and {low + width - 1} of 255"
            if len(set(lows)) > 1:
                where = f"within {width} of 256 levels of each colour"
            yield Notice(code, f"Almost all pixels of the image lie {where}: little can be seen.")
            return
    if _is_lettering(pixels.max(axis=2)):
        yield Notice(
            "narrow",
            "Besides black the image has one brightness, as of letters, markers or a frame: little "
            "can be seen.",
        )


def _is_lettering(greys: npt.NDArray[np.uint8]) -> bool:
    """Whether a picture is black but for what has one brightness, and its edges.

    That is what remains of X-rays whose own range was stretched by a label or padding.
    """
    if np.count_nonzero(greys < _BLACK) < _DARK * greys.size:
        return False
    counts = np.bincount(greys.ravel(), minlength=256)
    filled = int(counts[_BLACK:].argmax()) + _BLACK
    shaded = (greys >= _BLACK) & (np.abs(greys.astype(np.int16) - filled) > _ALIKE)
    inner = shaded[1:-1, 1:-1] & (_range_around(greys) <= _EDGE)
    return bool(np.count_nonzero(inner) < _SHADED * greys.size)


def _range_around(greys: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """The difference between the brightest and the darkest of nine neighbours; without a rim."""
    height, width = greys.shape
    around = [greys[y : height - 2 + y, x : width - 2 + x] for y in range(3) for x in range(3)]
    return np.asarray(np.maximum.reduce(around) - np.minimum.reduce(around), np.uint8)


def _bands(pixels: npt.NDArray[np.uint8], width: int, few: float) -> list[int]:
    """Where the first so many levels begin that hold all but a few pixels, of each colour.

    Returns:
        nothing if a colour has no such levels.
    """
    lows = []
    for colour in range(pixels.shape[2]):
        up_to = np.cumsum(np.bincount(pixels[:, :, colour].ravel(), minlength=256))
        within = up_to[width - 1 :] - np.concatenate([[0], up_to[:-width]])
        enough = within >= (1 - few) * up_to[-1]
        if not enough.any():
            return []
        lows.append(int(enough.argmax()))
    return lows


def _differing(pixels: npt.NDArray[np.uint8], lowest: npt.NDArray[np.uint8]) -> float:
    """The share of pixels that are below or clearly above, in the colour that has most of them."""
    counts = (
        np.count_nonzero(pixels[:, :, colour] - low > 2 * _ALIKE)  # below it: they wrap round
        for colour, low in enumerate(lowest)
    )
    return float(max(counts) / (pixels.shape[0] * pixels.shape[1]))


def _numbered(numbers: Sequence[int]) -> str:
    """As in `Image 2` and `Images 1-3, 7`."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    listed = ", ".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)
    return f"Image{'s' if len(numbers) > 1 else ''} {listed}"
