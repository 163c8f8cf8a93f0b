"""The loop: lines, waits, notices, and what is kept."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from edge_med.answers import Notice
from edge_med.artifacts.chat_template import Turns
from edge_med.chat import loop
from edge_med.engine.decode.notices import TOY
from edge_med.errors import CancelledError, ContextOverflowError
from edge_med.planner.latency import Rates
from tests.chat.scripted import Held, ScriptedUI

SLOW = Rates(load=1.0, encode=0.01, read=0.1)


def test_the_first_screen_says_in_two_lines_what_it_is_not_for() -> None:
    ui = ScriptedUI()
    loop.greet(ui)
    first, second = ui.notices
    assert "never for diagnosis or treatment" in first
    assert "Check every answer" in second


@pytest.mark.parametrize("turns", ["gemma", "foreign", "assumed", "none"])
def test_what_is_amiss_with_the_chat_template_is_told_at_the_start(
    held: Held, turns: Turns
) -> None:
    held.chat.model.info.model.turns = turns
    loop.introduce(held.chat)
    assert any("chat template" in notice for notice in held.ui.notices) is (turns != "gemma")
    assert any("/clear" in notice for notice in held.ui.notices) is (turns == "none")


def test_a_toy_says_so_at_the_start_and_in_the_bottom_line(held: Held) -> None:
    assert "toy:" not in held.chat.status()
    held.chat.model.info.model.toy, held.chat.model.info.model.turns = True, "gemma"
    loop.introduce(held.chat)
    assert held.ui.notices[-1] == TOY.text
    assert "toy-F32.gguf, a toy: no medicine" in held.chat.status()


def test_a_line_is_a_question_and_an_empty_one_is_nothing(held: Held) -> None:
    held.worker.answers = ["fine\nindeed"]
    held.enter("", "  ", "how is it")
    assert held.texts == ["how is it", "fine\nindeed"]
    assert "".join(piece.text for piece in held.ui.pieces) == "fine\nindeed"


def test_an_error_is_told_and_the_chat_goes_on(held: Held) -> None:
    held.worker.answers = [ContextOverflowError("Too long.", "Shorten it."), "yes"]
    held.enter("a", "b")
    assert isinstance(held.error, ContextOverflowError)
    assert held.texts == ["b", "yes"]


def test_images_of_a_question_that_failed_go_on_waiting(held: Held, picture: Path) -> None:
    held.worker.answers = [ContextOverflowError("Too long.", "Shorten it.")]
    held.enter(f"/image {picture}", "a")
    assert held.chat.pending.pictures


def test_a_call_that_was_stopped_is_no_error(held: Held) -> None:
    held.worker.answers = [CancelledError("Stopped.", "Ask again.")]
    held.enter("a")
    assert not held.ui.errors
    assert held.ui.notices == ["Stopped."]


def test_an_answer_that_was_stopped_is_kept_as_far_as_it_came(held: Held) -> None:
    held.worker.reason = "cancelled"
    held.worker.answers = ["so f"]
    held.enter("a")
    assert held.texts == ["a", "so f"]
    assert "Stopped. The answer so far is kept." in held.ui.notices


def test_one_that_was_stopped_before_a_word_does_not_count(held: Held, picture: Path) -> None:
    held.worker.reason = "cancelled"
    held.worker.answers = [""]
    held.enter(f"/image {picture}", "a")
    assert held.texts == []
    assert held.chat.pending.pictures
    assert held.ui.notices[-1] == "Cancelled. 1 image is still attached to your next question."


def test_every_notice_is_told_once_but_what_the_first_screen_said(held: Held) -> None:
    held.worker.notices = (Notice("research_only", "no"), Notice("trimmed", "2 turns left out"))
    held.enter("a")
    assert held.ui.notices == ["2 turns left out"]


def test_that_something_went_to_another_device_is_told(held: Held) -> None:
    held.worker.notices = (Notice("projector_on_cpu", "The CPU sees: out of memory."),)
    held.enter("a")
    assert held.ui.notices == ["The CPU sees: out of memory."]


@pytest.mark.parametrize(
    ("reason", "told"),
    [("length", "cut off"), ("thought_budget", "there is no answer"), ("stop", "is empty")],
)
def test_an_answer_that_is_not_whole_says_why(held: Held, reason: str, told: str) -> None:
    held.worker.reason = reason
    held.worker.answers = [""]
    held.enter("a")
    assert told in held.ui.notices[0]


def test_a_short_wait_is_told(held: Held, picture: Path) -> None:
    held.chat.estimates.rates = replace(SLOW, encode=0.1, read=100.0)
    held.enter(f"/image {picture}", "a")
    assert held.ui.stages[:2] == [
        "Looking at this takes about 10 s on this machine.",
        "looking at the image, 10 s left",
    ]
    assert not held.ui.questions


def test_of_several_images_it_is_told_how_many_were_seen(held: Held, picture: Path) -> None:
    other = picture.with_name("other.png")
    Image.new("RGB", (30, 90), "white").save(other)
    held.chat.estimates.rates = replace(SLOW, encode=0.1, read=100.0)
    held.enter(f"/image '{picture}' {other}", "a")
    assert held.ui.stages[1] == "looking at image 1 of 2, 20 s left"


def test_a_long_wait_is_begun_by_a_yes_only(held: Held) -> None:
    held.chat.estimates.rates = SLOW
    held.ui.agrees = False
    held.enter("a " * 20)
    assert not held.worker.asked
    assert held.ui.notices[0] == "Reading this takes about 3 min on this machine."
    held.ui.agrees = True
    held.enter("a " * 20)
    assert len(held.worker.asked) == 1


def test_yes_tells_of_a_long_wait_and_does_not_ask(held: Held) -> None:
    held.chat.yes = True
    held.chat.estimates.rates = SLOW
    held.enter("a " * 20)
    assert len(held.worker.asked) == 1
    assert not held.ui.questions
    assert "3 min" in held.ui.notices[0]


def test_what_was_read_already_is_no_wait(held: Held, picture: Path) -> None:
    held.enter(f"/image {picture}", "a " * 20)
    held.chat.estimates.rates = SLOW
    held.enter("b", "/regen")
    assert held.ui.questions == [], "ten seconds of reading, and no image to encode again"


def test_speeds_are_learnt(held: Held, picture: Path) -> None:
    held.enter(f"/image {picture}", "a " * 100)
    assert held.chat.estimates.rates.encode == 0.5
    assert held.chat.estimates.rates.read == 104.0


def test_keep_writes_after_each_answer(held: Held) -> None:
    held.chat.keep = Path("kept.json")
    held.enter("a")
    assert len(json.loads(Path("kept.json").read_text())["messages"]) == 2
    held.enter("b")
    assert len(json.loads(Path("kept.json").read_text())["messages"]) == 4


@pytest.mark.parametrize("another", ["/clear", "/load x.json"])
def test_keep_never_replaces_the_conversation_before(held: Held, another: str) -> None:
    held.chat.keep = Path("kept.json")
    held.enter("a", "/save x.json", another, "b", another, "c")
    first = json.loads(Path("kept.json").read_text())["messages"]
    assert first[0]["parts"][0]["text"] == "a"
    assert len(first) == 2
    assert "The new conversation is saved in kept-2.json." in held.ui.notices
    for number, text in ((2, "b"), (3, "c")):
        kept = json.loads(Path(f"kept-{number}.json").read_text())["messages"]
        assert kept[-2]["parts"][0]["text"] == text


def test_nothing_is_written_unless_it_is_asked_for(
    held: Held, picture: Path, tmp_path: Path
) -> None:
    held.enter(f"/image {picture}", "a secret question", "/think on", "/regen", "/stats")
    files = {path for path in tmp_path.rglob("*") if path.is_file()}
    rates = tmp_path / "state" / "rates.json"
    assert files == {picture, tmp_path / "toy-F32.gguf", rates}
    assert "toy" not in rates.read_text()
    assert "secret" not in rates.read_text()


def test_the_status_tells_model_device_context_and_speed(held: Held) -> None:
    assert held.chat.status() == "toy-F32.gguf · cpu · 0 of 512 tokens"
    held.enter("a b c")
    assert held.chat.status() == "toy-F32.gguf · cpu · 4 of 512 tokens · 20.0 tok/s"


@pytest.mark.parametrize("change", [lambda held: held.enter("/clear"), lambda _held: None])
def test_options_go_with_every_answer(held: Held, change: Callable[[Held], None]) -> None:
    held.enter("/think on")
    change(held)
    held.enter("a", "/regen", "/edit 1 b")
    assert {asked.options.think for asked in held.worker.asked} == {"on"}
