"""Messages through the model cards' code: whatever form they have, images are seen."""

from __future__ import annotations

import base64
import io
from typing import Any

import pytest

from devtools.golden.compat import IMAGE_ID, picture
from edge_med.compat import AutoProcessor, pipeline
from edge_med.errors import ImageError, PromptError, UsageError


def png() -> bytes:
    buffer = io.BytesIO()
    picture().save(buffer, "PNG")
    return buffer.getvalue()


BASE64 = base64.b64encode(png()).decode()
ASK = {"type": "text", "text": "ask", "image": None}
FORMS: dict[str, dict[str, Any]] = {
    "Ollama's": {"role": "user", "content": "ask", "images": [BASE64]},
    "an image beside the content": {"role": "user", "content": "ask", "image": picture()},
    "OpenAI's": {
        "role": "user",
        "content": [
            {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{BASE64}"}},
            ASK,
        ],
    },
    "a dataset's row": {
        "role": "user",
        "content": [{"type": "image", "image": picture(), "text": None}, ASK],
    },
}


@pytest.mark.parametrize("form", FORMS)
def test_an_image_of_any_form_is_seen(form: str, torch: Any) -> None:
    processor = AutoProcessor.from_pretrained(IMAGE_ID)
    usual = {"role": "user", "content": [{"type": "image", "image": picture()}, ASK]}
    ours, theirs = (
        processor.apply_chat_template([one], tokenize=True, return_dict=True)
        for one in (FORMS[form], usual)
    )
    assert ours["input_ids"] == theirs["input_ids"]
    assert ours["pixel_values"] == theirs["pixel_values"]


def test_an_image_that_would_be_dropped_is_refused_by_a_pipeline(torch: Any) -> None:
    pipe = pipeline("image-text-to-text", IMAGE_ID)
    with pytest.raises(PromptError, match="key scan"):
        pipe(text=[{"role": "user", "content": "ask", "scan": picture()}])
    with pytest.raises(PromptError, match="key image"):
        pipe(text=[{"role": "user", "content": [{**ASK, "image": picture()}]}])
    with pytest.raises(ImageError, match="offline"):
        pipe(text=[{"role": "user", "content": "ask", "images": ["https://example.org/a.png"]}])


def test_messages_that_were_written_out_are_refused_by_a_pipeline(torch: Any) -> None:
    pipe = pipeline("text-generation", IMAGE_ID)
    with pytest.raises(PromptError, match="as Python shows them"):
        pipe(str([{"role": "user", "content": [{"type": "image", "image": picture()}]}]))


@pytest.mark.parametrize(
    "given",
    ["", " ", [{"role": "user", "content": []}], [{"role": "system", "content": "Be brief."}]],
    ids=str,
)
def test_a_pipeline_that_is_asked_nothing_says_so(given: Any, torch: Any) -> None:
    with pytest.raises(UsageError, match="There is no question"):
        pipeline("text-generation", IMAGE_ID)(given, max_new_tokens=1)
