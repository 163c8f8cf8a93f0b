"""What is to be known of a picture is warned of; pipelines load pictures as transformers does."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from devtools.golden.compat import IMAGE_ID
from devtools.images.photos import FILES, drawn, exif, saved, scene
from edge_med import compat, imaging
from edge_med.compat.inputs import as_pictures
from edge_med.compat.tasks import _loaded
from edge_med.errors import PromptError
from edge_med.imaging.picture import Picture

SIDE = 56
BLACK = Image.new("RGB", (300, 300))


def processed(*images: object) -> list[Picture]:
    processor = compat.AutoProcessor.from_pretrained(IMAGE_ID)
    inputs = processor(images=[*images], return_tensors="np")
    return as_pictures(inputs["pixel_values"], SIDE)


def test_a_picture_that_shows_nothing_is_warned_of() -> None:
    with pytest.warns(compat.PictureWarning, match="Image 2: All pixels .* the same grey"):
        processed(Image.fromarray(scene(300, 300)), BLACK)


def test_transparency_that_is_left_out_is_warned_of() -> None:
    with pytest.warns(compat.PictureWarning, match="ignored, as in transformers"):
        processed(FILES["PNG RGBA"])


@pytest.mark.filterwarnings("error::edge_med.compat.PictureWarning")
def test_of_a_sound_picture_nothing_is_said() -> None:
    processed(Image.fromarray(scene(300, 300)))


def test_an_opened_image_is_turned_beside_a_text_and_not_by_the_processor() -> None:
    stored = saved(drawn("RGB"), "PNG")
    turned = Image.open(io.BytesIO(saved(drawn("RGB"), "PNG", exif=exif(6))))
    (as_it_lies,) = processed(turned)
    assert np.array_equal(as_it_lies.pixels, imaging.open(stored, fit="stretch", side=SIDE).pixels)
    ((upright,),) = _loaded([[turned]])
    assert upright.size == (17, 23)
    assert _loaded("chest.png") == "chest.png"


UNSEEN = pytest.mark.filterwarnings("error::edge_med.compat.PictureWarning")


def asked(question: str, image: object = None) -> list[dict[str, object]]:
    content: list[dict[str, object]] = [{"type": "text", "text": question}]
    if image is not None:
        content.append({"type": "image", "image": image})
    return [{"role": "user", "content": content}]


def test_a_question_about_an_image_that_is_not_shown_is_warned_of() -> None:
    processor = compat.AutoProcessor.from_pretrained(IMAGE_ID)
    told: dict[str, Any] = {"tokenize": True, "return_dict": True, "return_tensors": "np"}
    text = processor.apply_chat_template(asked("Describe this X-ray"), add_generation_prompt=True)
    pipe = compat.pipeline("image-text-to-text", IMAGE_ID, max_new_tokens=1)
    for call in (
        lambda: processor.apply_chat_template(asked("Describe this X-ray"), **told),
        lambda: processor(text=text, add_special_tokens=False, return_tensors="np"),
        lambda: processor.tokenizer(text, add_special_tokens=False),
        lambda: pipe(text=asked("Describe this X-ray")),
        lambda: pipe(text="Describe this X-ray"),
    ):
        with pytest.warns(compat.PictureWarning, match="No image was shown"):
            call()


def test_a_question_that_names_an_image_and_shows_none_is_refused(tmp_path: Path) -> None:
    processor = compat.AutoProcessor.from_pretrained(IMAGE_ID)
    path = tmp_path / "chest.png"
    Image.fromarray(scene(300, 300)).save(path)
    pipe = compat.pipeline("image-text-to-text", IMAGE_ID, max_new_tokens=1)
    text = f"<start_of_turn>user\nIs it large in {path}?<end_of_turn>\n<start_of_turn>model\n"
    for call in (
        lambda: processor.apply_chat_template(asked(f"Is it large in {path}?"), tokenize=True),
        lambda: processor(text=text, add_special_tokens=False, return_tensors="np"),
        lambda: pipe(text=f"Is it large in {path}?"),
        lambda: pipe(text=asked(f"Is it large? {path.as_uri()}")),
    ):
        with pytest.raises(PromptError, match="names a file that exists"):
            call()
    pipe(text=asked(f"Is it large in {path}?", path))


@UNSEEN
def test_nothing_is_said_where_an_image_is_shown_or_none_is_spoken_of() -> None:
    processor = compat.AutoProcessor.from_pretrained(IMAGE_ID)
    told: dict[str, Any] = {"tokenize": True, "return_dict": True, "return_tensors": "np"}
    image = Image.fromarray(scene(300, 300))
    processor.apply_chat_template(asked("Describe this X-ray", image), **told)
    processor.apply_chat_template(asked("What does the heart do?"), **told)
    processor(images=[image], text="<start_of_image> Describe this X-ray", return_tensors="np")
