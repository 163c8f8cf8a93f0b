"""What a pipeline is made with holds for its calls, and a call's own words come first."""

from __future__ import annotations

from typing import Any

import pytest

from devtools.golden.compat import IMAGE_ID, QUESTION, TEXT_ID, about, picture
from edge_med import compat
from edge_med.errors import ImageError, UsageError
from tests.compat.kit import PLACE


def new(pipe: Any, **options: Any) -> Any:
    return pipe(QUESTION, return_full_text=False, **options)[0]["generated_text"]


def test_a_call_says_otherwise_than_the_pipeline(torch: Any) -> None:
    plain = compat.pipeline("text-generation", TEXT_ID)
    pipe = compat.pipeline("text-generation", TEXT_ID, max_new_tokens=3)
    assert new(pipe) == new(plain, max_new_tokens=3)
    assert new(pipe, max_new_tokens=5) == new(plain, max_new_tokens=5)
    kept = compat.pipeline("text-generation", TEXT_ID, generate_kwargs={"max_new_tokens": 4})
    assert new(kept) == new(plain, max_new_tokens=4)


@pytest.mark.parametrize("where", ["call", "config", "generate_kwargs"])
def test_a_whole_length_is_kept_wherever_it_stands(where: str, torch: Any) -> None:
    pipe = compat.pipeline("text-generation", TEXT_ID)
    inputs = pipe.tokenizer.apply_chat_template(QUESTION, add_generation_prompt=True)
    length = {"max_length": len(inputs["input_ids"]) + 3}
    given: Any = {
        "call": length,
        "config": {"generation_config": compat.GenerationConfig(**length)},
        "generate_kwargs": {"generate_kwargs": length},
    }[where]
    assert new(pipe, **given) == new(pipe, max_new_tokens=3)


def test_options_of_from_pretrained_go_to_the_model(torch: Any) -> None:
    pipe = compat.pipeline("text-generation", TEXT_ID, context=64, model_kwargs={"threads": 1})
    assert pipe.model.medgemma.info.options.context == 64
    with pytest.raises(UsageError, match="from_pretrained takes no contxt"):
        compat.pipeline("text-generation", TEXT_ID, model_kwargs={"contxt": 64})


def test_adapters_are_the_models(torch: Any) -> None:
    with pytest.raises(UsageError, match=r"no adapter 'lungs\.gguf' on this machine"):
        compat.pipeline("text-generation", TEXT_ID, adapters="lungs.gguf")
    model = compat.AutoModelForCausalLM.from_pretrained(TEXT_ID)
    with pytest.raises(UsageError, match="loaded already, and adapters can't be changed"):
        compat.pipeline("text-generation", model, adapters="lungs.gguf")


def test_a_pipeline_takes_the_models_own_tokenizer_and_processor(torch: Any) -> None:
    processor = compat.AutoProcessor.from_pretrained(IMAGE_ID)
    compat.pipeline("image-text-to-text", IMAGE_ID, processor=processor, tokenizer=IMAGE_ID)
    with pytest.raises(UsageError, match="isn't the model's own"):
        compat.pipeline("text-generation", TEXT_ID, processor=processor)
    with pytest.raises(UsageError, match="isn't the model's own"):
        compat.pipeline("text-generation", TEXT_ID, tokenizer=object())


def test_image_pipeline_refuses_a_model_without_projector() -> None:
    with pytest.raises(ImageError, match="can't see"):
        compat.pipeline("image-text-to-text", TEXT_ID)


def test_images_in_places_come_back_in_the_messages(torch: Any) -> None:
    pipe = compat.pipeline("image-text-to-text", IMAGE_ID)
    (record,) = pipe(text=PLACE, images=picture(), max_new_tokens=3)
    assert record["input_text"][0]["content"][0]["image"] == picture()
    assert PLACE[0]["content"][0] == {"type": "image"}
    again = [*record["generated_text"], {"role": "user", "content": "And?"}]
    assert pipe(text=again, max_new_tokens=3)


def test_what_is_not_there_is_named(torch: Any) -> None:
    pipe = compat.pipeline("text-generation", TEXT_ID)
    processor = compat.AutoProcessor.from_pretrained(IMAGE_ID)
    for has in (pipe, pipe.model, pipe.tokenizer, processor, pipe.model.generation_config):
        with pytest.raises(AttributeError, match=r"has no nothing here. See docs/guide/compat\.md"):
            has.nothing  # noqa: B018


def test_keys_that_a_dataset_leaves_empty_are_not_there(torch: Any) -> None:
    processor = compat.AutoProcessor.from_pretrained(IMAGE_ID)
    empty = dict.fromkeys(("text", "image", "url", "path", "base64"))
    rows = [
        {**message, "name": None, "content": [{**empty, **part} for part in message["content"]]}
        for message in about(picture())
    ]
    found = [processor.apply_chat_template(m, tokenize=True) for m in (rows, about(picture()))]
    assert found[0] == found[1]
