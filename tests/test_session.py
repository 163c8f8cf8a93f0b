"""A conversation: turns that can be sent, written anew, changed, taken back, kept and trimmed."""

from __future__ import annotations

import json
import stat
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from edge_med import Conversation, MedGemma, Options, imaging
from edge_med.answers import Answer, Notice
from edge_med.errors import ContextOverflowError, InputError, UsageError
from edge_med.messages import ImagePart, Message, TextPart
from tests.conftest import Models

SHORT = Options(max_new_tokens=6, stop_loops=False)


@pytest.fixture(scope="module")
def tiny(model: Models) -> Iterator[MedGemma]:
    with MedGemma.load(model("multimodal", "F32"), context=512, threads=1) as loaded:
        yield loaded


@pytest.fixture
def chat(tiny: MedGemma) -> Conversation:
    return tiny.chat("be brief", SHORT)


@pytest.fixture
def image() -> npt.NDArray[np.uint8]:
    return np.random.default_rng(3).integers(0, 256, (56, 56, 3), dtype=np.uint8)


def texts(chat: Conversation) -> list[str]:
    return [message.text for message in chat.messages]


def fresh(tiny: MedGemma, chat: Conversation) -> Answer:
    """What the model says to the conversation up to its last question."""
    return tiny.ask(chat.messages[:-1], options=SHORT)


def test_turns_are_kept(chat: Conversation) -> None:
    first = chat.send("the heart")
    second = chat.send("the lungs")
    assert texts(chat) == ["be brief", "the heart", first.text, "the lungs", second.text]


def test_each_answer_has_a_record_of_what_wrote_it(chat: Conversation, tmp_path: Path) -> None:
    answer = chat.send("the heart")
    chat.send("the lungs", options=replace(SHORT, temperature=1.0, seed=4))
    first, second = chat.records
    assert first is not None
    assert second is not None
    assert first.model == "multimodal-F32.gguf"
    assert (first.settings["temperature"], second.settings["seed"]) == (0.0, 4)
    assert {"edge_med", "llama_cpp"} <= set(first.versions)
    assert first.notices == answer.notices
    chat.save(tmp_path / "x.json")
    chat.undo()
    assert [*chat.records] == [first]
    chat.edit(0, "the liver")
    assert len(chat.records) == 1
    chat.load(tmp_path / "x.json")
    assert [*chat.records] == [first, second]


def test_an_image_costs_nothing_in_the_next_turn(
    chat: Conversation, image: npt.NDArray[np.uint8]
) -> None:
    first = chat.send("what is it", image=image)
    second = chat.send("and the heart")
    assert second.usage.image == first.usage.image == 4
    assert second.usage.cached >= first.usage.prompt


def test_regenerating_takes_over_the_whole_question(tiny: MedGemma, chat: Conversation) -> None:
    first = chat.send("the heart")
    again = chat.regenerate()
    assert again.text == first.text
    assert again.usage.cached >= again.usage.prompt - 1
    assert len(chat.messages) == 3


def test_an_edited_question_is_answered_and_later_turns_go(
    tiny: MedGemma, chat: Conversation, image: npt.NDArray[np.uint8]
) -> None:
    chat.send("what is it", image=image)
    chat.send("the lungs")
    answer = chat.edit(0, "where is it")
    assert texts(chat) == ["be brief", "where is it", answer.text]
    assert chat.messages[1].pictures, "the image stays"
    assert answer.text == fresh(tiny, chat).text


def test_undo_takes_a_question_and_its_answer_back(chat: Conversation) -> None:
    chat.send("the heart")
    chat.send("the lungs")
    chat.undo()
    assert texts(chat)[1] == "the heart"
    assert len(chat.messages) == 3


def test_what_was_never_asked_cannot_be_changed(chat: Conversation) -> None:
    for change in (chat.undo, chat.regenerate, lambda: chat.edit(0, "x")):
        with pytest.raises(UsageError):
            change()


def test_a_full_context_costs_the_oldest_turns_and_that_is_said(chat: Conversation) -> None:
    notices: list[Notice] = []
    for number in range(8):
        answer = chat.send(f"{number} " + "the heart is not enlarged " * 12)
        notices += answer.notices
    assert {notice.code for notice in notices} == {"trimmed"}
    assert len(chat.messages) == 17, "they stay in the conversation"


