"""Photos to RGB: by an allow-list of formats, within limits, and every kind of pixel on purpose.

Nothing is guessed and nothing is dropped: what can't be shown to the model as it is meant is
refused.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from edge_med.errors import ImageError
from edge_med.imaging import tags, walk
from edge_med.imaging.container import DAMAGED, Container, check_bytes, check_size
from edge_med.imaging.gif import gif

Decoder = Callable[[io.BytesIO], ImageFile.ImageFile]

FORMATS: tuple[tuple[re.Pattern[bytes], Callable[[bytes], Container], Decoder], ...] = (
    (re.compile(rb"\x89PNG\r\n\x1a\n"), walk.png, PngImageFile),
    (re.compile(rb"\xff\xd8\xff"), walk.jpeg, JpegImageFile),
    (re.compile(rb"RIFF[\x00-\xff]{4}WEBP"), walk.webp, WebPImageFile),
    (re.compile(rb"II\*\x00|MM\x00\*"), tags.tiff, TiffImageFile),
    (re.compile(rb"BM"), walk.bmp, BmpImageFile),
    (re.compile(rb"GIF8[79]a"), gif, GifImageFile),
)
"""How each format begins, what walks through its files, and what decodes them. The decoders are
called by their names: Pillow's `open` would take pictures that other parts of a file hold."""

DEEPEST = 65_535
"""White in 16 bits. More bits come with a window, which only their own formats tell (DICOM)."""

_SCALED = "{} bits scaled to 8"

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What makes a photo upright, by EXIF's orientation (Exif 2.32, tag 274)."""

_DEEP = ("I;16", "I;16L", "I;16B", "I;16N")
_ALPHA = ("LA", "PA", "RGBA")
_PLAIN = ("1", "L", "P", "RGB", "RGBX", "CMYK", "YCbCr")
"""Pillow's modes that are taken; the others have no white, or none that everybody agrees on."""

_SAID = {
    "P": "palette applied",
    "PA": "palette applied",
    "CMYK": "CMYK to RGB without a profile",
}
"""What is said of a mode where a choice was made."""


@dataclass(frozen=True, slots=True)
class Photo:
    """A decoded photo.

    Attributes:
        image: mode RGB, or L where it is grey, upright.
        steps: where its pixels come from and what was done to them, in order.
    """

    image: Image.Image
    steps: tuple[str, ...]


def decode(data: bytes) -> Photo:
    """Decode a photo's file.

    Args:
        data: the whole file.

    Raises:
        ImageError: it isn't a photo that can be read as it is meant.
    """
    check_bytes(len(data))
    for mark, walk_through, decoder in FORMATS:
        if mark.match(data):
            container = walk_through(data)
            with _refusing(f"{container.kind} image"):
                return _decoded(decoder(io.BytesIO(container.data)), container)
    raise ImageError(
        "The image isn't of a known format.",
        "PNG, JPEG, WebP, TIFF, BMP, GIF and DICOM are read; convert the image to one of them.",
    )


def from_pillow(image: Image.Image) -> Photo:
    """Take an image of Pillow's: the frame that it is at, turned as its EXIF block says.

    Raises:
        ImageError: it can't be decoded, or its mode has no meaning that is known.
    """
    depth = 16 if image.mode in _DEEP else 8
    with _refusing("image"):
        exif = image.info.get("exif", b"")
        return _decoded(image, Container("image", b"", walk.turned(exif), depth))


