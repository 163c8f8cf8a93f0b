"""What a line is: a question alone, files, or both; what looks like a file is never asked."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_med.chat import input_lines
from edge_med.errors import UsageError
from edge_med.imaging.files.mentions import FILES
from tests.chat.scripted import Held


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with two images, a folder, and names with blanks."""
    folder = tmp_path / "here"
    (folder / "ct").mkdir(parents=True)
    (folder / "my scans").mkdir()
    for name in ("chest.png", "other.dcm", "my scans/left hip.png", "it's.png", "notes"):
        (folder / name).write_text("")
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.parametrize(
    ("line", "files", "question"),
    [
        ("chest.png", ["chest.png"], ""),
        ("chest.png other.dcm", ["chest.png", "other.dcm"], ""),
        ("ct", ["ct"], ""),
        ("notes", ["notes"], ""),
        ("./ct", ["ct"], ""),
        ("my scans", ["my scans"], ""),
        ("my scans/left hip.png", ["my scans/left hip.png"], ""),
        ("'my scans/left hip.png'", ["my scans/left hip.png"], ""),
        ("my\\ scans/left\\ hip.png", ["my scans/left hip.png"], ""),
        ("it's.png", ["it's.png"], ""),
        ("chest.png is the heart enlarged?", ["chest.png"], "is the heart enlarged?"),
        ("chest.png other.dcm what changed", ["chest.png", "other.dcm"], "what changed"),
        ("'my scans/left hip.png' what is it", ["my scans/left hip.png"], "what is it"),
        ("./my scans/left hip.png what is it", ["my scans/left hip.png"], "what is it"),
        ("chest.png\nwhat is it", ["chest.png"], "what is it"),
        ("describe chest.png", ["chest.png"], "describe"),
        ("--image chest.png", ["chest.png"], ""),
        ("\\image chest.png", ["chest.png"], ""),
        ("view chest.png", ["chest.png"], ""),
        ("this is chest.png", ["chest.png"], ""),
        ("chest.png and other.dcm?", ["chest.png", "other.dcm"], ""),
        ("chest.png ?", ["chest.png"], ""),
        ("what is in chest.png", ["chest.png"], "what is in"),
        ("describe this image: chest.png.", ["chest.png"], "describe this image:"),
        ("ct what is it", [], "ct what is it"),
        ("is the heart enlarged?", [], "is the heart enlarged?"),
        ("is 120/80 and/or 3.5 mg b.i.d. high?", [], "is 120/80 and/or 3.5 mg b.i.d. high?"),
        ("see Dr. J. Smith.MD", [], "see Dr. J. Smith.MD"),
        ("what is a .png?", [], "what is a .png?"),
        ("what does https://example.org do?", [], "what does https://example.org do?"),
        ("a report\nthat names x.png", [], "a report\nthat names x.png"),
    ],
)  # fmt: skip
def test_files_stand_before_or_after_a_question(
    here: Path, line: str, files: list[str], question: str
) -> None:
    assert input_lines.files_and_question(line) == ([Path(name) for name in files], question)


