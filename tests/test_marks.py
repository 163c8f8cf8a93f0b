"""Marks of images in texts, conversations as JSON, and images where nobody would look for one."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from edge_med.documents import prepend
from edge_med.errors import PromptError
from edge_med.messages import as_messages
from tests.test_reader import BLUE, FILE, RED, SIDE, seen, text, user


def test_metadata_may_say_which_file_an_image_is_of() -> None:
    asked = user({"type": "image"}, text("ask"))
    row = {"messages": asked, "images": [RED], "metadata": {"filename": "x.jpg"}}
    assert seen(row) == ["red", "ask"]
    assert seen(user({"type": "image", "image": RED}, text("ask"), name="x.jpg")) == ["red", "ask"]


def mark(content: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": content}]


REFUSED: dict[str, tuple[Any, str, str]] = {
    "a list of bytes": (user(text("ask"), metadata={"x": [*FILE]}), "key metadata", "image in it"),
    "bytes out of JavaScript": (
        user(text("ask"), metadata=dict(zip(map(str, range(999)), FILE, strict=False))),
        "key metadata",
        "image in it",
    ),
    "rows of pixels": (
        user(text("ask"), annotations=[{"pixels": np.asarray(RED).tolist()}]),
        "key annotations",
        "image in it",
    ),
    "hex": (user(text("ask"), detail=FILE.hex()), "key detail", "image in it"),
    "an address of no page": (
        user(text("ask"), metadata={"photo": "https://example.org/study/1"}),
        "key metadata",
        "image in it",
    ),
    "an address of another kind": (
        user(text("ask"), metadata={"url": "ftp://example.org/study/1"}),
        "key metadata",
        "image in it",
    ),
    "as many marks as images": (
        [{"role": "user", "content": "<image> and?", "images": [RED, BLUE]}],
        "2 images, .* places for 1",
        "for each",
    ),
    "a mark without an image": (
        {"messages": [{"role": "user", "content": "<image> or <image>?"}], "images": [RED]},
        "place for an image",
        "images=",
    ),
    "messages in JSON": (
        json.dumps([{"role": "user", "content": "x", "images": ["a.png"]}]),
        "messages in JSON",
        "json.loads",
    ),
    "messages in JSON within a message": (
        user(text(json.dumps([{"role": "user", "content": "x"}]))),
        "messages in JSON",
        "json.loads",
    ),
    "messages as Python shows them": (
        str([{"role": "user", "content": [{"type": "image", "image": RED}]}]),
        "as Python shows them",
        "the list itself",
    ),
    "an image of a conversation as Python shows it": (
        str([{"type": "image", "image": "a.png"}, text("x")]),
        "as Python shows them",
        "the list itself",
    ),
    "parts in JSON": (
        mark(json.dumps([{"type": "image", "image": "a.png"}, text("x")])),
        "messages in JSON, or parts",
        "json.loads",
    ),
    "Gemma's turns": (
        "<bos><start_of_turn>user\nx<end_of_turn>\n<start_of_turn>model\n",
        "begins with <bos>, as a chat template",
        "edge_med.compat",
    ),
    "another model's turns": ("<|im_start|>user\nx", r"begins with <\|im_start\|>", "messages"),
    "a row in JSON": (
        json.dumps({"messages": user(text("x"))}),
        "messages in JSON",
        "json.loads",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_would_get_lost_is_refused_by_its_name(case: str) -> None:
    prompt, named, hint = REFUSED[case]
    with pytest.raises(PromptError, match=named) as caught:
        as_messages(prompt, side=SIDE)
    assert hint in caught.value.hint


CITED: list[Any] = [
    *({key: "https://example.org/guideline"} for key in ("url", "uri", "source")),
    ["https://example.org/guideline"],
    [{"bbox": [10, 20, 30, 40], "outline": [[1, 2]] * 20}, [[1.0, 0.0, 0.0]] * 3],
    {"embedding": [0.25] * 768, "tokens": [1000] * 100, "scores": [1, 2, 3]},
    {"text": "See https://example.org/guideline for more."},
    {"logprobs": {"content": [{"token": "The", "logprob": -0.1, "bytes": [84, 104, 101]}]}},
]


@pytest.mark.parametrize("cited", CITED)
@pytest.mark.parametrize("key", ["citations", "annotations"])
def test_what_is_cited_or_measured_is_passed_over(key: str, cited: Any) -> None:
    assert seen(user(text("ask"), **{key: cited})) == ["ask"]


@pytest.mark.parametrize(
    ("prompt", "images", "wanted"),
    [
        ("First <image> then <image>?", [RED, BLUE], ["First ", "red", " then ", "blue", "?"]),
        ("<image>\nask", [RED], ["red", "\nask"]),
        (mark("ask <image>"), [RED], ["ask ", "red"]),
        ("<start_of_image>or <start_of_image>", [RED, BLUE], ["red", "or ", "blue"]),
        ([{**mark("ask <image>")[0], "images": [RED]}], [], ["ask ", "red"]),
        ({"messages": mark("<image>ask"), "image": RED}, [], ["red", "ask"]),
        (user(text("ask <image>")), [RED], ["ask ", "red"]),
        (user({"type": "image"}, text("what is <image>?")), [RED], ["red", "what is <image>?"]),
        ("a feed's <image><url/></image>", [RED], ["red", "a feed's <image><url/></image>"]),
        (prepend("ask", ["<image>"]), [RED], ["red", "Document:\n<image>\n\nask"]),
        ("what is <image>?", [], ["what is <image>?"]),
    ],
)
def test_a_mark_in_a_text_is_the_place_of_an_image_that_is_given(
    prompt: Any, images: list[Any], wanted: list[str]
) -> None:
    assert seen(prompt, images=images) == wanted


def test_json_that_is_no_conversation_is_a_question() -> None:
    questions = ('{"age": 50}', '[{"role": "nurse"}]', "[1, 2]", "[What is this?]", "[]")
    resources = ('{"type": "text", "analyzer": "de"}', "{'role': 'nurse'}", "{type: Observation}")
    for prompt in (*questions, *resources):
        assert seen(prompt) == [prompt]


@pytest.mark.parametrize("prompt", ["What is <bos>?", "<start_of_turn>", "<s>struck</s>?"])
def test_a_mark_of_turns_within_a_question_is_a_text(prompt: str) -> None:
    assert seen(prompt) == [prompt]
