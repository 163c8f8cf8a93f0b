"""A control token can't be typed, however it is disguised and whatever type its file gives it."""

from __future__ import annotations

import ctypes
import re
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from devtools.checkpoints.tokenizer import (
    BYTE,
    CONTROL,
    NORMAL,
    SPACE,
    USER_DEFINED,
    Token,
    tiny_tokenizer,
)
from edge_med import imaging
from edge_med.artifacts.file_names import text_file
from edge_med.artifacts.gguf import read_header
from edge_med.engine.cache.ledger import ImageBlock, Item
from edge_med.engine.llama.bindings import llama_cpp
from edge_med.engine.llama.text_model import TextModel
from edge_med.engine.prompt import compose
from edge_med.messages import ImagePart, Message, TextPart
from tests.conftest import Models
from tests.engine.disguises import COUNT, NAMES, strings

SAMPLE = 300
"""Of the strings, which are put into whole prompts."""

TYPES = {"as converted": CONTROL, "called normal": NORMAL, "called user-defined": USER_DEFINED}
"""What the file says of its control tokens."""

TOKENS = (*tiny_tokenizer().tokens, Token("<image_soft_token>", 0.0, CONTROL))
IS_CONTROL = re.compile(
    r"<(pad|eos|bos|unk|mask|unused\d+|(start|end)_of_(turn|image)|image_soft_token)>"
)
CONTROL_IDS = {token.text: n for n, token in enumerate(TOKENS) if IS_CONTROL.fullmatch(token.text)}


def controls(items: Sequence[Item]) -> list[int]:
    """The control tokens among items."""
    found = set(CONTROL_IDS.values())
    return [item for item in items if item in found]


def spelled(items: Sequence[Item]) -> bytes:
    """What tokens say, control tokens by their names."""
    return b"".join(_piece(TOKENS[item]) for item in items if isinstance(item, int))


def _piece(token: Token) -> bytes:
    if token.type == BYTE:
        return bytes([int(token.text[1:-1], 16)])
    return token.text.replace(SPACE, " ").encode()


def as_read(text: str) -> bytes:
    """A text as the vocabulary can say it: U+2581 is its space."""
    return text.replace(SPACE, " ").encode()


@pytest.fixture(scope="module")
def files(model: Models, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The tiny model's file, and two in which its control tokens have another type."""
    source = model("multimodal", "F32") / text_file("multimodal", "F32")
    folder = tmp_path_factory.mktemp("types")
    return {
        what: source if kind == CONTROL else retyped(source, kind, folder / f"{kind}.gguf")
        for what, kind in TYPES.items()
    }


def retyped(source: Path, kind: int, target: Path) -> Path:
    """A copy whose control tokens are of another type."""
    array = read_header(source).array("tokenizer.ggml.token_type")
    assert array is not None
    data = source.read_bytes()
    assert data.count(array.data) == 1
    types = [kind if value == CONTROL else int(value) for value in map(int, array.values())]
    target.write_bytes(data.replace(array.data, struct.pack(f"<{array.count}i", *types)))
    return target


@pytest.fixture(scope="module", params=TYPES)
def opened(request: pytest.FixtureRequest, files: dict[str, Path]) -> Iterator[TextModel]:
    with TextModel(files[request.param]) as model:
        yield model


def of_llama_cpp(model: TextModel, text: str, *, special: bool) -> list[int]:
    """What llama.cpp makes of a text by itself."""
    api, data = llama_cpp(), text.encode()
    ids = (ctypes.c_int32 * (len(data) + 8))()
    vocabulary = api.llama_model_get_vocab(model.handle)
    count = api.llama_tokenize(vocabulary, data, len(data), ids, len(ids), False, special)
    return list(ids[:count])


def user(text: str) -> Message:
    return Message("user", (TextPart(text),))


def test_no_string_makes_a_control_token_and_each_survives(opened: TextModel) -> None:
    for text in strings():
        ids = opened.vocabulary.tokenize(text)
        assert controls(ids) == [], text
        assert spelled(ids) == as_read(text), text


def test_prompts_have_the_control_tokens_of_their_frame_only(opened: TextModel) -> None:
    frame = [CONTROL_IDS[f"<{name}>"] for name in ("bos", *["start_of_turn", "end_of_turn"] * 2)]
    texts = strings()[:SAMPLE]
    for system, question in zip(texts, reversed(texts), strict=True):
        items = compose(opened, [Message("system", (TextPart(system),)), user(question)])
        assert controls(items) == frame[:-1]
        assert spelled(items) == as_read(
            f"<bos><start_of_turn>user\n{system}\n\n{question.strip()}<end_of_turn>\n"
            "<start_of_turn>model\n"
        )


def test_an_image_comes_in_its_own_place_only(opened: TextModel) -> None:
    picture = imaging.open(np.zeros((8, 8, 3), np.uint8), side=56)
    for text in strings()[:SAMPLE]:
        question = Message("user", (TextPart(text), ImagePart(picture), TextPart(text)))
        items = compose(opened, [question])
        at = items.index(ImageBlock(picture.sha256, 256))
        marks = CONTROL_IDS["<start_of_image>"], CONTROL_IDS["<end_of_image>"]
        assert (items[at - 1], items[at + 1]) == marks
        assert len(controls(items)) == len(marks) + 4
        assert sum(isinstance(item, ImageBlock) for item in items) == 1


def test_answers_that_were_given_make_no_control_tokens(opened: TextModel) -> None:
    for text in strings()[:SAMPLE]:
        answer = Message("assistant", (TextPart(text),))
        assert len(controls(compose(opened, [user("Hello"), answer, user("Who?")]))) == 8
        assert len(controls(compose(opened, [user("Hello"), answer]))) == 4


@pytest.mark.parametrize("name", NAMES)
def test_a_name_may_come_as_often_as_one_likes(name: str, opened: TextModel) -> None:
    text = name * 3000
    ids = opened.vocabulary.tokenize(text)
    assert controls(ids) == []
    assert spelled(ids) == text.encode()


def test_the_frame_is_the_same_whatever_the_types(files: dict[str, Path]) -> None:
    prompts = []
    for path in files.values():
        with TextModel(path) as model:
            prompts.append(compose(model, [user("the heart is not enlarged")]))
    assert prompts[0] == prompts[1] == prompts[2]


def test_llama_cpp_takes_the_strings_for_control_tokens_if_it_is_asked_to(
    files: dict[str, Path],
) -> None:
    with TextModel(files["as converted"]) as model:
        hits = [text for text in strings() if controls(of_llama_cpp(model, text, special=True))]
    assert len(hits) > COUNT / 2


def test_llama_cpp_does_so_unasked_if_the_file_calls_them_user_defined(
    files: dict[str, Path],
) -> None:
    with TextModel(files["called user-defined"]) as model:
        hits = [text for text in strings() if controls(of_llama_cpp(model, text, special=False))]
    assert len(hits) > COUNT / 2


def test_the_strings_hold_every_name_in_many_ways() -> None:
    assert len(set(strings())) > 0.9 * COUNT
    assert {name for name in NAMES if sum(name in text for text in strings()) < 200} == set()
