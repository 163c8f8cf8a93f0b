"""Store what transformers' own processor makes of pictures: tests/golden/pixels.json.

python -m scripts.make_golden_pixels

Needs the [golden] extra. `stretch` is the processor of Gemma 3 as it is, its Pillow version; `pad`
is the same after zeros were put around the picture, as Google's serving code does.
"""

from __future__ import annotations

import hashlib
import json
from importlib.metadata import version
from pathlib import Path

import numpy as np
from PIL import Image
from transformers.models.gemma3.image_processing_pil_gemma3 import Gemma3ImageProcessorPil

from devtools.images.photos import Pixels, scene

PATH = Path(__file__).parents[1] / "tests" / "golden" / "pixels.json"

SIZES = ((896, 896), (1200, 700), (700, 1201), (640, 480), (1, 1), (17, 900), (2000, 3), (897, 895))


def main() -> None:
    pictures = [
        {
            "width": width,
            "height": height,
            "pad": processed(padded(scene(width, height))),
            "stretch": processed(scene(width, height)),
        }
        for width, height in SIZES
    ]
    tools = {package: version(package) for package in ("transformers", "pillow", "numpy")}
    text = json.dumps({"made_with": tools, "pictures": pictures}, indent=1)
    PATH.write_text(text + "\n", "utf-8")
    print(text)


def padded(pixels: Pixels) -> Pixels:
    """Zeros on both sides; an odd one goes behind."""
    side = max(pixels.shape[:2])
    before = [(side - length) // 2 for length in pixels.shape[:2]]
    after = [side - length - less for length, less in zip(pixels.shape[:2], before, strict=True)]
    return np.pad(pixels, [*zip(before, after, strict=True), (0, 0)])


def processed(pixels: Pixels) -> str:
    """SHA-256 of the resized pixels, height x width x RGB, before they are scaled to -1 … 1."""
    processor = Gemma3ImageProcessorPil(size={"height": 896, "width": 896})
    image = Image.fromarray(pixels)
    batch = processor(image, do_rescale=False, do_normalize=False, return_tensors="np")
    values = np.asarray(batch["pixel_values"][0]).transpose(1, 2, 0)
    whole = values.astype(np.uint8)
    assert (whole == values).all()
    return hashlib.sha256(np.ascontiguousarray(whole).data).hexdigest()


if __name__ == "__main__":
    main()
