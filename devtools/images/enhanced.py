"""Enhanced DICOM: a CT in one file of many frames. All numbers in it are invented."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import imagecodecs
import numpy as np
import pydicom.uid as uids
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence as Items

from devtools.images.dicom import AXIAL, Pixels, elements, written

DEPTHS = (2.0, 0.0, 4.0, 3.0, 1.0)
"""Of the frames, in their file's order."""


def group(**values: Any) -> Items:
    """A functional group: one item with some attributes."""
    item = Dataset()
    for name, value in values.items():
        setattr(item, name, value)
    return Items([item])


def frame_groups(depth: float, **content: Any) -> Dataset:
    """A frame's own groups; its HU are its pixels less 1024."""
    own = Dataset()
    own.PlanePositionSequence = group(ImagePositionPatient=[0.0, 0.0, depth])
    own.PlaneOrientationSequence = group(ImageOrientationPatient=list(AXIAL))
    own.PixelMeasuresSequence = group(PixelSpacing=[0.5, 0.25])
    own.PixelValueTransformationSequence = group(RescaleSlope=1, RescaleIntercept=-1024)
    own.FrameContentSequence = group(**content)
    return own


def frames(depths: Sequence[float]) -> Pixels:
    """What `ct_slice` has at these depths."""
    stored = np.arange(16)[None, None, :] + np.zeros((1, 16, 1)) + 1024
    found: Pixels = (stored + np.round(np.array(depths) * 10)[:, None, None]).astype(np.int16)
    return found


def enhanced(
    depths: Sequence[float] = DEPTHS,
    groups: Sequence[Dataset] | None = None,
    tags: Mapping[str, Any] | None = None,
    syntax: str = uids.ExplicitVRLittleEndian,
) -> bytes:
    """An enhanced CT (PS3.3 A.38)."""
    pixels = frames(depths)
    data = elements(pixels, {"Modality": "CT", "SOPClassUID": uids.EnhancedCTImageStorage})
    data.PerFrameFunctionalGroupsSequence = Items(
        [frame_groups(depth) for depth in depths] if groups is None else groups
    )
    if uids.UID(syntax).is_encapsulated:
        coded = [bytes(imagecodecs.jpegls_encode(frame.view(np.uint16))) for frame in pixels]
        data.PixelData = encapsulate(coded)
    for name, value in (tags or {}).items():
        setattr(data, name, value)
    return written(data, syntax)
