"""What `stretch` and the processor make of every kind of file, held against transformers itself."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from devtools.golden.compat import IMAGE_ID
from devtools.images.photos import FILES, SAID_OTHERWISE, Pixels, drawn, exif, saved, scene, xmp
from edge_med import compat, imaging
from edge_med.compat.inputs import as_pictures

pytestmark = [
    pytest.mark.torch,
    pytest.mark.filterwarnings("ignore:Palette images with Transparency"),
]

SIDE = 56
CLEAR = tuple(int(value) for value in scene(23, 17)[5, 5])

TURNED = {
    f"{form} {mode}, turned {number}": saved(drawn(mode), form, exif=exif(number))
    for form, mode in (
        *(("PNG", "RGB"), ("PNG", "RGBA"), ("JPEG", "RGB")),
        *(("WEBP", "RGB"), ("TIFF", "RGB"), ("AVIF", "RGB")),
    )
    for number in range(1, 9)
}
CASES = {
    **FILES,
    **TURNED,
    **{f"{form}, 6 otherwise": write(6) for form, write in SAID_OTHERWISE.items()},
    "JPEG, 6 and 3 otherwise": saved(drawn("RGB"), "JPEG", exif=exif(6), xmp=xmp(3)),
    "PNG RGB, a clear colour that is there": saved(drawn("RGB"), "PNG", transparency=CLEAR),
    "PNG L, a clear grey that is there": saved(
        drawn("L"), "PNG", transparency=int(np.asarray(drawn("L"))[5, 5])
    ),
}


def by_transformers(image: Any) -> Pixels:
    """The processor's pixels before they are scaled; a text goes through `load_image` first."""
    from transformers.models.gemma3.image_processing_pil_gemma3 import Gemma3ImageProcessorPil

    processor = Gemma3ImageProcessorPil(size={"height": SIDE, "width": SIDE})
    batch = processor(image, do_rescale=False, do_normalize=False, return_tensors="np")
    pixels: Pixels = np.asarray(batch["pixel_values"][0]).transpose(1, 2, 0).astype(np.uint8)
    return pixels


def by_pipeline(image: Image.Image) -> Pixels:
    """The same of what a pipeline with a text is given, which loads every kind of image."""
    from transformers.image_utils import load_image

    return by_transformers(load_image(image))


def opened(name: str) -> Image.Image:
    return Image.open(io.BytesIO(CASES[name]))


@pytest.mark.parametrize("name", CASES)
def test_a_file_that_is_stretched_has_the_pixels_of_load_image(name: str) -> None:
    theirs = by_transformers(base64.b64encode(CASES[name]).decode())
    assert (imaging.open(CASES[name], fit="stretch", side=SIDE).pixels == theirs).all()


@pytest.mark.parametrize("name", CASES)
def test_an_opened_image_that_is_stretched_has_the_pixels_of_the_processor(name: str) -> None:
    ours = imaging.open(opened(name), fit="stretch", side=SIDE).pixels
    assert (ours == by_transformers(opened(name))).all()


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_an_array_that_is_stretched_has_the_pixels_of_the_processor(channels: int) -> None:
    pixels = np.dstack([scene(23, 17), scene(23, 17)[:, ::-1, :1]])[:, :, :channels]
    ours = imaging.open(pixels, fit="stretch", side=SIDE).pixels
    assert (ours == by_transformers(pixels)).all()


@pytest.mark.parametrize("name", CASES)
def test_an_opened_image_beside_a_text_has_the_pixels_of_load_image(name: str) -> None:
    ours = imaging.open(imaging.loaded(opened(name)), fit="stretch", side=SIDE).pixels
    assert (ours == by_pipeline(opened(name))).all()


NAMES = ["PNG RGBA", "PNG RGBA, turned 6", "AVIF RGB, turned 5", "PNG P with one clear colour"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("as_file", [True, False], ids=["file", "opened"])
def test_the_processor_makes_the_same_values(name: str, *, as_file: bool) -> None:
    given = base64.b64encode(CASES[name]).decode() if as_file else opened(name)
    part = {"type": "image", "base64" if as_file else "image": given}
    processor = compat.AutoProcessor.from_pretrained(IMAGE_ID)
    inputs = processor.apply_chat_template(
        [{"role": "user", "content": [part]}], tokenize=True, return_dict=True, return_tensors="np"
    )
    (ours,) = as_pictures(inputs["pixel_values"], SIDE)
    assert (ours.pixels == by_transformers(given)).all()