@pytest.mark.parametrize("pattern", ["{}", "'{}'", "{} ", "file://{}", "{} what is it"])
def test_absolute_paths_are_files(here: Path, pattern: str) -> None:
    path = here / "chest.png"
    assert input_lines.files_and_question(pattern.format(path))[0] == [path]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("link.png", "There is no file link.png."),
        ("ct.zip", "There is no file ct.zip."),
        ("~/nothing-of-that-name.png", "There is no file ~/nothing-of-that-name.png."),
        ("C:\\scans\\chest.png", "There is no file C:\\scans\\chest.png."),
        ("/scans/chest", "There is no file /scans/chest."),
        ("../nothing", "There is no file ../nothing."),
        ("what is in (none.png)?", "There is no file none.png."),
        ("none.png is the heart enlarged?", "There is no file none.png."),
        ("is it large in none.png?", "There is no file none.png."),
        ("chest.png and none.dcm", "There is no file none.dcm."),
        ("is chest.png worse than other.dcm", "chest.png is inside the question"),
        ("http://example.org/chest.png", "edge-med works offline"),
        ("https://example.org/ct", "edge-med works offline"),
        ("describe https://example.org/chest.png", "edge-med works offline"),
        ("smb://x/y", "edge-med works offline"),
        ("<none.png>", "There is no file none.png."),
        ("`none.nrrd`", "There is no file none.nrrd."),
        ("describe none.mha", "There is no file none.mha."),
        ("a.img b.hdr", "There is no file a.img."),
        ("'my scan.any'", "There is no file my scan.any."),
        ("ct/none", "There is no file ct/none."),
        ("ct\\none", "There is no file ct\\none."),
        ("IM000001", "There is no file IM000001."),
        ("IMG_0001", "There is no file IMG_0001."),
        ("DICOMDIR", "There is no file DICOMDIR."),
        ("folder/sub/a", "There is no file folder/sub/a."),
        ("1.2.840.113619.2.55.3", "There is no file 1.2.840.113619.2.55.3."),
        ("CT.1.2.840.113619.2.55.3", "There is no file CT.1.2.840.113619.2.55.3."),
        ("https://example.org/study/123 is it normal", "edge-med works offline"),
        ("is it normal? https://example.org/study/123", "edge-med works offline"),
        ("is https://example.org/a.png?size=2 normal", "edge-med works offline"),
        ("is it normal? file:///none/chest", "There is no file /none/chest."),
        ("describe ![it](chest.png)", "chest.png is inside the question"),
        ('<img src="none.png"> describe', "There is no file none.png."),
        ("@chest.png describe it", "chest.png is inside the question"),
        ("chest.png --slices 1:3", "--slices is next to a file"),
        ("is it normal?\n ./chest.png\nsay", "./chest.png is inside the question"),
    ],
)
def test_what_looks_like_a_file_is_refused_where_it_is_not_shown(
    here: Path, line: str, told: str
) -> None:
    with pytest.raises(UsageError) as caught:
        input_lines.files_and_question(line)
    assert told in caught.value.message


@pytest.mark.parametrize("end", sorted(input_lines.TEXTS))
def test_a_text_is_given_as_a_text_wherever_it_is_named(held: Held, here: Path, end: str) -> None:
    name = f"report{end}"
    (here / name).write_text("no effusion")
    held.enter(f"what is in {name} today?")
    assert held.error.hint == f"Give it first: /file {name}"
    held.enter(f"what is in {name}")
    assert held.texts[0].endswith("no effusion\n\nwhat is in")


WORDS = st.lists(
    st.sampled_from(["is", "the", "heart's", "large", "(1)", "3.5", "a/b"]), max_size=4
)
STEMS = st.from_regex(r"[A-Za-z0-9_-]{1,9}", fullmatch=True)
ENDINGS = st.sampled_from(sorted(FILES))


@settings(max_examples=300)
@given(
    before=WORDS,
    after=WORDS,
    stem=st.from_regex(r"[A-Za-z0-9_-]{1,9}", fullmatch=True),
    end=ENDINGS,
)
def test_no_question_names_a_file_that_is_not_shown(
    before: list[str], after: list[str], stem: str, end: str
) -> None:
    with pytest.raises(UsageError):
        input_lines.files_and_question(" ".join([*before, f"zz{stem}{end}", *after]))


@settings(max_examples=200)
@given(stem=STEMS, end=st.from_regex(r"[A-Za-z][A-Za-z0-9]{1,11}", fullmatch=True))
def test_a_name_alone_is_no_question_whatever_its_ending(stem: str, end: str) -> None:
    for line in (f"zz{stem}.{end}", f"<zz{stem}.{end}>", f"zz{stem}.{end}?"):
        assert input_lines.is_name(line)
        with pytest.raises(UsageError):
            input_lines.files_and_question(line)


@pytest.mark.parametrize(
    "line",
    ["LS?", "CD?", "cd vs uc?", "cat scratch disease?", "less effusion than before?", "new nodule?",
     "reset the pump?", "head/neck/chest?", "120/80/60", "what is 1.2.840.10008.1.2?", "end it?",
     "Pneumothorax?", "effusion", "COPD", "T2/FLAIR", "right/left?", "and/or", "N/A", "mg/dl",
     "C5/C6", "120/80", "b.i.d.", "q.i.d", "e.g.", "Ph.D.", "3.5mg", "pH7.4", "HER2", "BRCA1",
     "COVID19", "CA125", "ICD-10", "2000", "Ok.", "No effusion.no pneumothorax",
     "Is .nii.gz better than .dcm?",
     "help with this", "exit strategy?", "leave it out?", "stop the drug?", "system involved?",
     "what is edge-med ask?", "E.coli?", "C.diff", "M.Crohn", "V.a.Pneumonie", "z.n.Bypass?"],
)  # fmt: skip
def test_a_word_or_a_sentence_of_a_clinic_is_asked(held: Held, line: str) -> None:
    held.enter(line)
    assert held.texts[0] == line