def test_after_trimming_the_turns_to_come_find_what_was_read(chat: Conversation) -> None:
    cached: list[tuple[int, int]] = []
    for number in range(12):
        answer = chat.send(f"{number} " + "the heart is not enlarged " * 9)
        if answer.notices:
            cached.append((answer.usage.cached, answer.usage.prompt))
    anew = [part for part, prompt in cached if part < prompt // 2]
    assert len(cached) > 3
    assert len(anew) <= len(cached) // 2, "only now and then everything is read again"


def test_an_answer_that_is_empty_of_itself_stays(tiny: MedGemma) -> None:
    first = tiny.ask("the heart", options=Options(max_new_tokens=1, logprobs=1))
    assert first.logprobs is not None
    chat = tiny.chat(options=Options(stop_ids=(first.logprobs[0].id,)))
    answer = chat.send("the heart")
    assert (answer.text, answer.finish_reason) == ("", "stop")
    assert [message.role for message in chat.messages] == ["user", "assistant"]
    assert chat.send("the lungs").usage.prompt > 0, "it goes on"


def test_an_image_is_never_left_out(chat: Conversation, image: npt.NDArray[np.uint8]) -> None:
    chat.send("what is it", image=image)
    for number in range(8):
        answer = chat.send(f"{number} " + "the heart is not enlarged " * 12)
    assert answer.notices
    assert answer.usage.image == 4


def test_a_question_that_is_too_long_says_by_how_much(chat: Conversation) -> None:
    with pytest.raises(ContextOverflowError, match="tokens too long"):
        chat.send("the heart " * 600)
    assert len(chat.messages) == 1


def test_an_answer_that_is_cancelled_stays_as_far_as_it_came(
    tiny: MedGemma, chat: Conversation
) -> None:
    for number, _event in enumerate(chat.stream("the heart", options=Options(max_new_tokens=200))):
        if number == 6:
            tiny.cancel()
    assert [message.role for message in chat.messages] == ["system", "user", "assistant"]


@pytest.mark.parametrize("images", [True, False])
def test_a_saved_conversation_goes_on(
    images: bool, tiny: MedGemma, chat: Conversation, image: npt.NDArray[np.uint8], tmp_path: Path
) -> None:
    chat.send("what is it", image=image)
    chat.save(tmp_path / "chat.json", images=images)
    again = tiny.chat(options=SHORT)
    again.load(tmp_path / "chat.json", images=[] if images else [image])
    assert again.messages == chat.messages
    assert again.send("the heart").text == chat.send("the heart").text


def test_a_saved_conversation_without_its_image_is_refused(
    tiny: MedGemma, chat: Conversation, image: npt.NDArray[np.uint8], tmp_path: Path
) -> None:
    chat.send("what is it", image=image)
    chat.save(tmp_path / "chat.json")
    with pytest.raises(InputError, match="image"):
        tiny.chat().load(tmp_path / "chat.json")


@pytest.mark.skipif(sys.platform == "win32", reason="there a folder's owner decides")
def test_a_saved_conversation_is_private(chat: Conversation, tmp_path: Path) -> None:
    chat.save(tmp_path / "chat.json")
    assert stat.S_IMODE((tmp_path / "chat.json").stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        '{"format": 2, "messages": []}',
        '{"format": 1, "messages": [{"role": "nurse", "parts": []}]}',
        json.dumps(
            {
                "format": 1,
                "messages": [
                    {"role": "user", "parts": [{"type": "image", "sha256": "x", "png": "!"}]}
                ],
            }
        ),
    ],
)
def test_another_file_is_refused(content: str, tiny: MedGemma, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(InputError):
        tiny.chat().load(tmp_path / "x.json")


def test_an_image_can_be_taken_out_of_its_turn(
    chat: Conversation, image: npt.NDArray[np.uint8]
) -> None:
    chat.send("what is it", image=image)
    chat.drop_image(0)
    assert texts(chat)[1] == "what is it", "the question stays"
    assert chat.send("the heart").usage.image == 0
    with pytest.raises(UsageError):
        chat.drop_image(0)


def test_a_text_behind_an_image_that_is_no_label_stays_without_it(
    chat: Conversation, image: npt.NDArray[np.uint8]
) -> None:
    texts_of = ("the prior", "what has changed")
    picture = imaging.open(image, side=56)
    parts = [part for text in texts_of for part in (ImagePart(picture), TextPart(text))]
    chat.send(Message("user", tuple(parts)))
    chat.drop_image(0)
    assert texts(chat)[1] == "the priorwhat has changed"


def test_answers_say_that_an_image_was_shown_that_is_gone(
    chat: Conversation, image: npt.NDArray[np.uint8], tmp_path: Path
) -> None:
    chat.send("the heart")
    for question in ("what is it", "where"):
        chat.send(question, image=image if question == "what is it" else None)
    chat.drop_image(0)
    chat.send("and now")
    told = [
        "image_dropped" in [n.code for n in record.notices] for record in chat.records if record
    ]
    assert told == [False, True, True, False]
    chat.export(tmp_path / "x.md")
    assert (tmp_path / "x.md").read_text().count("The model saw an image for this answer") == 2
    chat.edit(1, "what is it")
    chat.export(tmp_path / "y.md")
    assert "The model saw an image" not in (tmp_path / "y.md").read_text()


def test_another_system_text_counts_from_the_next_turn_on(
    tiny: MedGemma, chat: Conversation
) -> None:
    chat.send("the heart")
    chat.instruct("be long")
    answer = chat.send("the lungs")
    assert texts(chat)[0] == "be long"
    assert answer.text == fresh(tiny, chat).text
    chat.instruct(None)
    assert chat.messages[0].role == "user"


@pytest.mark.parametrize("change", ["stream_regenerate", "stream_edit"])
def test_an_answer_that_is_written_anew_can_be_streamed(change: str, chat: Conversation) -> None:
    chat.send("the heart")
    arguments = {"stream_regenerate": (), "stream_edit": (0, "the lungs")}[change]
    kinds = [type(event).__name__ for event in getattr(chat, change)(*arguments)]
    assert kinds.count("Piece") > 0
    assert kinds[-1] == "End"
    assert len(chat.messages) == 3


def test_one_array_as_images_is_refused_in_a_later_turn_too(chat: Conversation) -> None:
    chat.send("Look.", image=np.zeros((20, 20, 3), np.uint8))
    with pytest.raises(UsageError, match="one array"):
        chat.send("And now?", images=np.zeros((20, 20, 3), np.uint8))  # type: ignore[arg-type]
