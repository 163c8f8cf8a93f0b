"""Photos to RGB: by an allow-list of formats, within limits, and every kind of pixel on purpose.

Nothing is guessed and nothing is dropped: what can't be shown to the model as it is meant is
refused.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFile, features
from PIL.AvifImagePlugin import AvifImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.Jpeg2KImagePlugin import Jpeg2KImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from edge_med.config import Fit
from edge_med.errors import ImageError
from edge_med.imaging.file_limits import DAMAGED, Container, check_bytes, check_size
from edge_med.imaging.files import unread_formats
from edge_med.imaging.photo import deep_photos, iso_boxes, strip, tiff_tags
from edge_med.imaging.photo.gif import gif

Decoder = Callable[[io.BytesIO], ImageFile.ImageFile]

FORMATS: tuple[tuple[re.Pattern[bytes], Callable[[bytes], Container], Decoder], ...] = (
    (re.compile(rb"\x89PNG\r\n\x1a\n"), strip.png, PngImageFile),
    (re.compile(rb"\xff\xd8\xff"), strip.jpeg, JpegImageFile),
    (re.compile(rb"RIFF[\x00-\xff]{4}WEBP"), strip.webp, WebPImageFile),
    (re.compile(rb"II\*\x00|MM\x00\*"), tiff_tags.tiff, TiffImageFile),
    (re.compile(rb"BM"), strip.bmp, BmpImageFile),
    (re.compile(rb"GIF8[79]a"), gif, GifImageFile),
    (unread_formats.AVIF, iso_boxes.avif, AvifImageFile),
    (
        re.compile(rb"\x00\x00\x00\x0cjP  \r\n\x87\n|\xff\x4f\xff\x51"),
        iso_boxes.jpeg2000,
        Jpeg2KImageFile,
    ),
)
"""How each format begins, what walks through its files, and what decodes them. The decoders are
called by their names: Pillow's `open` would take pictures that other parts of a file hold."""

_CODECS = {"JPEG": "jpg", "PNG": "zlib", "WebP": "webp", "AVIF": "avif", "JPEG 2000": "jpg_2000"}
"""By which names Pillow knows the libraries that it may be built without."""

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

_ALPHA = ("LA", "PA", "RGBA")
_PLAIN = ("1", "L", "P", "RGB", "RGBX", "CMYK", "YCbCr")
"""Pillow's modes that are taken; the others have no white, or none that everybody agrees on."""

_SAID = {
    "P": "palette applied",
    "PA": "palette applied",
    "CMYK": "CMYK to RGB without a profile",
}
"""The text about a mode where a choice was made."""

_ON_WHITE, _LEFT_OUT = "alpha laid on white", "alpha left out"


@dataclass(frozen=True, slots=True)
class Photo:
    """A decoded photo.

    Attributes:
        image: upright image in mode RGB, or L where it is grey.
        steps: source of its pixels and what was done to them, in order.
    """

    image: Image.Image
    steps: tuple[str, ...]


def decode(data: bytes, fit: Fit = "pad") -> Photo:
    """Decode a photo's file.

    Args:
        data: bytes of the whole file.
        fit: fit that it will have: for `stretch` transparency is left out, as in transformers'
            `load_image`, else it is laid on white.

    Raises:
        ImageError: it isn't a photo that can be read as it is meant.
    """
    check_bytes(len(data))
    for mark, walk_through, decoder in FORMATS:
        if mark.match(data):
            container = walk_through(data)
            _check_codec(container.kind)
            with _refusing(f"{container.kind} image"):
                image = decoder(io.BytesIO(container.data))
                if decoder is AvifImageFile:  # its file has its own word for being turned
                    container = replace(container, orientation=_turned(image))
                return _decoded(image, container, opaque=fit == "stretch")
    raise unread_formats.unknown(data)


def _check_codec(kind: str) -> None:
    codec = _CODECS.get(kind)
    if codec and not features.check(codec):
        raise ImageError(
            f"The image is a {kind}, and the Pillow that is installed was built without {codec}.",
            "Install Pillow's own wheel (pip install --force-reinstall pillow), or save the image "
            "as a PNG.",
        )


def from_pillow(image: Image.Image, fit: Fit = "pad") -> Photo:
    """Take an image of Pillow's: the frame that it is at, turned as its EXIF block says.

    Args:
        image: image of Pillow's.
        fit: fit that it will have: for `stretch` it isn't turned, as transformers' processor
            doesn't turn what is opened already.

    Raises:
        ImageError: it can't be decoded, or its mode has no meaning that is known.
    """
    return _of_pillow(image, upright=fit != "stretch")


def load_image(image: Image.Image) -> Image.Image:
    """Upright, in RGB, and without transparency, as transformers' `load_image` has it.

    Raises:
        ImageError: as of `from_pillow`.
    """
    return _of_pillow(image, upright=True, opaque=True).image


