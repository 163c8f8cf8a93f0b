"""Messages cross to the engine's process and back as they are, and each picture once."""

from __future__ import annotations

import contextlib
import dataclasses
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_med import imaging
from edge_med.answers import Piece
from edge_med.artifacts.gguf import Double
from edge_med.config import LoadOptions, Options
from edge_med.engine.service.protocol import CountRequest, EngineRefused, RequestFailed, Submit
from edge_med.engine.service.wire import KINDS, EngineProcessError, Packer, Unpacker
from edge_med.engine.tasks.generate import GenerateRequest
from edge_med.errors import EngineError, MemoryShortError, SchemaError
from edge_med.imaging import Picture
from edge_med.messages import ImagePart, Message, Part, TextPart
from edge_med.question import Question


def crossed(value: Any) -> Any:
    body, blobs = Packer().pack(value)
    return Unpacker().unpack(bytes(body), [bytearray(blob) for blob in blobs])


def picture(shade: int, side: int = 8) -> Picture:
    return imaging.open(np.full((side, side, 3), shade, np.uint8), side=side)


def asked(*pictures: Picture, text: str = "x") -> Submit:
    parts: tuple[Part, ...] = (*(ImagePart(one) for one in pictures), TextPart(text))
    return Submit(1, 2, GenerateRequest(Question((Message("user", parts),), Options())))


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary(),
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner),
    max_leaves=12,
)


@given(VALUES)
def test_plain_values_cross_as_they_are(value: Any) -> None:
    assert crossed(value) == value
    assert type(crossed(value)) is type(value)


@pytest.mark.parametrize(
    "value",
    [
        LoadOptions(context=99, tensor_split=(1.0, 2.0)),
        Options(stop=("a",), logit_bias={3: -math.inf}, schema={"const": 10**30}, seed=2**40),
        Piece("answer", "é😀", (1, 2)),
        Path("/a b/c"),
        Double(2.5),
    ],
    ids=lambda value: type(value).__name__,
)
def test_typed_values_cross_as_they_are(value: Any) -> None:
    assert crossed(value) == value
    assert type(crossed(value)) is type(value)


def test_numbers_of_numpy_cross_as_pythons() -> None:
    given: dict[str, Any] = {"max_new_tokens": np.int64(7), "logit_bias": {1: np.float32(0.5)}}
    found = crossed(Options(**given))
    assert (type(found.max_new_tokens), found.logit_bias) == (int, {1: 0.5})


def test_a_picture_is_sent_once() -> None:
    packer, unpacker = Packer(), Unpacker()
    for number, pictures in enumerate([(1, 2), (1, 2), (2, 3, 3)]):
        message = asked(*map(picture, pictures))
        body, blobs = packer.pack(message)
        found = unpacker.unpack(body, [bytearray(blob) for blob in blobs])
        assert len(blobs) == (2, 0, 1)[number]
        (turn,) = found.request.question.messages
        assert [one.pixels[0, 0, 0] for one in turn.pictures] == [*pictures]
        assert found == message


def test_pictures_that_were_unused_for_longest_are_sent_again() -> None:
    size = picture(1).pixels.nbytes
    packer, unpacker = Packer(2 * size), Unpacker(2 * size)
    counts = []
    for shade in (1, 2, 1, 3, 1, 2):
        body, blobs = packer.pack(asked(picture(shade)))
        counts.append(len(blobs))
        found = unpacker.unpack(body, [bytearray(blob) for blob in blobs])
        assert found.request.question.messages[0].pictures[0].pixels[0, 0, 0] == shade
    assert counts == [1, 1, 0, 1, 0, 1]


def test_what_can_not_cross_changes_nothing_of_what_was_sent() -> None:
    packer, unpacker = Packer(), Unpacker()
    with pytest.raises(TypeError, match="object"):
        packer.pack((picture(1), object()))
    body, blobs = packer.pack(picture(1))
    assert unpacker.unpack(body, [bytearray(one) for one in blobs]) == picture(1)


def test_an_error_crosses_with_its_text_and_what_caused_it() -> None:
    error = SchemaError("It doesn't fit.", "Ask again.", "text")
    try:
        raise ZeroDivisionError("x")
    except ZeroDivisionError as cause:
        error.__cause__ = cause
    found = crossed(RequestFailed(error)).error
    assert (type(found), found.message, found.hint, found.text) == (
        SchemaError,
        "It doesn't fit.",
        "Ask again.",
        "text",
    )
    assert isinstance(found.__cause__, EngineProcessError)
    assert "ZeroDivisionError: x" in str(found.__cause__)


@pytest.mark.parametrize(
    ("error", "kind"), [(ValueError("x"), EngineError), (MemoryError(), MemoryShortError)]
)
def test_errors_of_python_cross_as_ours(error: Exception, kind: type) -> None:
    assert type(crossed(EngineRefused(error)).error) is kind


@given(st.binary(max_size=200))
def test_bytes_that_are_no_message_are_an_error(body: bytes) -> None:
    with contextlib.suppress(ValueError):
        Unpacker().unpack(body, [])


def test_every_message_can_cross() -> None:
    for kind in (Submit, RequestFailed, EngineRefused, CountRequest, Piece):
        assert KINDS[kind.__name__] is kind
    assert all(dataclasses.is_dataclass(kind) for kind in KINDS.values())
