"""Every command: what it changes, and what it says."""

from __future__ import annotations

import json
import re
import stat
import sys
from pathlib import Path

import pytest
from PIL import Image

from edge_med.chat.commands import COMMANDS
from edge_med.chat.presets import PRESETS
from edge_med.chat.settings import SET
from edge_med.errors import ImageError, InputError, PromptError, UsageError
from tests.chat.scripted import Held

BOX = 'Final Answer: ```json[{"box_2d": [250, 0, 750, 500], "label": "heart"}]```'


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_each_has_one_line_of_help(command: object) -> None:
    text = getattr(command, "help", "")
    assert text.endswith(".")
    assert "\n" not in text
    assert len(text) <= 60


def test_help_lists_all(held: Held) -> None:
    held.enter("/help")
    (shown,) = held.ui.said
    assert [line.split()[0] for line in shown.splitlines()] == [f"/{c.name}" for c in COMMANDS]
    assert max(map(len, shown.splitlines())) < 90


def test_image_goes_with_the_next_question_and_only_with_that(held: Held, picture: Path) -> None:
    held.enter(f"/image {picture}", "what is it", "and now")
    first, second = held.worker.asked
    assert [len(m.pictures) for m in first.messages] == [1]
    assert [len(m.pictures) for m in second.messages] == [1, 0, 0]
    assert held.ui.prompts[1] == "[1 image] 1> "
    assert held.ui.prompts[2] == "2> "


def test_image_sends_nothing_itself(held: Held, picture: Path) -> None:
    held.enter(f"/image {picture}")
    assert not held.worker.asked
    assert held.ui.notices[-1] == "An image of 60 x 40 pixels, goes with the next question."


def test_image_opens_at_once_and_takes_all_or_none(held: Held, picture: Path) -> None:
    held.enter(f"/image '{picture}' none.png")
    assert isinstance(held.error, ImageError)
    assert not held.chat.waiting.pictures


def test_image_of_a_model_that_cannot_see_is_refused(held: Held, picture: Path) -> None:
    held.without_projector()
    held.enter(f"/image {picture}")
    assert isinstance(held.error, ImageError)


def test_a_dropped_image_is_taken_and_a_dropped_text_too(held: Held, picture: Path) -> None:
    report = picture.with_name("report.txt")
    report.write_text("no effusion")
    held.enter(f"'{picture}' {report}", "what is it")
    (asked,) = held.worker.asked
    assert len(asked.messages[0].pictures) == 1
    assert asked.messages[0].text == "Document:\nno effusion\n\nwhat is it"


def test_images_lists_those_that_were_shown_and_those_that_wait(held: Held, picture: Path) -> None:
    held.enter("/images", f"/image {picture}", "what is it", f"/image {picture}", "/images")
    assert held.ui.said == [
        "There are no images.",
        (
            "1. An image of 60 x 40 pixels, in question 1\n"
            "2. An image of 60 x 40 pixels, waits for the next question"
        ),
    ]


def test_drop_takes_one_that_waits_or_one_that_was_shown(held: Held, picture: Path) -> None:
    held.enter(f"/image {picture}", "what is it", f"/image {picture}", "/drop 2")
    assert not held.chat.waiting.pictures
    held.enter("/drop 1")
    assert not list(held.chat.pictures)
    assert held.texts == ["what is it", "yes"]
    held.enter("/drop 1")
    assert isinstance(held.error, UsageError)


