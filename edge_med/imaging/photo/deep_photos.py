"""Photos of more than 8 bits a channel: from their least level to their greatest.

Nothing in such a file says how many of its bits are used: exports of X-rays hold 10 or 12 in 16,
and would be black. Their own range is what X-rays in DICOM are shown by.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from edge_med.errors import ImageError
from edge_med.imaging.file_limits import DAMAGED, Container
from edge_med.imaging.grey_levels import DEEPEST, in_eight_bits, look_up, spread_by_16_bits

DEEP = ("I;16", "I;16L", "I;16B", "I;16N")
"""Pillow's modes of grey in 16 bits. Of colours it has none, and drops the lower half."""

Levels = npt.NDArray[np.uint16]

_DARK = 64
"""Of 255: colours of 16 bits that stay below it use 14 at the most, if they aren't of the night."""


def shallow(image: Image.Image, container: Container) -> tuple[Image.Image, list[str]]:
    """An image in 8 bits a channel, and what was done for it.

    Raises:
        ImageError: it is too dark to be sure that its lower bits hold nothing.
    """
    if image.mode in DEEP:
        shown, step = _of_greys(image, container)
        return shown, [step]
    if container.depth <= 8:
        return image, []
    levels = _colours(image, container)
    if levels is None:
        return _upper_half(image, container.depth)
    shown, step = spread(levels, container.depth)
    return shown, [step]


def spread(levels: Levels, bits: int, *, negative: bool = False) -> tuple[Image.Image, str]:
    """Levels of shape (height, width), or with 2 to 4 channels, as an image, and the step.

    Args:
        levels: levels of grey or RGB; where there are 2 or 4 channels, the last is alpha.
        bits: number of bits of a channel.
        negative: whether zero is white.
    """
    channels = levels.shape[2] if levels.ndim == 3 else 1
    alpha = levels[..., -1] if channels in (2, 4) else None
    values = {2: levels[..., 0], 4: levels[..., :3]}.get(channels, levels)
    seen = values if alpha is None else values[alpha > 0]
    table, step = _table(seen, bits, negative=negative)
    shown = Image.fromarray(look_up(values, table))
    if alpha is not None:
        white = (1 << bits) - 1
        shown.putalpha(Image.fromarray(in_eight_bits(alpha / white)))
    return shown, step


def _table(seen: Levels, bits: int, *, negative: bool) -> tuple[npt.NDArray[np.uint8], str]:
    """Every level in 8 bits, by the range of those that are seen."""
    low, high = (int(seen.min()), int(seen.max())) if seen.size else (0, 0)
    shares = spread_by_16_bits(np.arange(DEEPEST + 1, dtype=np.float64), (low, high))
    step = f"greys from {low} to {high} of {bits} bits are black to white"
    return in_eight_bits(1 - shares if negative else shares), step


def _of_greys(image: Image.Image, container: Container) -> tuple[Image.Image, str]:
    """Grey of more than 8 bits, and a grey that stands for `transparent` as an alpha of 0."""
    levels = np.asarray(image).astype(np.uint16)
    if container.kind == "JPEG 2000":  # Pillow shifts them up
        levels >>= 16 - container.depth
    clear = image.info.get("transparency")
    if clear is None:
        return spread(levels, container.depth, negative=container.negative)
    alpha = np.where(levels == clear, 0, (1 << container.depth) - 1).astype(np.uint16)
    both = np.stack([levels, alpha], axis=-1)
    return spread(both, container.depth, negative=container.negative)


def _colours(image: Image.Image, container: Container) -> Levels | None:
    """All bits of colours that Pillow would cut, where that is sure to be what the file means."""
    import imagecodecs

    if container.kind == "PNG":
        found: Any = imagecodecs.png_decode(container.data)
    elif container.kind == "TIFF" and image.mode == "RGB":
        found = imagecodecs.tiff_decode(container.data)
    else:
        return None
    sides = (image.height, image.width)
    if found.dtype != np.uint16 or found.shape[:2] != sides or found.shape[2:] not in _CHANNELS:
        raise ImageError("The image's levels of 16 bits can't be read.", DAMAGED)
    return np.asarray(found, np.uint16)


_CHANNELS = ((2,), (3,), (4,))


def _upper_half(image: Image.Image, bits: int) -> tuple[Image.Image, list[str]]:
    brightest = max(high for _, high in _extrema(image))
    if brightest < _DARK:
        raise ImageError(
            f"The image has {bits} bits a channel, and only its lower ones are used.",
            "Save it with 8 bits a channel, from its darkest level to its brightest.",
        )
    return image, [f"the upper 8 of {bits} bits taken"]


def _extrema(image: Image.Image) -> list[tuple[int, int]]:
    found: Any = image.convert("RGB").getextrema()
    return [*found]
