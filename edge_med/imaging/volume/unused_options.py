"""Wishes for how images are shown that none of them could fulfil."""

from __future__ import annotations

from collections.abc import Sequence

from edge_med.errors import UsageError
from edge_med.imaging.hu_windows import DEFAULT
from edge_med.imaging.picture import Picture
from edge_med.imaging.volume.slice_order import ORDERS
from edge_med.imaging.volume.study import Study, all_pictures

USED = ("slices", "frame", "series", "order")
"""What `check_used` takes."""

_SHOWN = 20
"""Characters of a choice that are shown."""

_IN_HU = "values in HU"
"""A step of pictures to which windows are put."""


def check_used(
    images: Sequence[Picture | Study],
    *,
    slices: str,
    frame: int | None,
    series: str | None = None,
    order: str = ORDERS[0],
) -> None:
    """Refuse slices or their order where there is no series, a frame or a series without DICOM.

    One image satisfies who wants all, or so many at the most.

    Raises:
        UsageError: that.
    """
    chosen = slices not in ("auto", "all") and not slices.isdecimal()
    if chosen and not any(isinstance(image, Study) for image in images):
        raise UsageError(
            f"Slices {slices} are wanted, but no image is a series.", "Leave out `slices`."
        )
    if order != ORDERS[0] and not any(isinstance(one, Study) and one.volume for one in images):
        raise UsageError(
            f"The order {order} is wanted, but no image is a series.", "Leave out `order`."
        )
    if series is not None and not any("DICOM" in _steps(image) for image in images):
        raise no_series(series)
    if frame not in (None, 1) and not any("DICOM" in _steps(image) for image in images):
        raise UsageError(
            f"Frame {frame} is wanted, but no image is a DICOM file.",
            "Leave out `frame`, or save the frame that you need as a separate file.",
        )


def no_series(series: str) -> UsageError:
    """The text about a series that is wanted where there is no DICOM file."""
    return UsageError(
        f"Series {series[:_SHOWN]} is wanted, but no image is a DICOM file.", "Leave out `series`."
    )


def unused_windows(images: Sequence[Picture | Study], windows: str) -> str:
    """The text about windows where there is no CT; empty where there is one."""
    if windows == DEFAULT or any(_IN_HU in _steps(image) for image in images):
        return ""
    return f"The windows {windows} have no effect: no image is a CT."


def _steps(image: Picture | Study) -> tuple[str, ...]:
    return all_pictures([image])[0].provenance