def test_drop_file_takes_the_texts(held: Held, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("no effusion")
    held.enter(f"/file {tmp_path / 'a.txt'}", "/drop file", "what is it")
    assert held.texts[0] == "what is it"


def test_file_says_its_tokens_and_goes_before_the_question(held: Held, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("no effusion")
    held.enter(f"/file {tmp_path / 'a.txt'}", "what is it")
    assert "A text of 2 tokens (the context takes 512)" in held.ui.notices[0]
    assert held.texts[0] == "Document:\nno effusion\n\nwhat is it"


def test_file_too_long_for_the_context_is_refused(held: Held, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("word " * 600)
    held.enter(f"/file {tmp_path / 'a.txt'}", "/file")
    assert "600 tokens" in held.ui.errors[0].message
    assert not held.chat.waiting


def test_system_takes_presets_and_texts(held: Held) -> None:
    held.enter("/system radiologist", "a", "/system Be brief.", "b", "/system none", "c")
    systems = [asked.messages[0] for asked in held.worker.asked]
    assert [m.text for m in systems] == [PRESETS["radiologist"], "Be brief.", "a"]


def test_system_alone_shows_what_there_is(held: Held) -> None:
    held.enter("/system radiologist", "/system")
    (shown,) = held.ui.said
    assert shown.startswith("Now: You are an expert radiologist.\n")
    assert all(text in shown for text in PRESETS.values())


def test_think_rules_the_answers_to_come(held: Held) -> None:
    held.enter("/think on", "a", "/think off", "b", "/think maybe")
    assert [asked.options.think for asked in held.worker.asked] == ["on", "off"]
    assert isinstance(held.error, UsageError)


def test_think_show_shows_thoughts_and_hides_them_again(held: Held) -> None:
    held.worker.thought = "hm"
    held.enter("a", "/think show", "b", "/think show", "c")
    assert [piece.kind for piece in held.ui.pieces].count("thought") == 1
    assert held.ui.stages.count("thinking") == 2


def test_set_rules_the_answers_to_come(held: Held) -> None:
    held.enter("/set max-new-tokens 7", "a", "/set --temperature 0.5", "/set seed 3", "b", "/regen")
    assert [asked.options.max_new_tokens for asked in held.worker.asked] == [7] * 3
    assert [asked.options.temperature for asked in held.worker.asked] == [0, 0.5, 0.5]
    assert held.chat.options.seed == 3
    assert not any("same answer" in notice for notice in held.ui.notices)


def test_set_alone_shows_what_there_is(held: Held) -> None:
    held.enter("/set top-k 4", "/set")
    (shown,) = held.ui.said
    assert [line.split()[0] for line in shown.splitlines()] == list(SET)
    assert "top-k            4" in shown


@pytest.mark.parametrize(
    "wrong", ["top-k", "top-k many", "top-k -1", "top-k 1 2", "context 5", "seed 1.5"]
)
def test_set_refuses_what_cannot_be(held: Held, wrong: str) -> None:
    before = held.chat.options
    held.enter(f"/set {wrong}")
    assert isinstance(held.error, UsageError)
    assert held.chat.options == before


def test_locate_draws_on_the_original_and_names_the_file(held: Held, picture: Path) -> None:
    held.worker.answers = ["a chest", BOX]
    held.enter(f"/image {picture}", "what is it", "/locate the heart")
    assert "Where is the heart?" in held.texts[2]
    assert held.ui.said == ["heart: x 0 to 30, y 5 to 35 px\nDrawn in edge-med-box-1.png"]
    with Image.open("edge-med-box-1.png") as drawn:
        assert drawn.size == (60, 40)


def test_locate_never_replaces_a_file(held: Held, picture: Path) -> None:
    Path("edge-med-box-1.png").write_text("mine")
    held.worker.answers = [BOX]
    held.enter(f"/image {picture}", "/locate heart")
    assert Path("edge-med-box-1.png").read_text() == "mine"
    assert Path("edge-med-box-2.png").exists()


def test_locate_shows_the_last_of_several_images_again(held: Held, picture: Path) -> None:
    other = picture.with_name("other.png")
    Image.new("RGB", (30, 90), "white").save(other)
    held.worker.answers = ["a", "b", BOX]
    held.enter(f"/image {picture}", "one", f"/image {other}", "two", "/locate heart")
    last = held.worker.asked[-1].messages[-1]
    assert [p.original_size for p in last.pictures] == [(30, 90)]


def test_locate_says_what_it_mended_and_when_there_is_no_box(held: Held, picture: Path) -> None:
    held.worker.answers = ['{"box_2d": [750, 0, 250, 500], "label": "heart"}', "nowhere"]
    held.enter(f"/image {picture}", "/locate heart", "/locate heart")
    assert any("swapped corners" in notice for notice in held.ui.notices)
    assert "The answer has no box, so nothing is drawn." in held.ui.notices


def test_locate_without_its_file_draws_on_what_the_model_saw(held: Held, picture: Path) -> None:
    held.worker.answers = [BOX]
    held.enter(f"/image {picture}")
    picture.unlink()
    held.enter("/locate heart")
    with Image.open("edge-med-box-1.png") as drawn:
        assert drawn.size == (56, 56)
    assert any("as the model saw it" in notice for notice in held.ui.notices)


def test_locate_needs_an_image_and_a_name(held: Held, picture: Path) -> None:
    held.enter("/locate heart", f"/image {picture}", "/locate")
    assert [type(error) for error in held.ui.errors] == [UsageError, PromptError]
    assert held.chat.waiting.pictures, "the image goes on waiting"


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
    held.enter("/save x.json", "/save x.json")
    assert len(held.ui.questions) == 2, "one of its own is replaced without asking"


def test_export_has_a_neutral_name_and_never_replaces(held: Held) -> None:
    held.enter("a", "/export md", "/export md", "/export json", "/export docx")
    names = sorted(path.name for path in Path().iterdir())
    assert names == ["edge-med-chat-1.json", "edge-med-chat-1.md", "edge-med-chat-2.md"]
    assert isinstance(held.error, UsageError)


def test_stats_tells_of_the_model_and_the_last_answer(held: Held) -> None:
    held.enter("/stats", "a", "/stats")
    assert "toy-F32.gguf" in held.ui.said[0]
    assert re.search(r"CPU code +as built", held.ui.said[0])
    assert "0.20 GB planned, and up to 0.8 GB for going back and images" in held.ui.said[0]
    assert "speed" not in held.ui.said[0]
    assert "20.0 tokens a second" in held.ui.said[1]


def test_clear_begins_anew_with_the_same_system_text(held: Held, picture: Path) -> None:
    held.enter("/system radiologist", "a", f"/image {picture}", "/clear")
    assert held.texts == [PRESETS["radiologist"]]
    assert not held.chat.waiting


def test_quit_leaves(held: Held) -> None:
    held.enter("/quit", "a")
    assert not held.worker.asked


def test_an_unknown_command_is_no_question(held: Held) -> None:
    held.enter("/imgae x.png", "//help is a word")
    assert "/image?" in held.error.hint
    assert held.texts[0] == "/help is a word"


def test_the_list_in_the_docs_is_that_of_help(held: Held) -> None:
    held.enter("/help")
    assert held.ui.said[0] in (Path(__file__).parents[2] / "docs/chat.md").read_text("utf-8")


def test_a_system_text_may_have_several_lines(held: Held) -> None:
    held.enter("/system be brief\nand kind", "hello")
    assert held.worker.asked[-1].messages[0].text == "be brief\nand kind"
