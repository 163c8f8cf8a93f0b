"""Images that are named where nothing would look at them: each is refused by its place."""

from __future__ import annotations

from typing import Any

import pytest

from edge_med.errors import PromptError
from edge_med.message_forms.keys import WITHOUT_CONTENT as PASSED_OVER
from edge_med.messages import Message, TextPart, as_messages
from tests.test_reader import BASE64, BLUE, RED, SIDE, seen, text, user

SHOWING: dict[str, Any] = {
    "a whole part": {"type": "image"},
    "a source": {"url": "phantom.png"},
    "a source in a list": [{"scan": {"path": "IM0001"}}],
    "a client's address of an image": {"image_url": "https://example.org/1"},
    "a path": "phantom.dcm",
    "a path in a list": ["phantom.png"],
    "an address in the web": "https://example.org/phantom.png",
    "an address of this machine": "file:///phantom",
}


@pytest.mark.parametrize("key", sorted(PASSED_OVER - {"type"}))
@pytest.mark.parametrize("case", SHOWING)
def test_an_image_under_a_key_without_content_is_refused_by_the_key(key: str, case: str) -> None:
    value = {key: SHOWING[case]}
    for prompt in (user(text("ask"), **value), user({**text("ask"), **value})):
        with pytest.raises(PromptError, match=f"key {key}, which isn't understood") as caught:
            as_messages(prompt, side=SIDE)
        assert "may be an image in it" in caught.value.hint


@pytest.mark.parametrize(
    "value",
    [
        *("msg_1", 5, 0.5, "completed", "google/medgemma-4b-it", "270m-Q8_0.gguf", {"user": "a.b"}),
        [{"type": "url_citation", "url_citation": {"url": "https://example.org/a", "title": "A"}}],
        {"source": "https://example.org/a.html", "cited_text": "No.", "image": None, "images": []},
        *({"source": "pubmed"}, {"data": "2024-01-02"}, {"uri": "https://example.org/ct?id=5"}),
    ],
)
def test_what_shows_nothing_is_passed_over(value: Any) -> None:
    for key in ("metadata", "citations", "name"):
        assert seen(user({**text("ask"), key: value}, **{key: value})) == ["ask"]


@pytest.mark.parametrize("name", ["phantom.png", "https://example.org/1", "scan.zip"])
def test_a_files_name_instead_of_a_text_is_refused(name: str) -> None:
    ours = Message("user", (TextPart(name),))
    content = [{"role": "user", "content": (name,)}]
    prompts: list[Any] = [
        name,
        content,
        user(name, text("Findings?")),
        user(text(name)),
        ours,
        [ours],
    ]
    for prompt in prompts:
        with pytest.raises(PromptError, match=r"only a file's name") as caught:
            as_messages(prompt, side=SIDE)
        assert "`image`" in caught.value.hint
    with pytest.raises(PromptError, match=r"only a file's name"):
        as_messages("ask", system=name)


def test_as_many_names_as_images_are_their_labels() -> None:
    shown = {"type": "image", "image": RED}, {"type": "image", "image": BLUE}
    labels = text("before.png"), text("after.png")
    asked = user(labels[0], shown[0], labels[1], shown[1], text("What has changed?"))
    (message,) = as_messages(asked, side=SIDE)
    assert len(message.pictures) == 2
    assert message.text == "before.pngafter.pngWhat has changed?"
    for lost in (user(labels[0], shown[0], labels[1], text("?")), user(shown[0], labels[1])):
        with pytest.raises(PromptError, match=r"only a file's name"):
            as_messages(lost, side=SIDE)


def test_the_assistant_may_have_answered_with_a_files_name() -> None:
    answer = Message("assistant", (TextPart("phantom.png"),))
    assert seen([*user(text("ask")), answer, *user(text("Why?"))]) == ["ask", "phantom.png", "Why?"]


def test_an_image_in_a_text_of_our_own_message_is_refused() -> None:
    with pytest.raises(PromptError, match="as base64"):
        as_messages(Message("user", (TextPart(f"Look: {BASE64}"),)))
