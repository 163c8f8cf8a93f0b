"""Conversations in others' forms: what was handed in is seen, or refused by its name."""

from __future__ import annotations

import base64
import datetime
import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from edge_med import imaging
from edge_med.errors import ImageError, PromptError
from edge_med.message_forms.keys import CONTENT, IMAGE_KEYS, IMAGE_TYPES, ROLES, SOURCES, TEXT_TYPES
from edge_med.message_forms.keys import WITHOUT_CONTENT as PASSED_OVER
from edge_med.messages import Message, TextPart, as_messages

SIDE = 16
RED = Image.new("RGB", (20, 20), "red")
BLUE = Image.new("RGB", (20, 20), "blue")


def png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


FILE = png(RED)
BASE64 = base64.b64encode(FILE).decode()
URL = f"data:image/png;base64,{BASE64}"
SHA = imaging.open(RED, side=SIDE).sha256


def text(content: str) -> dict[str, Any]:
    return {"type": "text", "text": content}


def user(*parts: Any, **keys: Any) -> list[dict[str, Any]]:
    return [{"role": "user", "content": [*parts], **keys}]


def objects(*values: Any) -> Any:
    """An array of objects, as pandas has lists out of a Parquet file."""
    array = np.empty(len(values), object)
    array[:] = values
    return array


def seen(prompt: Any, **given: Any) -> list[str]:
    """What is shown of a conversation: its texts, and which image is red."""
    names = {SHA: "red", imaging.open(BLUE, side=SIDE).sha256: "blue"}
    return [
        part.text if isinstance(part, TextPart) else names[part.picture.sha256]
        for message in as_messages(prompt, side=SIDE, **given)
        for part in message.parts
    ]


FORMS: dict[str, Any] = {
    "Hugging Face's": user({"type": "image", "image": RED}, text("ask")),
    "Hugging Face's, base64": user({"type": "image", "base64": BASE64}, text("ask")),
    "Hugging Face's, a data: URL": user({"type": "image", "url": URL}, text("ask")),
    "OpenAI's chat": user(
        {"type": "image_url", "image_url": {"url": URL, "detail": "high"}}, text("ask")
    ),
    "OpenAI's responses": [
        {
            "type": "message",
            "status": "completed",
            "role": "user",
            "content": [
                {"type": "input_image", "image_url": URL, "detail": "auto", "file_id": None},
                {"type": "input_text", "text": "ask"},
            ],
        }
    ],
    "Ollama's, base64": [{"role": "user", "content": "ask", "images": [BASE64]}],
    "Ollama's, bytes": [{"role": "user", "content": "ask", "images": [FILE]}],
    "Anthropic's": user(
        {
            "type": "image",
            "source": {"type": "base64", "media_type": "image/png", "data": BASE64},
        },
        {**text("ask"), "cache_control": {"type": "ephemeral"}, "citations": None},
    ),
    "Gemini's": [
        {
            "role": "user",
            "parts": [{"inline_data": {"mime_type": "image/png", "data": FILE}}, {"text": "ask"}],
        }
    ],
    "Gemini's as JSON": [
        {
            "role": "user",
            "parts": [
                {
                    "inlineData": {
                        "mimeType": "image/png",
                        "data": base64.urlsafe_b64encode(FILE).decode(),
                    }
                },
                {"text": "ask"},
            ],
        }
    ],
    "LangChain's": user(
        {"type": "image", "source_type": "base64", "data": BASE64, "mime_type": "image/png"},
        text("ask"),
    ),
    "a dataset's row": {
        "messages": user({"type": "image", "text": None}, {**text("ask"), "image": None}),
        "images": [{"bytes": FILE, "path": "chest.png"}],
    },
    "a row out of pandas": {
        "messages": objects(
            {
                "role": "user",
                "content": objects({"type": "image"}, text("ask")),
                "id": np.int64(5),
                "timestamp": datetime.datetime(2026, 11, 29),
            }
        ),
        "images": objects({"bytes": FILE, "path": None}),
    },
    "a message that is alone": user({"image": RED}, {"text": "ask"})[0],
    "an image beside the content": [{"role": "user", "content": "ask", "image": RED}],
    "an image beside its place": [
        {"role": "user", "content": [{"type": "image"}, text("ask")], "images": [RED]}
    ],
    "a client's own class": [SimpleNamespace()],
}


class Client:
    """As pydantic's models, which the clients of OpenAI and Ollama hand out."""

    def __init__(self, **fields: Any) -> None:
        self._fields = fields

    def model_dump(self) -> dict[str, Any]:
        return self._fields


NAN = float("nan")
FORMS["a row of pandas'"] = [
    {
        "role": "user",
        "content": NAN,
        "parts": [{"type": "image", "image": RED, "url": NAN}, text("ask")],
        "images": NAN,
        "tool_calls": np.nan,
    }
]
FORMS["a client's own class"] = [Client(role="user", content="ask", images=[BASE64], name=None)]


@pytest.mark.parametrize("form", FORMS)
def test_a_form_shows_its_image_and_says_its_text(form: str) -> None:
    assert seen(FORMS[form]) == ["red", "ask"]


def test_a_path_or_an_open_file_is_an_image_in_every_place(tmp_path: Path) -> None:
    (tmp_path / "a b.png").write_bytes(FILE)
    path = str(tmp_path / "a b.png")
    for image in (path, f"file://{path.replace(' ', '%20')}", tmp_path / "a b.png"):
        for keys in ({"image": image}, {"url": image}, {"path": image}, {"image_url": image}):
            assert seen(user({"type": "image", **keys})) == ["red"]
        assert seen([{"role": "user", "content": "ask", "images": [image]}]) == ["red", "ask"]
    assert seen(user({"type": "image", "image": io.BytesIO(FILE)})) == ["red"]


