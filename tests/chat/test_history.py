"""Commands about what was asked: what stays, what goes, and what is said of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_med.errors import CancelledError, EngineError, UsageError
from tests.chat.scripted import Held


def test_regen_answers_the_last_question_anew(held: Held) -> None:
    held.worker.answers = ["one", "two", "three"]
    held.enter("a", "b", "/regen")
    assert held.texts == ["a", "one", "b", "three"]
    assert "same answer" in held.ui.notices[-1]


def test_regen_foretells_no_same_answer_where_something_has_changed(
    held: Held, picture: Path
) -> None:
    held.enter(f"/image {picture}", "a", "/drop 1", "/regen", "/think on", "/regen")
    held.enter("/system Be brief.", "/regen")
    assert not any("same answer" in notice for notice in held.ui.notices)


def test_edit_changes_a_question_and_later_ones_go(held: Held, picture: Path) -> None:
    held.enter(f"/image {picture}", "a", "b", "/edit 1 c")
    assert held.texts == ["c", "yes"]
    assert held.chat.conversation.messages[0].pictures
    assert held.ui.notices[-1] == "A later question is removed, with its answer."


def test_edit_says_which_images_go_with_later_questions(held: Held, picture: Path) -> None:
    held.enter("a", f"/image {picture}", "b", "c", "/edit 1 d")
    assert held.ui.notices[-1] == "2 later questions are removed, with their answers and 1 image."


def test_edit_changes_a_question_below_its_text_which_stays(held: Held, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("no effusion")
    held.enter(f"/file {tmp_path / 'a.txt'}", "what is it", "/edit 1", "where", "/edit 1 and now")
    assert "what is it" in held.ui.offered
    said = [asked.messages[-1].text for asked in held.worker.asked]
    assert said == [
        f"Document:\nno effusion\n\n{text}" for text in ("what is it", "where", "and now")
    ]


def test_questions_are_listed_without_their_texts(held: Held, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("no effusion")
    held.enter(f"/file {tmp_path / 'a.txt'}", "what is it", "/edit")
    assert held.error.hint == "Give one of these: 1. what is it"


def test_edit_without_a_text_offers_the_old_one(held: Held) -> None:
    held.enter("old", "/edit 1", "new")
    assert "old" in held.ui.offered
    assert held.texts == ["new", "yes"]


def test_edit_of_no_question_lists_them(held: Held) -> None:
    held.enter("/edit 1", "what is it", "/edit", "/edit 7 x")
    assert held.ui.errors[1].hint == "Give one of these: 1. what is it"
    assert held.texts == ["what is it", "yes"]


@pytest.mark.parametrize(
    "line",
    ["/images", "/clear", "exit", "help", "edge-med ask x", "zz-none.png", "What is zz.dcm?"],
)
def test_no_command_and_no_name_becomes_another_question(held: Held, line: str) -> None:
    held.enter("what is it", f"/edit 1 {line}", "/edit 1", line)
    assert len(held.ui.errors) == 2
    assert held.texts == ["what is it", "yes"]


def test_another_question_may_look_like_a_command_behind_slashes(held: Held) -> None:
    held.enter("what is it", "/edit 1 // exit", "/edit 1 //images are what?")
    assert [one.messages[-1].text for one in held.worker.asked[1:]] == ["exit", "/images are what?"]


def test_undo_takes_the_last_question_back(held: Held) -> None:
    held.enter("a", "b", "/undo", "/undo", "/undo")
    assert held.ui.notices == [f"Question {n} is removed, with its answer." for n in (2, 1)]
    assert held.texts == []
    assert isinstance(held.error, UsageError)


def test_undo_leaves_an_image_waiting(held: Held, picture: Path) -> None:
    held.enter(f"/image {picture}", "a", "/undo", "b")
    assert held.ui.notices[-1] == (
        "Question 1 is removed, with its answer. 1 image is attached to the next question."
    )
    assert held.ui.prompts[3] == "[1 image] 1> "
    (question, _answer) = held.chat.conversation.messages
    assert (len(question.pictures), question.text) == (1, "b")


def test_undo_leaves_a_text_waiting(held: Held, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("no effusion")
    held.enter(f"/file {tmp_path / 'a.txt'}", "what is it", "/undo", "where")
    assert held.worker.asked[-1].messages[-1].text == "Document:\nno effusion\n\nwhere"


def test_undo_leaves_what_an_edited_question_had_before_what_waits(
    held: Held, picture: Path
) -> None:
    held.enter(f"/image {picture}", "a", "/edit 1 b", f"/image {picture}", "/undo", "c")
    assert held.ui.notices[-1].endswith("2 images are attached to the next question.")
    assert len(held.chat.conversation.messages[0].pictures) == 2


def test_undo_leaves_the_image_of_a_loaded_question_waiting(
    held: Held, picture: Path, tmp_path: Path
) -> None:
    kept = tmp_path / "kept.json"
    held.enter(f"/image {picture}", "a", f"/save {kept} --images", "/clear", f"/load {kept}")
    held.enter("/undo")
    assert len(held.chat.pending.pictures) == 1


def test_undo_lets_images_and_texts_wait_again(held: Held, picture: Path) -> None:
    (picture.parent / "a.txt").write_text("no effusion")
    held.enter(f"/image {picture}", f"/file {picture.parent / 'a.txt'}", "a", "/undo", "b")
    assert held.ui.notices[-1].endswith("1 image and 1 text are attached to the next question.")
    first, second = (asked.messages[-1] for asked in held.worker.asked)
    assert second.pictures == first.pictures
    assert second.text == "Document:\nno effusion\n\nb"


def test_undo_of_a_question_about_an_earlier_image_leaves_that_where_it_is(
    held: Held, picture: Path
) -> None:
    held.enter(f"/image {picture}", f"/image {picture}", "a", "/locate heart", "/undo")
    assert not held.chat.pending
    assert len(list(held.chat.pictures)) == 2


CRASH = EngineError("llama.cpp's process has ended.", "Ask again.")


@pytest.mark.parametrize("again", ["", "/regen"])
def test_a_question_that_the_engine_failed_at_waits_with_its_images(
    held: Held, picture: Path, again: str
) -> None:
    held.worker.answers = [CRASH, CRASH, "a chest"]
    held.enter(f"/image {picture}", "what is it", again, again)
    assert (
        held.ui.notices.count(
            "Your question has no answer yet. Press Enter, or type /regen, to ask it again."
        )
        == 2
    )
    assert held.texts == ["what is it", "a chest"]
    assert [len(asked.messages[-1].pictures) for asked in held.worker.asked] == [1, 1, 1]
    held.enter("")
    assert len(held.worker.asked) == 3


def test_a_change_that_the_engine_failed_at_is_asked_again(held: Held) -> None:
    held.worker.answers = ["one", CRASH, "two", CRASH, "three"]
    held.enter("a", "/edit 1 b", "")
    assert held.texts == ["b", "two"]
    held.enter("/regen", "")
    assert held.texts == ["b", "three"]


def test_another_question_or_undo_or_clear_ends_that_wait(held: Held) -> None:
    for other in ("b", "/undo", "/clear"):
        held.worker.answers = [CRASH]
        held.enter("a", other)
        asked = len(held.worker.asked)
        held.enter("")
        assert len(held.worker.asked) == asked


def test_an_answer_that_the_user_stopped_is_not_asked_again(held: Held) -> None:
    held.worker.answers = [CancelledError("Stopped.", "Ask again.")]
    held.enter("a", "")
    assert len(held.worker.asked) == 1


def test_words_after_a_command_that_takes_none_are_refused(held: Held) -> None:
    held.enter("a", "/undo 2")
    assert isinstance(held.error, UsageError)
    assert held.error.message == "/undo has no argument."
    assert held.texts != []
