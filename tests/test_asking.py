"""What is a question to a model, and what is none."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from edge_med import ImageError, MedGemma, Options, PromptError
from edge_med.engine.prompt import compose
from edge_med.errors import UsageError
from edge_med.messages import Message, TextPart
from tests.conftest import Models

SHORT = Options(max_new_tokens=2)
PHOTO = np.zeros((9, 9, 3), np.uint8)


@pytest.fixture(scope="module")
def tiny(model: Models) -> Iterator[MedGemma]:
    with MedGemma.load(model("multimodal", "F32"), context=256, threads=1) as loaded:
        yield loaded


NOTHING: dict[str, Any] = {
    "an empty text": "",
    "blanks": " \n\t",
    "characters that show nothing": "\u200b\u2060 \ufeff\u3164\u2800\ufe0f",
    "no messages": [],
    "no parts": [{"role": "user", "content": []}],
    "an empty part": [{"role": "user", "content": [{"type": "text", "text": " "}]}],
    "a system text alone": [{"role": "system", "content": "Be brief."}],
    "an answer alone": [{"role": "assistant", "content": "The heart"}],
    "an empty question after others": [
        {"role": "user", "content": "x"},
        {"role": "assistant", "content": "y"},
        {"role": "user", "content": ""},
    ],
}


@pytest.mark.parametrize("case", NOTHING)
def test_asking_nothing_is_an_error(case: str, tiny: MedGemma) -> None:
    with pytest.raises(UsageError, match="There is no question"):
        tiny.ask(NOTHING[case])
    with pytest.raises(UsageError, match="There is no question"):
        asyncio.run(tiny.ask_async(NOTHING[case]))


def test_the_name_of_an_image_is_no_question(tiny: MedGemma) -> None:
    chat = tiny.chat()
    for ask in (tiny.ask, chat.send):
        with pytest.raises(PromptError, match="only a file's name"):
            ask("phantom.png", options=SHORT)
    chat.send("where is it", options=SHORT)
    with pytest.raises(PromptError, match="only a file's name"):
        chat.edit(0, "phantom.png", options=SHORT)
    with pytest.raises(PromptError, match="only a file's name"):
        chat.instruct("phantom.png")


@pytest.mark.parametrize("text", ["Is it large in {}?", "Is it large?\nfile://{}", "![]({}) size?"])
def test_a_question_that_names_an_image_and_shows_none_is_refused(
    tiny: MedGemma, tmp_path: Path, text: str
) -> None:
    path = tmp_path / "phantom.png"
    Image.fromarray(PHOTO).save(path)
    asked, chat = text.format(path), tiny.chat(options=SHORT)
    row = [{"role": "user", "content": [{"type": "text", "text": asked}]}]
    for ask in (tiny.ask, chat.send, lambda _: tiny.ask(row)):
        with pytest.raises(PromptError, match="names a file that exists"):
            ask(asked)
    assert tiny.ask(asked, image=PHOTO, options=SHORT).usage.image
    assert tiny.ask(Message("user", (TextPart(asked),)), options=SHORT).usage.answer
    chat.send("where is it")
    with pytest.raises(PromptError, match="names a file that exists"):
        chat.edit(0, asked)
    chat.send("where is it", image=path)
    assert chat.send(asked).usage.answer  # it was shown


def test_an_image_alone_is_a_question(tiny: MedGemma) -> None:
    assert tiny.ask("", image=PHOTO, options=SHORT).usage.image == 4


def test_a_conversation_may_begin_with_a_greeting(tiny: MedGemma) -> None:
    greeted = [{"role": "assistant", "content": "Hello."}, {"role": "user", "content": "x"}]
    assert tiny.ask(greeted, options=SHORT).usage.prompt > tiny.count("x").prompt


@pytest.mark.parametrize(
    "given",
    [{"image": "chest.png"}, {"images": ["chest.png"]}, {"image": PHOTO}],
    ids=["image", "images", "array"],
)
def test_image_without_projector_is_refused_before_it_is_opened(
    given: dict[str, Any], model: Models
) -> None:
    with MedGemma.load(model("text", "F32"), context=16, threads=1) as loaded:
        with pytest.raises(ImageError, match="can't see"):
            loaded.ask("x", **given)
        with pytest.raises(ImageError, match="can't see"):
            loaded.ask([{"role": "user", "content": "x", **given}])


def test_a_conversation_is_asked_something_in_each_turn(tiny: MedGemma) -> None:
    chat = tiny.chat(options=SHORT)
    chat.send("x")
    with pytest.raises(UsageError, match="There is no question"):
        chat.send(" ")
    with pytest.raises(UsageError, match="There is no question"):
        chat.edit(0, "")
    said, answered = {"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}
    for other in ([], [answered], [said, said]):
        with pytest.raises(UsageError, match="one message of the user"):
            chat.send(other)  # type: ignore[arg-type]
    assert len(chat.messages) == 2


@pytest.mark.parametrize("task", ["generate", "score"])
def test_an_image_that_the_engine_loses_is_an_error(
    task: str, tiny: MedGemma, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here by an instruction that is put into the conversation, and takes its image out."""

    def without_images(model: Any, messages: Any, *more: Any) -> Any:
        return compose(model, [replace(m, parts=(TextPart(m.text),)) for m in messages], *more)

    monkeypatch.setattr(f"edge_med.engine.tasks.{task}.compose", without_images)
    with pytest.raises(PromptError, match="1 images were given, and the prompt shows 0"):
        tiny.ask("x", image=PHOTO) if task == "generate" else tiny.score("x", "y", image=PHOTO)
