"""A prompt has the ids that Hugging Face's processor gives it, here with the tiny tokenizer.

The template in the tiny model's file is another one than Gemma's, so that a prompt which came out
of the file couldn't pass.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from llama_cpp import llama_cpp

from devtools.checkpoints.tiny import MULTIMODAL, Vision
from devtools.checkpoints.tokenizer import TEMPLATE
from devtools.golden.conversations import CONVERSATIONS, REAL, TINY, golden, pictures, rows
from edge_med.artifacts.file_names import text_file
from edge_med.engine.cache.ledger import ImageBlock
from edge_med.engine.llama.text_model import TextModel
from edge_med.engine.prompt import compose, pictures_of, written
from edge_med.errors import PromptError
from edge_med.messages import as_messages
from tests.conftest import Models

GOLDEN = golden(TINY)
VISION = MULTIMODAL.vision or Vision()


@pytest.fixture(scope="module")
def tiny(model: Models) -> Iterator[TextModel]:
    folder = model("multimodal", "F32")
    with TextModel(folder / text_file("multimodal", "F32")) as opened:
        yield opened


@pytest.mark.parametrize("name", CONVERSATIONS)
def test_ids_are_those_of_hugging_face(name: str, tiny: TextModel) -> None:
    conversation = CONVERSATIONS[name]
    shown = pictures(conversation, VISION.image_size)
    messages = as_messages(conversation.messages, images=shown)
    assert rows(compose(tiny, messages, VISION.image_tokens)) == GOLDEN[name]


def test_images_stand_where_they_were_given(tiny: TextModel) -> None:
    conversation = CONVERSATIONS["images in the second and third turn"]
    before, after = pictures(conversation, VISION.image_size)
    messages = as_messages(conversation.messages, images=[before, after])
    blocks = [i for i in compose(tiny, messages, image_tokens=4) if isinstance(i, ImageBlock)]
    assert blocks == [ImageBlock(before.sha256, 4), ImageBlock(after.sha256, 4)]
    assert before.sha256 != after.sha256


def test_an_image_that_gets_lost_is_an_error(
    tiny: TextModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every image is seen, or the call fails; here the code that shows it has a fault."""
    monkeypatch.setattr("edge_med.engine.prompt._image", lambda _picture: ["an image"])
    conversation = CONVERSATIONS["images in the second and third turn"]
    shown = pictures(conversation, VISION.image_size)
    with pytest.raises(PromptError, match="2 images were given, and the prompt shows 0"):
        compose(tiny, as_messages(conversation.messages, images=shown), image_tokens=4)


def test_other_images_than_those_that_were_given_are_an_error() -> None:
    conversation = CONVERSATIONS["images in the second and third turn"]
    messages = as_messages(conversation.messages, images=pictures(conversation, 8))
    before, after = (ImageBlock(p.sha256, 4) for m in messages for p in m.pictures)
    assert len(pictures_of(messages, [before, 1, after])) == 2
    for items in ([after, before], [before, before], [before]):
        with pytest.raises(PromptError, match="2 images were given"):
            pictures_of(messages, items)


GREETINGS = {
    "alone": [("assistant", " Hello. "), ("user", "What is this?")],
    "after a system text": [
        ("system", "You are an expert."),
        ("assistant", "Hello."),
        ("user", " What is this? "),
        ("assistant", "A heart."),
        ("user", "Is it large?"),
    ],
}


@pytest.mark.parametrize("name", GREETINGS)
def test_a_greeting_comes_first_as_llama_cpps_template_for_gemma_has_it(name: str) -> None:
    turns = GREETINGS[name]
    chat = (llama_cpp.llama_chat_message * len(turns))(
        *(llama_cpp.llama_chat_message(r.encode(), t.encode()) for r, t in turns)
    )
    buffer = ctypes.create_string_buffer(1_000)
    size = llama_cpp.llama_chat_apply_template(b"gemma", chat, len(turns), True, buffer, 1_000)
    ours = written(as_messages([{"role": r, "content": t} for r, t in turns]))
    assert ours == f"<bos>{buffer.raw[:size].decode()}"


def test_chat_template_of_the_file_differs_from_the_golden_one() -> None:
    made_with = json.loads(TINY.read_text("utf-8"))["made_with"]
    assert made_with["template_sha256"] != hashlib.sha256(TEMPLATE.encode()).hexdigest()


@pytest.mark.parametrize("path", [TINY, REAL], ids=["tiny", "real"])
def test_golden_files_have_every_conversation(path: Path) -> None:
    assert list(golden(path)) == list(CONVERSATIONS)
    assert len(CONVERSATIONS) >= 30