@pytest.mark.parametrize(
    "word",
    ["exit", "quit", "Bye", ":q", "/exit", "/q", "/bye", "/quit", "exit()", "quit()", ":wq", ":q!",
     "logout", "exit please", "QUIT PLEASE", "please quit", "leave the chat",
     "quit.", "Exit.", "exit!", "leave", "EOF", "'exit'"],
)  # fmt: skip
def test_words_for_leaving_leave(held: Held, word: str) -> None:
    held.enter(word, "what is it")
    assert not held.worker.asked
    assert held.chat.leaving


@pytest.mark.parametrize(
    "word", ["help", "HELP", "?", "/?", "/h", "/help", "-h", "--help", "help me", "Help!", "help?"]
)
def test_words_for_help_show_it(held: Held, word: str) -> None:
    held.enter(word)
    assert not held.worker.asked
    assert held.ui.said[0].startswith("/image")


@pytest.mark.parametrize(
    "line",
    ["undo", "regen", "image none.png", "save x.json", "edit 1", "drop 2", "export md", "think on",
     "set temperature 1", "system radiologist", "clear", "Stats", "regenerate", "retry",
     "new", "reset", "Restart", "system be brief", "edit 1 what is it", "load none.any"],
)  # fmt: skip
def test_a_command_without_its_slash_is_no_question(held: Held, line: str) -> None:
    held.enter(line)
    assert not held.worker.asked
    assert held.error.message == f"Commands begin with a slash: /{line}"


@pytest.mark.parametrize(
    "line",
    ["image the heart", "think about it", "set the scene", "clear the throat", "undo it now"],
)
def test_a_sentence_that_begins_with_a_commands_name_is_a_question(held: Held, line: str) -> None:
    held.enter(line)
    assert held.texts[0] == line


@pytest.mark.parametrize("line", ["stop", "Stop!", "cancel", "^C", "ciao", "stop please"])
def test_a_word_that_may_mean_an_answer_or_the_chat_does_neither(held: Held, line: str) -> None:
    held.enter(line)
    assert not held.worker.asked
    assert not held.chat.leaving
    assert "Ctrl-C stops an answer, /quit leaves" in held.error.hint


@pytest.mark.parametrize(
    "line",
    ["edge-med ask x", "$ edge-med chat", "python -m edge_med ask x", "edge-med", "ls", "$ ls",
     "ls -la", "cd ..", "cd /data/scans", "dir", "sudo edge-med models", "sudo ls",
     "cat report.txt", "pip install edge-med", "git status"],
)  # fmt: skip
def test_a_command_for_the_shell_is_no_question(held: Held, line: str) -> None:
    held.enter(line)
    assert not held.worker.asked
    assert "of the shell" in held.error.message
    assert f"// {line}" in held.error.hint


def test_two_slashes_and_a_blank_make_a_question_of_anything(held: Held) -> None:
    held.enter("// what is x.png", "// exit", "//help is a word")
    assert held.texts[::2] == ["what is x.png", "exit", "/help is a word"]


@pytest.mark.parametrize("line", ["//", "// ", "///", "...", "-"])
def test_what_has_nothing_to_read_is_no_question(held: Held, picture: Path, line: str) -> None:
    held.enter(f"/image '{picture}'", line)
    assert not held.worker.asked
    assert held.chat.pending.pictures


def test_a_question_of_two_slashes_may_name_a_file_that_is_there(held: Held, here: Path) -> None:
    held.enter("// what is chest.png")
    assert held.texts[0] == "what is chest.png"


def test_a_file_that_was_shown_may_be_spoken_of(held: Held, picture: Path) -> None:
    held.enter(f"/image '{picture}'", "what is it", "// is it in chest.png")
    assert len(held.worker.asked) == 2


def test_a_path_and_a_question_are_asked_together(held: Held, picture: Path) -> None:
    held.enter(f"{picture} is the heart enlarged?")
    (asked,) = held.worker.asked
    assert len(asked.messages[0].pictures) == 1
    assert asked.messages[0].text == "is the heart enlarged?"


def test_a_path_that_is_not_there_leaves_what_waits(held: Held, picture: Path) -> None:
    held.enter(f"/image '{picture}'", "link.png")
    assert not held.worker.asked
    assert held.chat.pending.pictures
