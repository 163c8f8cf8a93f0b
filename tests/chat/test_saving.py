"""Conversations that are saved, loaded and exported: nothing is replaced in silence."""

from __future__ import annotations

import json
import stat
import sys
from pathlib import Path

import pytest

from edge_med.answers import Notice
from edge_med.errors import InputError, UsageError
from tests.chat.scripted import Held


def test_save_is_private_and_load_goes_on(held: Held) -> None:
    held.enter("a", "/save x.json", "/clear", "/load x.json")
    assert held.texts == ["a", "yes"]
    if sys.platform != "win32":
        assert stat.S_IMODE(Path("x.json").stat().st_mode) == 0o600


@pytest.mark.parametrize("images", [True, False])
def test_save_keeps_images_or_their_hashes(held: Held, picture: Path, images: bool) -> None:
    held.enter(f"/image {picture}", "a", f"/save x.json {'--images' if images else ''}")
    part = json.loads(Path("x.json").read_text())["messages"][0]["parts"][0]
    assert ("png" in part) == images
    held.enter("/clear", f"/load x.json {'' if images else repr(str(picture))}")
    assert len(list(held.chat.pictures)) == 1
    assert not held.ui.errors


def test_load_without_an_image_that_is_needed_says_so(held: Held, picture: Path) -> None:
    held.enter(f"/image {picture}", "a", "/save x.json", "b", "/load x.json")
    assert isinstance(held.error, InputError)
    assert "/load FILE IMAGE" in held.error.hint
    assert len(held.texts) == 4, "the conversation stays"


def test_save_replaces_another_file_only_by_a_yes(held: Held) -> None:
    Path("x.json").write_text("mine")
    held.ui.agrees = False
    held.enter("a", "/save x.json")
    assert Path("x.json").read_text() == "mine"
    held.ui.agrees = True
    held.enter("/save x.json", "b", "/save x.json")
    assert len(held.ui.questions) == 2, "one of its own is replaced without asking"
    assert any("in place of the earlier file" in notice for notice in held.ui.notices)


@pytest.mark.parametrize("another", ["/clear", "/load other.json"])
def test_save_never_replaces_another_conversation_in_silence(held: Held, another: str) -> None:
    held.ui.agrees = False
    held.enter("a", "/save x.json", "/save other.json", another, "b", "/save x.json")
    assert held.ui.questions == ["x.json is another saved chat. Replace it?"]
    assert json.loads(Path("x.json").read_text())["messages"][0]["parts"][0]["text"] == "a"


def test_save_without_a_question_says_what_it_replaced(held: Held) -> None:
    held.chat.yes = True
    Path("x.json").write_text("mine")
    held.enter("a", "/save x.json")
    assert "in place of the earlier file" in held.ui.notices[-1]


def test_a_path_with_blanks_is_taken_in_quotes(held: Held) -> None:
    held.enter("a", "/save my chat.json")
    assert "needs quotes" in held.error.message
    assert held.error.hint == 'As in: "my chat.json"'
    held.enter('/save "my chat.json"', "/clear", "/load my chat.json")
    assert held.texts == ["a", "yes"]


def test_load_shows_the_last_turn(held: Held) -> None:
    held.worker.answers = ["one", "two"]
    held.enter("a", "b", "/save x.json", "/clear", "/load x.json")
    assert held.ui.notices[-1] == "Loaded: 2 questions, 4 tokens. Its last question and answer:"
    assert held.ui.said[-2:] == ["> b", "two"]


def test_a_saved_chat_that_is_dropped_says_how_it_is_loaded(held: Held) -> None:
    held.enter("a", "/save x.json", "x.json")
    assert held.error.hint == "Open a saved chat with: /load x.json"


def test_saved_and_exported_chats_say_what_answered(held: Held) -> None:
    held.worker.notices = (Notice("toy", "A toy answered."),)
    held.enter("a", "/save x.json", "/export md", "/export json")
    (answer,) = json.loads(Path("x.json").read_text())["answers"]
    assert (answer["model"], answer["quant"]) == ("toy-F32.gguf", "F32")
    assert answer["notices"] == [{"code": "toy", "text": "A toy answered."}]
    report = Path("edge-med-chat-1.md").read_text()
    assert "- model: toy-F32.gguf" in report
    assert "*A toy answered.*" in report
    (_user, said) = json.loads(Path("edge-med-chat-1.json").read_text())
    assert said["provenance"] == answer


def test_export_has_a_neutral_name_and_never_replaces(held: Held) -> None:
    held.enter("a", "/export md", "/export md", "/export json", "/export docx")
    names = sorted(path.name for path in Path().iterdir())
    assert names == ["edge-med-chat-1.json", "edge-med-chat-1.md", "edge-med-chat-2.md"]
    assert isinstance(held.error, UsageError)
