"""What goes from a tokenizer or processor to a model: ids, masks, and the values of pixels."""

from __future__ import annotations

from collections import UserDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_med.compat.arguments import say
from edge_med.compat.hub import Local
from edge_med.compat.tensors import as_floats, as_lists, as_tensors, torch
from edge_med.engine.cache.ledger import ImageBlock, Item
from edge_med.errors import ImageError, PromptError
from edge_med.imaging import Picture

HALF = 127.5
"""Pixels of 0 to 255 are values of -1 to 1 (Gemma 3's preprocessor_config.json: mean and standard
deviation 0.5)."""

_ROUNDED = 0.3
"""Of a pixel: bfloat16 has 8 significant bits, so it moves values below 1 by up to 2^-9, which are
0.25 of a pixel."""


class Inputs(UserDict[str, Any]):
    """Tensors by their names, as `BatchFeature` and `BatchEncoding` hold them."""

    def __getattr__(self, name: str) -> Any:
        if name != "data" and name in self.data:
            return self.data[name]
        raise AttributeError(name)

    def to(self, *where: Any, **named: Any) -> Inputs:
        """The same with broken numbers of another type, if one is given; a device is ignored."""
        given = [*where, *named.values()]
        wanted = [to for to in given if isinstance(to, torch().dtype)]
        if any(to not in (None, "cpu", torch().device("cpu"), *wanted) for to in given):
            say(["device"], "inputs stay where they are")
        if wanted:
            for name, value in self.data.items():
                if hasattr(value, "dtype") and getattr(value.dtype, "is_floating_point", False):
                    self.data[name] = value.to(wanted[0])
        return self


@dataclass(frozen=True, slots=True)
class PromptIds:
    """A prompt as the engine takes it."""

    items: tuple[Item, ...]
    pictures: Mapping[str, Picture]


def as_inputs(
    ids: Sequence[int], kind: str | None, *, soft: int | None = None, pixels: Any = None
) -> Inputs:
    """Ids as a batch of one with its masks; `soft` is the token whose places are of images."""
    row = np.array([ids], np.int64)
    arrays = {"input_ids": row, "attention_mask": np.ones_like(row)}
    if pixels is not None:
        arrays["pixel_values"] = pixels
    if soft is not None:
        arrays["token_type_ids"] = (row == soft).astype(np.int64)
    return Inputs({name: as_tensors(values, kind) for name, values in arrays.items()})


def as_values(pictures: Sequence[Picture]) -> npt.NDArray[np.float32]:
    """Pixels as the vision tower gets them: [images, 3, side, side], -1 to 1."""
    pixels = np.stack([picture.pixels for picture in pictures]).transpose(0, 3, 1, 2)
    scaled = (pixels.astype(np.float64) / 255).astype(np.float32)  # transformers rounds here too
    return (scaled - np.float32(0.5)) / np.float32(0.5)


def as_prompt(ids: Sequence[int], values: Any, *, soft: int | None, local: Local) -> PromptIds:
    """Ids and pixel values as the engine of a model takes them.

    Raises:
        PromptError: images and their places don't match.
        ImageError: the values aren't those of pixels.
    """
    pictures = [] if values is None else as_pictures(values, local.side)
    items: list[Item] = []
    waiting, width = iter(pictures), local.image_tokens
    for token, run in groupby(ids):
        count = len(list(run))
        if token != soft:
            items += [token] * count
            continue
        if count % width:
            raise _unmatched(f"{count} tokens for images stand together, not {width}")
        shown = list(islice(waiting, count // width))
        if len(shown) != count // width:
            raise _unmatched(f"the prompt has places for more than {len(pictures)} images")
        items += [ImageBlock(picture.sha256, width) for picture in shown]
    if next(waiting, None) is not None:
        raise _unmatched(f"the prompt hasn't got places for {len(pictures)} images")
    return PromptIds(tuple(items), {picture.sha256: picture for picture in pictures})


def as_pictures(values: Any, side: int) -> list[Picture]:
    """The pictures whose values [images, 3, side, side] these are, to the bit.

    Raises:
        ImageError: they aren't values of pixels.
    """
    floats = as_floats(values)
    pixels = np.rint(floats * HALF + HALF)
    sound = floats.ndim == 4 and len(floats) and floats.shape[1:] == (3, side, side)
    if not sound or not _are_pixels(floats, pixels):
        raise ImageError(
            "pixel_values aren't what the processor makes of images.",
            "Change the image before it goes to the processor, not its values after.",
        )
    squares = pixels.astype(np.uint8).transpose(0, 2, 3, 1)
    return [Picture(square, (side, side), "stretch", ("pixel_values",)) for square in squares]


def _are_pixels(floats: npt.NDArray[np.float32], pixels: npt.NDArray[np.float32]) -> bool:
    off = np.abs(floats * HALF + HALF - pixels).max()
    return bool(off <= _ROUNDED and pixels.min() >= 0 and pixels.max() <= 255)


def only_row(name: str, values: Any) -> list[int]:
    """The ids, or the mask, of a batch of one.

    Raises:
        PromptError: the ids are a batch of several, or none, or not of numbers.
    """
    rows = as_lists(values)
    rows = [as_lists(row) for row in rows] if isinstance(rows, Sequence) else rows
    if not (isinstance(rows, list) and len(rows) == 1 and isinstance(rows[0], list) and rows[0]):
        raise PromptError(
            f"{name} isn't a batch of one prompt.", "Give [[…]], and several prompts one by one."
        )
    try:
        return [int(number) for number in rows[0]]
    except (TypeError, ValueError):
        raise PromptError(f"{name} isn't made of numbers.", "Give ids of tokens.") from None


def _unmatched(what: str) -> PromptError:
    return PromptError(
        f"Images and their places don't match: {what}.",
        "Give input_ids and pixel_values as the processor made them.",
    )
