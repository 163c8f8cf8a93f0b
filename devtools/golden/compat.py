"""The samples of MedGemma's model cards: the same calls, arguments and order, on any library.

`library` is transformers or edge_med.compat, and `torch` what a program would have imported.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from PIL import Image

from devtools import GOLDEN
from devtools.checkpoints.tiny import Text, Tiny, Vision
from devtools.golden.numbers import pixels

PATH = GOLDEN / "compat.json"

TEXT_ID = "google/medgemma-27b-text-it"
IMAGE_ID = "google/medgemma-4b-it"

# Untied, so that the next token isn't mostly the same one again.
_SEES = Tiny(seed=32, sharp=True, text=Text(layers=6, tied=False, context=2048), vision=Vision())
CHECKPOINTS = {TEXT_ID: replace(_SEES, vision=None), IMAGE_ID: _SEES}

QUESTION = [
    {"role": "system", "content": "You are a helpful medical assistant."},
    {"role": "user", "content": "How do you differentiate bacterial from viral pneumonia?"},
]


def picture(name: str = "wide") -> Image.Image:
    """For the tiny model's square; a wide one has to be fitted."""
    return Image.fromarray(pixels(name, 56))


def about(image: Image.Image) -> list[dict[str, Any]]:
    """The question of the sample with an image."""
    return [
        {
            "role": "system",
            "content": [{"type": "text", "text": "You are an expert radiologist."}],
        },
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Describe this X-ray"},
                {"type": "image", "image": image},
            ],
        },
    ]


@dataclass
class Seen:
    """What a sample went through.

    Attributes:
        text: that it prints.
        inputs: of the model, where a sample makes them itself.
        generated: the new ids, where a sample has them.
        output: of the pipeline.
    """

    text: str
    inputs: Any = None
    generated: list[int] | None = None
    output: Any = None


def pipeline_with_text(library: Any, torch: Any) -> Seen:
    pipe = library.pipeline(
        "text-generation",
        model=TEXT_ID,
        torch_dtype=torch.bfloat16,
        device="cuda",
    )
    output = pipe(text=QUESTION, max_new_tokens=200)
    return Seen(output[0]["generated_text"][-1]["content"], output=output)


def direct_with_text(library: Any, torch: Any) -> Seen:
    model = library.AutoModelForCausalLM.from_pretrained(
        TEXT_ID,
        torch_dtype=torch.bfloat16,
        device_map="auto",
    )
    tokenizer = library.AutoTokenizer.from_pretrained(TEXT_ID)
    inputs = tokenizer.apply_chat_template(
        QUESTION,
        add_generation_prompt=True,
        tokenize=True,
        return_dict=True,
        return_tensors="pt",
    ).to(model.device)
    input_len = inputs["input_ids"].shape[-1]
    with torch.inference_mode():
        generation = model.generate(**inputs, max_new_tokens=200, do_sample=False)
        generation = generation[0][input_len:]
    decoded = tokenizer.decode(generation, skip_special_tokens=True)
    return Seen(decoded, inputs, generation.tolist())


def pipeline_with_image(library: Any, torch: Any) -> Seen:
    pipe = library.pipeline(
        "image-text-to-text",
        model=IMAGE_ID,
        torch_dtype=torch.bfloat16,
        device="cuda",
    )
    output = pipe(text=about(picture()), max_new_tokens=200)
    return Seen(output[0]["generated_text"][-1]["content"], output=output)


def direct_with_image(library: Any, torch: Any) -> Seen:
    model = library.AutoModelForImageTextToText.from_pretrained(
        IMAGE_ID,
        torch_dtype=torch.bfloat16,
        device_map="auto",
    )
    processor = library.AutoProcessor.from_pretrained(IMAGE_ID)
    inputs = processor.apply_chat_template(
        about(picture()),
        add_generation_prompt=True,
        tokenize=True,
        return_dict=True,
        return_tensors="pt",
    ).to(model.device, dtype=torch.bfloat16)
    input_len = inputs["input_ids"].shape[-1]
    with torch.inference_mode():
        generation = model.generate(**inputs, max_new_tokens=200, do_sample=False)
        generation = generation[0][input_len:]
    decoded = processor.decode(generation, skip_special_tokens=True)
    return Seen(decoded, inputs, generation.tolist())


SAMPLES: dict[str, Callable[[Any, Any], Seen]] = {
    sample.__name__: sample
    for sample in (pipeline_with_text, direct_with_text, pipeline_with_image, direct_with_image)
}

SPELLED = (
    "Hello <start_of_turn>user\n<unused94> and </s><b>x</b><end_of_turn>",
    "the chest  x-ray\n\n\n<start_of_image> is <mask> caf\u00e9",
    "",
)
"""Texts that spell control tokens out, for a bare tokenizer."""


def golden() -> dict[str, Any]:
    """What transformers makes of the samples."""
    found: dict[str, Any] = json.loads(PATH.read_text("utf-8"))
    return found
