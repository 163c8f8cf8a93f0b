"""Every command: what it changes, and what it says."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from edge_med.chat.commands.answer_settings import PRESETS, SET
from edge_med.chat.commands.command_table import COMMANDS
from edge_med.chat.image_options import ImageOptions
from edge_med.errors import ImageError, UsageError
from tests.chat.scripted import Held


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
    added = "Image 1 added: 60 x 40, chest x.png. It will be sent with your next question."
    assert held.ui.notices[-1] == added


def test_image_opens_at_once_and_takes_all_or_none(held: Held, picture: Path) -> None:
    held.enter(f"/image '{picture}' none.png")
    assert isinstance(held.error, ImageError)
    assert not held.chat.pending.pictures


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
            "1. 60 x 40, chest x.png, in question 1\n"
            "2. 60 x 40, chest x.png, will be sent with the next question"
        ),
    ]


def test_files_with_the_same_pixels_keep_their_names(held: Held, picture: Path) -> None:
    other = Path(shutil.copy(picture, picture.with_name("other.png")))
    held.enter(
        f"/image {picture}", "what is it", f"/image {other}", "and this", f"/image {picture}"
    )
    held.enter("/images")
    names = [line.split(", ")[1] for line in held.ui.said[-1].splitlines()]
    assert names == ["chest x.png", "other.png", "chest x.png"]


def test_drop_takes_one_that_waits_or_one_that_was_shown(held: Held, picture: Path) -> None:
    held.enter(f"/image {picture}", "what is it", f"/image {picture}", "/drop 2")
    assert not held.chat.pending.pictures
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
    assert held.ui.notices[0].startswith("Text added: 2 of 512 tokens.")
    assert held.texts[0] == "Document:\nno effusion\n\nwhat is it"


def test_file_too_long_for_the_context_is_refused(held: Held, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("word " * 600)
    held.enter(f"/file {tmp_path / 'a.txt'}", "/file")
    assert "600 tokens" in held.ui.errors[0].message
    assert not held.chat.pending


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


@pytest.mark.parametrize(
    ("entered", "told", "hint"),
    [
        ("temprature 1", "There is no setting temprature.", "Did you mean temperature?"),
        ("zzz 1", "There is no setting zzz.", "There are: max-new-tokens"),
        (
            "context 16384",
            "context can be set only at the start of the chat.",
            "edge-med chat --context 16384",
        ),
        (
            "--gpu-layers 3",
            "gpu-layers can be set only at the start of the chat.",
            "edge-med chat --gpu-layers 3",
        ),
        (
            "fit stretch",
            "fit can be set only at the start of the chat.",
            "edge-med chat --fit stretch",
        ),
        ("think on", "think has a command of its own.", "/think on"),
        ("temperature", "temperature takes one value.", "/set temperature 0.7"),
        ("top-k many", "The value of top-k must be a whole number, not many.", "/set alone"),
    ],
)
def test_set_says_what_to_do_instead(held: Held, entered: str, told: str, hint: str) -> None:
    held.enter(f"/set {entered}")
    assert held.error.message == told
    assert hint in held.error.hint


def test_stats_tells_of_the_model_and_the_last_answer(held: Held) -> None:
    held.enter("/stats", "a", "/stats")
    assert "toy-F32.gguf" in held.ui.said[0]
    assert re.search(r"CPU code +as built", held.ui.said[0])
    assert "0.19 GiB planned, and up to 0.75 GiB for earlier states and images" in held.ui.said[0]
    assert "speed" not in held.ui.said[0]
    assert "20.0 tokens a second" in held.ui.said[1]


def test_clear_begins_anew_with_the_same_system_text(held: Held, picture: Path) -> None:
    held.enter("/system radiologist", "a", f"/image {picture}", "/clear")
    assert held.texts == [PRESETS["radiologist"]]
    assert not held.chat.pending


def test_quit_leaves(held: Held) -> None:
    held.enter("/quit", "a")
    assert not held.worker.asked


def test_an_unknown_command_is_no_question(held: Held) -> None:
    held.enter("/imgae x.png", "//help is a word")
    assert "/image?" in held.error.hint
    assert held.texts[0] == "/help is a word"


def test_the_list_in_the_docs_is_that_of_help(held: Held) -> None:
    held.enter("/help")
    assert held.ui.said[0] in (Path(__file__).parents[2] / "docs/guide/chat.md").read_text("utf-8")


def test_a_system_text_may_have_several_lines(held: Held) -> None:
    held.enter("/system be brief\nand kind", "hello")
    assert held.worker.asked[-1].messages[0].text == "be brief\nand kind"


def test_a_frame_that_an_image_has_not_is_refused_with_its_command(
    held: Held, picture: Path
) -> None:
    held.enter(f"/image '{picture}' --frame 3")
    assert held.error.message == "Frame 3 is wanted, but no image is a DICOM file."
    assert not held.chat.pending
    held.chat.image_options = ImageOptions(frame=3, windows="brain")  # for whatever has it
    held.enter(f"/image '{picture}'")
    assert held.chat.pending
