"""What the tab key offers in the chat."""

from __future__ import annotations

from pathlib import Path

import pytest
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document

from edge_med.chat.commands.command_table import BY_NAME
from edge_med.cli.chat_ui.line_editor import CommandCompleter


def offered(text: str) -> list[str]:
    found = CommandCompleter().get_completions(Document(text), CompleteEvent())
    return [completion.text for completion in found]


def test_every_command_by_its_beginning() -> None:
    assert offered("/") == list(BY_NAME)
    assert offered("/im") == ["image", "images"]
    assert offered("the /im") == []


def test_words_that_a_command_knows() -> None:
    assert offered("/think o") == ["off", "on"]
    assert offered("/system rad") == ["radiologist"]
    assert offered("/set max") == ["max-new-tokens"]
    assert offered("/undo ") == []


def test_paths_with_blanks_and_the_last_of_several(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "chest x.png").write_text("")
    assert offered("/image che") == ["st x.png"]
    assert offered("/image chest x.p") == ["ng"]
    assert offered("/image a.png che") == ["st x.png"]


def test_images_folders_and_zips_are_offered_where_an_image_is_wanted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ct").mkdir()
    for name in ("chest.png", "answers.txt", "chat.json", "1.2.840.1", "disc.zip"):
        (tmp_path / name).write_text("")
    assert sorted(offered("/image ")) == ["1.2.840.1", "chest.png", "ct", "disc.zip"]
    assert "answers.txt" in offered("/file ")


def test_names_of_files_are_shown_safely(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a\x1b]0;x\x07.png").write_text("")
    (found,) = CommandCompleter().get_completions(Document("/image a"), CompleteEvent())
    assert found.display_text == "a\\x1b]0;x\\x07.png"
