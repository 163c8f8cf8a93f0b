"""The names that scripts import are called as transformers' are, and texts and ids are its own."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

import pytest

from devtools.checkpoints.tiny import write_tiny
from devtools.golden.compat import CHECKPOINTS, IMAGE_ID, QUESTION, about, picture
from edge_med import compat
from edge_med.compat.generation_config import CONFIGURABLE, settings_of
from edge_med.compat.quantization import SETTINGS
from tests.compat.kit import PLACE

pytestmark = pytest.mark.torch

MICRO = Path(__file__).parents[2] / "models/micro/tokenizer_config.json"
"""Gemma's template stands in it."""

CONVERSATIONS = {
    "a place": PLACE,
    "several": [
        *PLACE,
        {"role": "assistant", "content": [{"type": "text", "text": "A chest."}]},
        {"role": "user", "content": [{"type": "text", "text": "And"}, {"type": "image"}]},
    ],
    "text alone": QUESTION,
}


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """transformers' processor of the model that sees."""
    from transformers import AutoProcessor

    folder = write_tiny(CHECKPOINTS[IMAGE_ID], tmp_path_factory.mktemp("theirs") / "tiny")
    template = json.loads(MICRO.read_text("utf-8"))["chat_template"]
    (folder / "chat_template.jinja").write_text(template, "utf-8")
    vision = CHECKPOINTS[IMAGE_ID].vision
    assert vision is not None
    config = {"processor_class": "Gemma3Processor", "image_seq_length": vision.image_tokens}
    (folder / "processor_config.json").write_text(json.dumps(config), "utf-8")
    return AutoProcessor.from_pretrained(folder)


@pytest.mark.parametrize("name", CONVERSATIONS)
@pytest.mark.parametrize("open_next", [False, True])
def test_two_steps_give_transformers_text_and_ids(name: str, open_next: bool, theirs: Any) -> None:
    conversation = CONVERSATIONS[name]
    ours = compat.AutoProcessor.from_pretrained(IMAGE_ID)
    texts = [
        processor.apply_chat_template(conversation, tokenize=False, add_generation_prompt=open_next)
        for processor in (theirs, ours)
    ]
    assert texts[0] == texts[1]
    images = [picture()] * texts[0].count("<start_of_image>") or None
    given: dict[str, Any] = {"text": texts[0], "images": images, "return_tensors": "pt"}
    alone: dict[str, Any] = {**given, "add_special_tokens": False}
    same(ours(**alone), theirs(**alone))
    with pytest.warns(compat.DoubledWarning):  # transformers puts it there, and says nothing
        found = ours(**given)
    same(found, theirs(**given))


def same(found: Any, wanted: Any) -> None:
    for name in ("input_ids", "attention_mask"):
        assert found[name].tolist() == wanted[name].tolist()


def test_what_a_dataset_leaves_empty_is_not_there(theirs: Any) -> None:
    empty = {"text": None, "image": None, "url": None, "path": None}
    rows = [
        {
            **message,
            "name": None,
            "content": [{**empty, **part} for part in message["content"]],
        }
        for message in about(picture())
    ]
    how: dict[str, Any] = {"tokenize": True, "return_dict": True, "add_generation_prompt": True}
    ours = compat.AutoProcessor.from_pretrained(IMAGE_ID)
    found = ours.apply_chat_template(rows, **how)
    wanted = theirs.apply_chat_template(about(picture()), **how)
    assert found["input_ids"] == [list(row) for row in wanted["input_ids"]]


@pytest.mark.parametrize("name", ["TextStreamer", "TextIteratorStreamer"])
def test_streamers_are_made_as_transformers_are(name: str) -> None:
    import transformers

    ours, theirs = (inspect.signature(getattr(at, name)) for at in (compat, transformers))
    assert [(p.name, p.default, p.kind) for p in ours.parameters.values()] == [
        (p.name, p.default, p.kind) for p in theirs.parameters.values()
    ]


def test_all_settings_of_quantization_are_known() -> None:
    from transformers import BitsAndBytesConfig

    known = set(inspect.signature(BitsAndBytesConfig).parameters) - {"kwargs"}
    assert known == SETTINGS


def test_a_generation_config_of_transformers_does_as_well() -> None:
    from transformers import GenerationConfig

    given = {"max_new_tokens": 5, "do_sample": True, "temperature": 0.5}
    assert settings_of(GenerationConfig(**given)) == given
    assert settings_of(compat.GenerationConfig(**given)) == given


def test_generation_config_settings_are_taken_or_refused_by_name() -> None:
    from transformers import GenerationConfig

    for name, value in GenerationConfig().to_dict().items():
        if name in CONFIGURABLE:
            setattr(compat.GenerationConfig(), name, value)
            continue
        with pytest.raises(AttributeError, match=name):
            setattr(compat.GenerationConfig(), name, value)