def from_array(pixels: npt.NDArray[np.generic]) -> Photo:
    """Take an array of uint8 or uint16; grey, RGB or RGBA.

    Raises:
        ImageError: it has another type or shape.
    """
    kind, channels = pixels.dtype.str[1:], pixels.shape[2:]
    if kind not in ("u1", "u2") or pixels.ndim < 2 or channels not in ((), (1,), (3,), (4,)):
        raise ImageError(
            f"An array of {pixels.dtype} with the shape {list(pixels.shape)} isn't an image.",
            "Give uint8 or uint16 of the shape (height, width), or (height, width, 3 or 4).",
        )
    check_size(pixels.shape[1], pixels.shape[0])
    steps: tuple[str, ...] = ()
    if kind == "u2":
        pixels, steps = _to_8_bits(DEEPEST)[pixels], (_SCALED.format(16),)
    if channels == (1,):
        pixels = pixels[:, :, 0]
    image = Image.fromarray(np.ascontiguousarray(pixels))
    return _decoded(image, Container("array", b"", steps=steps))


def _decoded(image: Image.Image, container: Container) -> Photo:
    """Pixels to RGB, upright; the size is checked before anything is decoded."""
    check_size(*image.size)
    image.load()
    rgb, colours = _to_rgb(image, container)
    upright, turn = _upright(rgb, container.orientation)
    return Photo(upright, (container.kind, *container.steps, *turn, *colours))


def _to_rgb(image: Image.Image, container: Container) -> tuple[Image.Image, list[str]]:
    """Pixels to RGB by their mode, and what was done to them."""
    steps = []
    if image.mode in _DEEP:
        image = _shallow(image, container)
        steps.append(_SCALED.format(container.depth))
    elif container.depth > 8:
        steps.append(f"the upper 8 of {container.depth} bits taken")
    if image.mode not in _PLAIN + _ALPHA:
        raise ImageError(
            f"Pixels of the mode {image.mode} have no range that says what is black and white.",
            "Save the image with 8 or 16 bits a channel.",
        )
    if image.mode in _SAID:
        steps.append(_SAID[image.mode])
    if image.mode in _ALPHA or "transparency" in image.info:
        image = _on_black(image, container.depth)
        steps.append("alpha laid on black")
    return image.convert("RGB"), steps


def _upright(image: Image.Image, orientation: int | None) -> tuple[Image.Image, list[str]]:
    if orientation is None:
        return image, ["not turned, since its EXIF block can't be read"]
    if orientation == 1:
        return image, []
    turned = image.transpose(_TURNS[orientation])
    return turned, [f"turned by EXIF orientation {orientation}"]


def _shallow(image: Image.Image, container: Container) -> Image.Image:
    """Grey of more than 8 bits to 8, and a grey that stands for `transparent` to an alpha of 0."""
    table = _to_8_bits((1 << container.depth) - 1, negative=container.negative)
    levels = np.asarray(image)
    grey = Image.fromarray(table[levels])
    if "transparency" in image.info:
        grey.putalpha(Image.fromarray(levels != image.info["transparency"]))
    return grey


def _to_8_bits(white: int, *, negative: bool = False) -> npt.NDArray[np.uint8]:
    """Every level in 8 bits, rounded as Google's serving code does: x / (white / 255)."""
    levels = np.arange(DEEPEST + 1).clip(max=white)
    return np.rint((white - levels if negative else levels) / (white / 255)).astype(np.uint8)


def _on_black(image: Image.Image, depth: int) -> Image.Image:
    if image.mode == "RGB" and depth > 8:
        raise ImageError(
            "The image's transparent colour has 16 bits.", "Save it without, or with 8 bits."
        )
    if image.mode == "L" and depth < 8:
        # PNG gives this grey in its own depth, and Pillow holds it against greys of 8 bits.
        image.info["transparency"] *= 255 // ((1 << depth) - 1)
    layers = image.convert("RGBA")
    black = Image.new("RGB", layers.size)
    black.paste(layers, mask=layers.getchannel("A"))
    return black


@contextmanager
def _refusing(what: str) -> Iterator[None]:
    """Whatever a decoder raises, the image can't be decoded."""
    try:
        yield
    except ImageError:
        raise
    except Exception:  # noqa: BLE001 - Pillow's decoders raise what a damaged file makes them meet
        raise ImageError(f"The {what} can't be decoded.", DAMAGED) from None