def test_what_openai_hands_back_can_be_sent_on() -> None:
    answer: dict[str, Any] = {
        "role": "assistant",
        "content": "No.",
        "refusal": None,
        "annotations": [],
        "audio": None,
        "function_call": None,
        "tool_calls": None,
    }
    assert seen([*user(text("ask")), answer, *user(text("more"))]) == ["ask", "No.", "more"]


def test_the_documentation_names_every_key_that_is_known() -> None:
    documented = (Path(__file__).parents[1] / "docs/guide/python.md").read_text("utf-8")
    known = SOURCES | PASSED_OVER | TEXT_TYPES | IMAGE_TYPES | {*CONTENT, *IMAGE_KEYS, *ROLES}
    assert [key for key in sorted(known) if f"`{key}`" not in documented] == []


def test_images_beside_a_conversation_and_inside_of_it_keep_their_places() -> None:
    prompt = user(text("before"), {"type": "image"}, text("after"), {"type": "image", "image": RED})
    assert seen(prompt, images=[BLUE]) == ["before", "blue", "after", "red"]


def test_a_developers_text_is_system_text() -> None:
    messages = as_messages([{"role": "developer", "content": "Be brief."}, *user(text("ask"))])
    assert [message.role for message in messages] == ["system", "user"]


REFUSED: dict[str, tuple[Any, str, str]] = {
    "an image in a text part": (user({**text("ask"), "image": RED}), "key image", "'image'"),
    "a text in an image part": (
        user({"type": "image", "image": RED, "text": "ask"}),
        "key text",
        "a part of its own",
    ),
    "two images in one part": (
        user({"type": "image", "image": RED, "url": URL}),
        "image and url",
        "'image'",
    ),
    "an unknown key of a message": (user(text("ask"), scan=RED), "key scan", "Leave it out"),
    "an unknown key of a part": (
        user({"type": "image", "image": RED, "alt": "chest"}),
        "key alt",
        "Leave it out",
    ),
    "an image where nothing stands": (user(text("ask"), name=RED), "key name", "Leave it out"),
    "an image in what is passed over": (
        user(text("ask"), metadata={"scan": [URL]}),
        "key metadata",
        "Leave it out",
    ),
    "more places than images": (
        user({"type": "image"}, {"type": "image"}, images=[RED]),
        "1 images, .* places for 2",
        "for each",
    ),
    "a place without an image": (user({"type": "image"}), "place for an image", "images="),
    "a tool's answer": ([{"role": "tool", "content": "3"}], "role tool", "no tools"),
    "a tool's call": (user(text("ask"), tool_calls=[{"id": "1"}]), "tool_calls", "no tools"),
    "a responses' tool": (
        [{"type": "function_call_output", "output": "3"}],
        "type function_call_output",
        "no tools",
    ),
    "a thought": (user(text("ask"), thinking="hm"), "key thinking", "thoughts"),
    "a sound": (user({"type": "input_audio", "input_audio": {}}), "input_audio", "sees images"),
    "a file at a provider's": (
        user({"type": "image", "source": {"type": "file", "file_id": "f1"}}),
        "key file_id",
        "offline",
    ),
    "a document": (user({"type": "document", "source": {}}), "type document", "sees images"),
    "a row's other column": (
        {"messages": user(text("ask")), "answer": "No."},
        "key answer",
        "Leave it out",
    ),
    "a row without messages": ({"question": "ask"}, "neither role nor messages", "'role'"),
    "an image in a text": (user(text(f"Look: ![chest]({URL})")), "as base64", "'image'"),
    "base64 as a text": (user(text(BASE64)), "as base64", "'image'"),
    "base64 as a question": (BASE64, "as base64", "'image'"),
    "several conversations": ([user(text("ask"))], "type list isn't a message", "'role'"),
    "two contents": ([{"role": "user", "content": "a", "parts": ["b"]}], "two contents", "'role'"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_would_get_lost_is_refused_by_its_name(case: str) -> None:
    prompt, named, hint = REFUSED[case]
    with pytest.raises(PromptError, match=named) as caught:
        as_messages(prompt, side=SIDE)
    assert hint in caught.value.hint


def test_a_row_has_as_many_images_as_places() -> None:
    with pytest.raises(PromptError, match="more images than places"):
        as_messages({"messages": user(text("ask")), "images": [RED]}, side=SIDE)


@pytest.mark.parametrize("key", ["image", "url", "image_url"])
def test_nothing_is_fetched(key: str) -> None:
    with pytest.raises(ImageError, match=r"https: address, and edge-med works offline") as caught:
        as_messages(user({"type": "image", key: "https://example.org/a.png"}), side=SIDE)
    assert "Save it" in caught.value.hint


def test_values_that_lie_too_deep_in_each_other_are_refused() -> None:
    image: Any = RED
    for _ in range(3_000):
        image = {"image": image}
    with pytest.raises(PromptError, match="too deep"):
        as_messages(user({"type": "image", "image": image}))


def test_an_image_that_is_lost_on_the_way_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "edge_med.messages._message", lambda *_: Message("user", (TextPart("an image"),))
    )
    with pytest.raises(PromptError, match="The call has 1 images, and the conversation shows 0"):
        as_messages(user({"type": "image", "image": RED}), side=SIDE)
