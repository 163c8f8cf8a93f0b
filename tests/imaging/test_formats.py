"""A photo's pixels are those that Pillow decodes, brought to RGB by rules that are stated."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, features

from devtools.images.photos import FILES, Pixels, saved, whole
from edge_med import imaging
from edge_med.errors import ImageError
from edge_med.imaging.photo.photo import decode


def by_pillow(data: bytes) -> Pixels:
    """The same in plain calls: alpha is composited on white."""
    image: Image.Image = Image.open(io.BytesIO(data))
    if image.mode in ("LA", "RGBA") or "transparency" in image.info:
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
    return np.asarray(image.convert("RGB"))


@pytest.mark.parametrize("name", FILES)
def test_every_kind_of_file_gives_pillows_pixels(name: str) -> None:
    assert np.array_equal(whole(FILES[name]), by_pillow(FILES[name]))


@pytest.mark.parametrize("name", FILES)
def test_provenance_begins_with_the_format_and_ends_with_the_fit(name: str) -> None:
    provenance = imaging.open(FILES[name], side=32).provenance
    assert provenance[0].replace(" ", "-") == name.split(maxsplit=1)[0]
    assert provenance[-1] == "pad to 32 x 32"


@pytest.mark.parametrize(
    ("name", "step"),
    [
        ("PNG P", "palette applied"),
        ("PNG LA", "alpha laid on white"),
        ("PNG RGB with a clear colour", "alpha laid on white"),
        ("JPEG CMYK", "CMYK to RGB without a profile"),
    ],
)
def test_provenance_names_the_step(name: str, step: str) -> None:
    assert imaging.open(FILES[name]).provenance[1:-1] == (step,)


def test_palette_with_transparency_is_laid_on_white() -> None:
    steps = imaging.open(FILES["PNG P with an alpha each"]).provenance[1:-1]
    assert steps == ("palette applied", "alpha laid on white")


@pytest.mark.parametrize(
    ("kind", "codec"), [("AVIF", "avif"), ("JPEG-2000", "jpg_2000"), ("WebP", "webp")]
)
def test_a_codec_that_pillow_was_built_without_is_named(
    kind: str, codec: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(features, "check", lambda name: name != codec)
    with pytest.raises(ImageError, match=f"built without {codec}") as caught:
        decode(FILES[f"{kind} RGB"])
    assert "pip install" in caught.value.hint
    assert decode(FILES["PNG RGB"]).steps == ("PNG",)


def test_an_inverted_cmyk_jpeg_of_adobes_is_not_shown_as_a_negative() -> None:
    white = saved(Image.new("CMYK", (16, 16), (0, 0, 0, 0)), "JPEG")
    assert b"Adobe" in white
    assert imaging.open(white).pixels.min() == 255
