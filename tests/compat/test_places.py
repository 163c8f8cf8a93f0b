"""Images that are given beside a conversation stand in its places, in order, or are refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_med.compat import places
from edge_med.errors import PromptError
from edge_med.message_forms.reader import GivenImage, read

PLACE = st.sampled_from([{"type": "image"}, {"type": "image", "image": None, "url": float("nan")}])
TEXT = st.builds(lambda text: {"type": "text", "text": text, "image": None}, st.text(max_size=3))
OWN = st.just({"type": "image", "image": "own"})
CONTENT = st.text(max_size=3) | st.lists(PLACE | TEXT | OWN, min_size=1, max_size=4)
MESSAGES = st.lists(
    st.builds(lambda content: {"role": "user", "content": content}, CONTENT), max_size=4
)


def shown(conversation: list[Any]) -> list[Any]:
    pieces = [piece for message in conversation for piece in read(message)[1]]
    return [piece.image for piece in pieces if isinstance(piece, GivenImage)]


@given(MESSAGES)
def test_each_place_has_the_next_image_and_what_was_given_stays(messages: list[Any]) -> None:
    before = repr(messages)
    wanted = list(range(places.count(messages)))
    filled = places.filled(messages, wanted)
    assert [image for image in shown(filled) if image != "own"] == wanted
    assert shown(filled).count("own") == shown(messages).count("own")
    assert places.count(filled) == 0
    assert repr(messages) == before


@given(MESSAGES, st.integers(1, 3))
def test_more_images_than_places_are_refused(messages: list[Any], more: int) -> None:
    with pytest.raises(PromptError, match="the conversation has"):
        places.filled(messages, ["x"] * (places.count(messages) + more))


@pytest.mark.parametrize("key", ["content", "parts"])
def test_a_place_is_filled_under_the_key_of_a_content(key: str) -> None:
    message = {"role": "user", key: [{"type": "image"}], "images": []}
    assert shown(places.filled([message], ["own"])) == ["own"]


def test_images_beside_a_content_have_its_places() -> None:
    message = {"role": "user", "content": [{"type": "image"}], "images": ["own"]}
    assert places.count([message]) == 0
    assert places.filled([message], []) == [message]
