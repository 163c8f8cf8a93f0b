"""A saved conversation is read as it was written, or refused."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_med import imaging
from edge_med.answers import Notice
from edge_med.conversation import transcript
from edge_med.errors import InputError
from edge_med.messages import ImagePart, Message, TextPart
from edge_med.provenance import Record

SIDE = 8
PIXELS = np.arange(SIDE * SIDE * 3, dtype=np.uint8).reshape(SIDE, SIDE, 3)
MESSAGES = (
    Message("system", (TextPart("be brief"),)),
    Message("user", (ImagePart(imaging.open(PIXELS, side=SIDE)), TextPart("what is it"))),
    Message("assistant", (TextPart("a chest"),)),
)
RECORD = Record(
    date="2026-11-29T20:00:00+00:00",
    model="micro-Q8_0.gguf",
    model_sha256="a" * 64,
    projector_sha256="b" * 64,
    quant="Q8_0",
    adapters=(),
    device="cpu",
    settings={"temperature": 0.0, "max_new_tokens": 1024, "seed": None},
    finish_reason="stop",
    versions={"edge_med": "0.1.0", "llama_cpp": "0.3.36"},
    notices=(Notice("toy", "A toy answered."),),
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "chat.json"


@pytest.fixture
def content(path: Path) -> bytes:
    """Of a saved conversation."""
    transcript.save(path, MESSAGES, (RECORD,), images=True)
    return path.read_bytes()


def load(path: Path, data: object) -> object:
    path.write_text(json.dumps(data))
    return transcript.load(path, (), SIDE)


def test_what_was_saved_is_loaded_with_what_wrote_it(content: bytes, path: Path) -> None:
    path.write_bytes(content)
    assert transcript.load(path, (), SIDE) == (MESSAGES, (RECORD,))


def test_a_file_says_what_it_is_not_for_and_what_answered(content: bytes) -> None:
    data = json.loads(content)
    assert "never for diagnosis or treatment" in data["notice"]
    (answer,) = data["answers"]
    assert answer["model"] == "micro-Q8_0.gguf"
    assert answer["notices"] == [{"code": "toy", "text": "A toy answered."}]


def test_a_file_of_an_earlier_version_is_loaded(content: bytes, path: Path) -> None:
    data = json.loads(content)
    del data["answers"], data["notice"]
    assert load(path, data) == (MESSAGES, (None,))


@pytest.mark.parametrize(
    ("content_", "told"),
    [
        (b"\x89PNG\r\n\x1a\n", "chat.json isn't a saved chat, it isn't JSON."),
        (b"no json", "chat.json isn't a saved chat, it isn't JSON."),
        (b"[]", "chat.json isn't a saved chat, it has another form."),
        (b'{"format": 9}', "chat.json isn't a saved chat: it is of another version."),
        (None, "There is no file chat.json."),
    ],
)
def test_another_file_is_refused_in_plain_words(
    content_: bytes | None, told: str, path: Path
) -> None:
    if content_ is not None:
        path.write_bytes(content_)
    with pytest.raises(InputError) as caught:
        transcript.load(path, (), SIDE)
    assert caught.value.message == told


def test_a_missing_folder_is_told_with_a_hint(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file") as caught:
        transcript.save(tmp_path / "absent/chat.json", MESSAGES, images=False)
    assert "folder" in caught.value.hint


Change = Callable[[dict[str, Any]], object]

CHANGES: dict[str, Change] = {
    "no answer": lambda data: data["messages"].pop(),
    "an answer first": lambda data: data["messages"].pop(1),
    "two questions": lambda data: data["messages"].insert(1, data["messages"][1]),
    "a system text later": lambda data: data["messages"].append(data["messages"][0]),
    "an image in an answer": lambda data: data["messages"][2].update(
        data["messages"][1], role="model"
    ),
    "a huge side": lambda data: image(data).update(side=1 << 40),
    "another side": lambda data: image(data).update(side=SIDE + 1),
    "an endless width": lambda data: image(data).update(original_size=[float("inf"), 1]),
    "no width": lambda data: image(data).update(original_size=[0, 1]),
    "an unknown fit": lambda data: image(data).update(fit="crop"),
    "no image": lambda data: image(data).update(png="AAAA"),
    "half a character": lambda data: data["messages"][0]["parts"][0].update(text="\ud800"),
    "a number as text": lambda data: data["messages"][0]["parts"][0].update(text=5),
    "more answers": lambda data: data["answers"].append(None),
    "an answer of numbers": lambda data: data["answers"].__setitem__(0, 5),
    "an unknown part": lambda data: data["messages"][0]["parts"][0].update(type="sound"),
}


def image(data: dict[str, Any]) -> dict[str, Any]:
    part: dict[str, Any] = data["messages"][1]["parts"][0]
    return part


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_a_changed_file_is_refused(change: Change, content: bytes, path: Path) -> None:
    data = json.loads(content)
    change(data)
    with pytest.raises(InputError, match=r"chat\.json isn't a saved chat"):
        load(path, data)


def test_a_file_nested_too_deep_is_refused(path: Path) -> None:
    path.write_text("[" * 100_000)
    with pytest.raises(InputError):
        transcript.load(path, (), SIDE)


often = settings(max_examples=150)

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


@often
@given(choices=st.data())
def test_whatever_stands_in_a_file_only_input_errors_come(
    choices: st.DataObject, content: bytes, path: Path
) -> None:
    data = json.loads(content)
    place, key = choices.draw(st.sampled_from(places(data)))
    place[key] = choices.draw(VALUES)
    with contextlib.suppress(InputError):
        load(path, data)


@often
@given(at=st.integers(0, 10_000), byte=st.integers(0, 255))
def test_whatever_byte_is_changed_only_input_errors_come(
    at: int, byte: int, content: bytes, path: Path
) -> None:
    changed = bytearray(content)
    changed[at % len(changed)] = byte
    path.write_bytes(changed)
    with contextlib.suppress(InputError):
        transcript.load(path, (), SIDE)


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every place in a JSON value, as a container and a key."""
    keys: list[Any] = []
    if isinstance(value, dict):
        keys = list(value)
    elif isinstance(value, list):
        keys = list(range(len(value)))
    return [found for key in keys for found in ((value, key), *places(value[key]))]
