"""No space is put before a text, whatever a file says of it: Gemma's tokenizer never does."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_med.engine.llama.overrides import SPACE_PREFIX
from edge_med.engine.llama.text_model import TextModel
from edge_med.engine.prompt import compose
from edge_med.messages import as_messages
from tests.conftest import Models

KEY = SPACE_PREFIX.encode()


@pytest.mark.parametrize("said", ["yes", "nothing"])
def test_ids_are_those_of_a_file_that_says_no(said: str, model: Models, tmp_path: Path) -> None:
    path = model("text", "Q8_0") / "text-Q8_0.gguf"
    data = bytearray(path.read_bytes())
    at = data.index(KEY) + len(KEY)
    assert data[at : at + 5] == b"\x07\0\0\0\0", "a boolean, which is false"
    if said == "yes":
        data[at + 4] = 1
    else:
        data[at - 1 : at] = b"?"
    theirs = tmp_path / "theirs.gguf"
    theirs.write_bytes(data)
    messages = as_messages("the heart is not enlarged\n\nthe lung", system="a  b")
    ids = []
    for file in (path, theirs):
        with TextModel(file, vocabulary_only=True) as opened:
            plain = opened.vocabulary.tokenize("heart")
            ids.append((plain, compose(opened, messages)))
    assert ids[0] == ids[1]