def _of_pillow(image: Image.Image, *, upright: bool, opaque: bool = False) -> Photo:
    bits = 16 if image.mode in deep_photos.DEEP else 8
    with _refusing("image"):
        check_size(*image.size)
        image.load()  # Pillow turns a TIFF with that
        turned = _turned(image) if upright else 1
        container = Container("image", b"", turned, bits, steps=tuple(_frame_of(image)))
        return _decoded(image, container, opaque=opaque)


def _frame_of(image: Image.Image) -> Iterator[str]:
    """Which frame an image of Pillow's is at, if its file has several."""
    if (count := _frames(image)) > 1:
        yield f"frame {image.tell() + 1} of {count}"


def _frames(image: Image.Image) -> int:
    """As far as it is known: counted in a file that was closed, the frame at hand would be lost."""
    if "n_frames" in vars(image):
        return int(image.n_frames)  # type: ignore[attr-defined]
    with suppress(Exception):  # whatever stands for a file that is gone
        files = [getattr(image, name, None) for name in ("fp", "_fp")]
        if any(files) and not any(file is not None and file.closed for file in files):
            return int(getattr(image, "n_frames", 1))
    return 1


def _turned(image: Image.Image) -> int | None:
    """Which way up an image of Pillow's is, by what it has of its file."""
    metadata = {
        name: text.encode() if isinstance(text, str) else text
        for name in ("exif", "Raw profile type exif", "XML:com.adobe.xmp", "xmp")
        if isinstance(text := image.info.get(name), str | bytes)
    }
    exif = metadata.get("exif") or strip.from_profile(metadata.get("Raw profile type exif", b""))
    return tiff_tags.turned(exif, metadata.get("XML:com.adobe.xmp") or metadata.get("xmp", b""))


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
    if channels == (1,):
        pixels = pixels[:, :, 0]
    if kind == "u1":
        return _decoded(Image.fromarray(np.ascontiguousarray(pixels)), Container("array", b""))
    image, step = deep_photos.spread(pixels.astype(np.uint16, copy=False), 16)
    return _decoded(image, Container("array", b"", steps=(step,)))


def _decoded(image: Image.Image, container: Container, *, opaque: bool = False) -> Photo:
    """Pixels to RGB, upright; the size is checked before anything is decoded."""
    check_size(*image.size)
    image.load()
    rgb, colours = _to_rgb(image, container, opaque=opaque)
    upright, turn = _upright(rgb, container.orientation)
    return Photo(upright, (container.kind, *container.steps, *turn, *colours))


def _to_rgb(
    image: Image.Image, container: Container, *, opaque: bool
) -> tuple[Image.Image, list[str]]:
    """Pixels to RGB by their mode, and what was done to them."""
    image, steps = deep_photos.shallow(image, container)
    if image.mode not in _PLAIN + _ALPHA:
        raise ImageError(
            f"Pixels of the mode {image.mode} have no range that defines black and white.",
            "Save the image with 8 or 16 bits a channel.",
        )
    if image.mode in _SAID:
        steps.append(_SAID[image.mode])
    if image.mode in _ALPHA or _has_clear_colour(image):
        if opaque:  # what convert keeps of it, transformers' processor lays on white after that
            image = image.convert("RGB")
        shows = opaque and not _has_clear_colour(image)
        steps.append(_LEFT_OUT if shows else _ON_WHITE)
        image = image if shows else _on_white(image, container.depth)
    return image.convert("RGB"), steps


def _has_clear_colour(image: Image.Image) -> bool:
    return image.info.get("transparency") is not None


def _upright(image: Image.Image, orientation: int | None) -> tuple[Image.Image, list[str]]:
    if orientation is None:
        return image, ["not turned, since its EXIF block can't be read"]
    if orientation == 1:
        return image, []
    turned = image.transpose(_TURNS[orientation])
    return turned, [f"turned by EXIF orientation {orientation}"]


def _on_white(image: Image.Image, bits: int) -> Image.Image:
    """As viewers show what is transparent, and as transformers' `convert_to_rgb` does."""
    if image.mode == "L" and bits < 8:
        # PNG gives this grey in its own depth, and Pillow holds it against greys of 8 bits.
        image.info["transparency"] *= 255 // ((1 << bits) - 1)
    layers = image.convert("RGBA")
    white = Image.new("RGBA", layers.size, "white")
    return Image.alpha_composite(white, layers)


@contextmanager
def _refusing(what: str) -> Iterator[None]:
    """Whatever a decoder raises, the image can't be decoded."""
    try:
        yield
    except ImageError:
        raise
    except Exception:  # noqa: BLE001 - Pillow's decoders raise what a damaged file makes them meet
        raise ImageError(f"The {what} can't be decoded.", DAMAGED) from None
