"""What an image processor's settings make of a picture's greys, and what of them isn't Gemma 3's.

A projector's file has a mean and a deviation for each channel, of greys from 0 to 1. Whether they
are rescaled, by what, and whether they are normalized goes into these two; what changes a picture's
size or cuts it is done by edge-med itself, as Gemma 3 does it, and any other way is refused.

Source: transformers' image_processing_gemma3.py (`rescale` and `normalize`, in this order).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from edge_med.artifacts.json_section import REFUSED, short
from edge_med.errors import CheckpointError

RESCALED = 1 / 255
"""`rescale_factor` of Gemma 3: greys from 0 to 1."""

Channels = tuple[float, ...]

_ONLY: Mapping[str, tuple[Any, ...]] = {
    "do_resize": (True,),
    "do_pan_and_scan": (False,),
    "do_center_crop": (False,),
    "do_pad": (False,),
    "resample": (2,),  # PIL's BILINEAR
}
"""What of Gemma 3's processing edge-med does itself, and does so alone."""


_BILINEAR = re.compile(r"Gemma3ImageProcessor(?:Fast|Pil)?")
_BICUBIC = re.compile(r"SiglipImageProcessor(?:Fast|Pil)?")
"""The same as Gemma 3's, but for the `resample` that a file leaves out: PIL's BICUBIC."""


def read_normalization(processor: Mapping[str, Any]) -> tuple[Channels, Channels]:
    """Mean and deviation of each channel, for greys from 0 to 1.

    Raises:
        CheckpointError: a setting is missing, damaged, or not honoured; the message names it.
    """
    for key, honoured in _ONLY.items():
        value = processor.get(key)
        if value is not None and value not in honoured:
            raise CheckpointError(
                f"{key} of the image processor is {short(value)}, and edge-med prepares images "
                f"with {short(honoured[0])}.",
                REFUSED,
            )
    _check_kind(processor)
    mean: Channels = (0.0,) * 3
    deviation: Channels = (1.0,) * 3
    if processor.get("do_normalize") is not False:
        mean, deviation = _channels(processor, "image_mean"), _channels(processor, "image_std")
    if not all(value > 0 for value in deviation):
        raise CheckpointError(f"image_std is {short(list(deviation))}.", REFUSED)
    scale = _scale(processor)
    if scale == 1:
        return mean, deviation
    return tuple(m / scale for m in mean), tuple(d / scale for d in deviation)


def check_size(processor: Mapping[str, Any], side: int) -> None:
    """Check that the processor makes pictures of the vision tower's size.

    Raises:
        CheckpointError: it makes others.
    """
    size = processor.get("size")
    if isinstance(size, Mapping):
        known = {key: value for key, value in size.items() if value is not None}
        fits = known == {"height": side, "width": side}
    else:
        fits = size is None or (type(size) is int and size == side)
    if not fits:
        raise CheckpointError(
            f"size of the image processor is {short(size)}, and Gemma 3's takes a height and a "
            f"width, which image_size in config.json makes {side} each.",
            "Take the image processor's file from the same model as config.json.",
        )


def _check_kind(processor: Mapping[str, Any]) -> None:
    """Only what makes the same pictures as Gemma 3's image processor is one here."""
    kind = processor.get("image_processor_type")
    if kind is None or _BILINEAR.fullmatch(str(kind)):
        return
    bicubic = bool(_BICUBIC.fullmatch(str(kind)))
    if bicubic and processor.get("resample") is not None:
        return
    raise CheckpointError(
        f"image_processor_type is {short(kind)}, which prepares images in another way than Gemma "
        "3's.",
        "Take the image processor's file from the base model"
        + (", or add resample 2 if that was trained with." if bicubic else "."),
    )


def _scale(processor: Mapping[str, Any]) -> float:
    """What the greys are multiplied by, of those from 0 to 1."""
    if processor.get("do_rescale") is False:
        return 255.0
    factor = processor.get("rescale_factor")
    if factor is None:
        return 1.0
    if type(factor) not in (int, float) or not 0 < factor < math.inf:
        raise CheckpointError(f"rescale_factor is {short(factor)}.", REFUSED)
    return 1.0 if math.isclose(factor, RESCALED, rel_tol=1e-6) else float(factor) / RESCALED


def _channels(processor: Mapping[str, Any], key: str) -> Channels:
    """Three numbers; Gemma 3's own are 0.5 each, but a projector without the file is incomplete."""
    values = processor.get(key)
    if not isinstance(values, list) or len(values) != 3:
        raise CheckpointError(
            f"{key} is {short(values)}: preprocessor_config.json or processor_config.json should "
            "have three numbers.",
            "Take the file from the base model, which `base` names.",
        )
    if not all(type(value) in (int, float) and math.isfinite(value) for value in values):
        raise CheckpointError(f"{key} is {short(values)}, not three numbers.", REFUSED)
    return tuple(float(value) for value in values)
