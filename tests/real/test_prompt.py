"""A prompt has the ids that Hugging Face's processor gives it, with Gemma 3's own tokenizer."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from converters.pipeline import convert
from converters.request import ConversionRequest
from devtools.golden.conversations import CONVERSATIONS, REAL, golden, pictures, rows
from edge_med.artifacts.file_names import text_file
from edge_med.artifacts.vision_facts import IMAGE_TOKENS
from edge_med.engine.llama.text_model import TextModel
from edge_med.engine.prompt import compose
from edge_med.messages import as_messages

pytestmark = pytest.mark.real

QUANT = "Q8_0"
SIDE = 8
"""Of a picture, in pixels; a prompt has as many tokens for a large one."""

GOLDEN = golden(REAL)


@pytest.fixture(scope="module")
def gemma(real_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TextModel]:
    """The 270M is a base model; any chat template makes it one that takes turns."""
    folder = tmp_path_factory.mktemp("turns")
    source = shutil.copytree(real_checkpoint, folder / "gemma-3-270m", copy_function=os.link)
    (source / "chat_template.jinja").write_text("never run")
    convert(ConversionRequest(source=source, folder=folder, quants=(QUANT,)))
    with TextModel(folder / text_file(source.name, QUANT)) as opened:
        yield opened


@pytest.mark.parametrize("name", CONVERSATIONS)
def test_ids_are_those_of_hugging_face(name: str, gemma: TextModel) -> None:
    conversation = CONVERSATIONS[name]
    messages = as_messages(conversation.messages, images=pictures(conversation, SIDE))
    assert rows(compose(gemma, messages, IMAGE_TOKENS)) == GOLDEN[name]
