"""Files that were damaged on their way here, or changed since, are noticed."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import shutil
import threading
from pathlib import Path
from typing import Any

import pytest

from edge_med import MedGemma, Options, _platform, cli
from edge_med.answers import Answer, Notice
from edge_med.errors import ArtifactError
from edge_med.library import integrity
from edge_med.library.integrity import HashedFile, Watch
from edge_med.library.known_hashes import FILE, SeenFiles
from tests.conftest import Models
from tests.waiting import until

TEXT, PROJECTOR = "multimodal-F32.gguf", "multimodal-mmproj-F16.gguf"
SHORT = Options(max_new_tokens=1)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("EDGE_MED_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def folder(model: Models, tmp_path: Path) -> Path:
    """A pair with its manifest, just copied."""
    return shutil.copytree(model("multimodal", "F32"), tmp_path / "pair")


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """No file is small enough to be read before it is loaded."""
    monkeypatch.setattr(integrity, "SMALL", 0)


@pytest.fixture
def held(large: None, monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Files are read in the background once this is set."""
    go, step_back = threading.Event(), _platform.step_back

    def wait() -> None:
        go.wait(60)
        step_back()

    monkeypatch.setattr(_platform, "step_back", wait)
    return go


def damage(path: Path, at: int = -100) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 0x10
    path.write_bytes(data)


def loaded(folder: Path) -> MedGemma:
    return MedGemma.load(folder, context=256, threads=1)


def codes(answer: Answer) -> list[str]:
    return [notice.code for notice in answer.notices]


def until_read(model: MedGemma) -> None:
    watch = model._client.watch
    assert watch is not None
    assert watch.wait(20)


def test_small_files_are_compared_before_they_are_loaded(folder: Path) -> None:
    with loaded(folder) as model:
        answer = model.ask("x", options=SHORT)
    assert answer.provenance.integrity == "verified"
    assert "unverified" not in codes(answer)


@pytest.mark.parametrize("name", [TEXT, PROJECTOR])
def test_a_damaged_file_is_refused(folder: Path, name: str) -> None:
    damage(folder / name)
    with pytest.raises(ArtifactError, match=f"{name} is damaged") as caught:
        loaded(folder)
    assert f"edge-med verify {folder / name}" in caught.value.hint


def test_answers_are_unverified_until_the_files_were_read(
    folder: Path, held: threading.Event
) -> None:
    with loaded(folder) as model:
        events = list(model.stream("x", options=SHORT))
        first = events[-1].answer  # type: ignore[union-attr]
        assert (first.provenance.integrity, codes(first)[-1]) == ("unverified", "unverified")
        assert [event for event in events if isinstance(event, Notice)] == list(first.notices)
        held.set()
        until_read(model)
        second = model.ask("x", options=SHORT)
    assert (second.provenance.integrity, codes(second)) == ("verified", [])


def test_a_choice_is_unverified_until_the_files_were_read(
    folder: Path, held: threading.Event
) -> None:
    with loaded(folder) as model:
        choice = model.choose("x", ["Yes", "No"])
        assert choice.provenance.integrity == "unverified"
        assert [notice.code for notice in choice.notices][-1] == "unverified"
        held.set()
        until_read(model)
        assert model.score("x", "Yes").provenance.integrity == "verified"


def test_the_answer_that_runs_is_told_and_the_next_refused(
    folder: Path, held: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    damage(folder / TEXT)
    marked = Watch.marked

    def late(watch: Watch, answer: Answer) -> tuple[Answer, list[Notice]]:
        held.set()
        assert watch.wait(20)
        return marked(watch, answer)

    monkeypatch.setattr(Watch, "marked", late)
    with loaded(folder) as model:
        answer = model.ask("x", options=SHORT)
        assert (answer.provenance.integrity, "damaged" in codes(answer)) == ("damaged", True)
        for ask in (model.ask, lambda x: asyncio.run(model.ask_async(x))):
            with pytest.raises(ArtifactError, match="is damaged"):
                ask("x")
        with pytest.raises(ArtifactError, match="is damaged"):
            model.score("x", "y")
    with pytest.raises(ArtifactError, match="is damaged"):
        loaded(folder)


@pytest.mark.usefixtures("large")
def test_what_was_read_once_isnt_read_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with loaded(folder) as model:
        model.ask("x", options=SHORT)
        until_read(model)
    monkeypatch.setattr(integrity, "_hashed", pytest.fail)
    with loaded(folder) as model:
        assert model.ask("x", options=SHORT).provenance.integrity == "verified"


def test_a_copy_is_read_anew(folder: Path, tmp_path: Path) -> None:
    loaded(folder).close()
    copy = shutil.copytree(folder, tmp_path / "copy")
    damage(copy / TEXT)
    with pytest.raises(ArtifactError):
        loaded(copy)


def test_a_change_that_keeps_size_and_time_is_seen(folder: Path) -> None:
    loaded(folder).close()
    before = (folder / TEXT).stat()
    damage(folder / TEXT)

    def later() -> bool:  # file systems stamp with a clock that ticks slowly
        os.utime(folder / TEXT, ns=(before.st_atime_ns, before.st_mtime_ns))
        return (folder / TEXT).stat().st_ctime_ns > before.st_ctime_ns

    until(later, "the clock's next tick")
    with pytest.raises(ArtifactError):
        loaded(folder)


def test_without_a_manifest_the_first_sight_counts_and_a_change_is_told(folder: Path) -> None:
    (folder / "manifest.json").unlink()
    with loaded(folder) as model:
        answer = model.ask("x", options=SHORT)
    assert (answer.provenance.integrity, "changed" in codes(answer)) == ("unlisted", False)
    digest = hashlib.sha256((folder / TEXT).read_bytes()).hexdigest()
    assert answer.provenance.model_sha256 == digest
    damage(folder / TEXT)
    for _ in range(2):  # it isn't what it was with the next load either
        with loaded(folder) as model:
            answer = model.ask("x", options=SHORT)
        (notice,) = [one for one in answer.notices if one.code == "changed"]
        assert f"{TEXT} is another file than on 2" in notice.text
        assert answer.provenance.model_sha256 != digest
    with pytest.raises(SystemExit):
        cli.main(["verify", str(folder / TEXT), "--quiet"])
    with loaded(folder) as model:
        assert "changed" not in codes(model.ask("x", options=SHORT))


def test_a_file_that_couldnt_be_read_is_read_with_the_next_answer(
    folder: Path, large: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed, answers = integrity._hashed, [None, None]
    monkeypatch.setattr(integrity, "_hashed", lambda *a: answers.pop() if answers else hashed(*a))
    with loaded(folder) as model:
        for _ in range(2):
            model.ask("x", options=SHORT)
            until_read(model)
        assert model.ask("x", options=SHORT).provenance.integrity == "verified"


def test_closing_waits_for_no_reading(folder: Path, held: threading.Event) -> None:
    model = loaded(folder)
    model.ask("x", options=SHORT)
    model.close()
    assert not model._client.watch.wait(0), "the files aren't read yet"  # type: ignore[union-attr]
    held.set()
    until_read(model)
    assert model._client.watch.integrity == "unverified"  # type: ignore[union-attr]


def test_a_watch_that_nobody_has_any_more_reads_no_further(
    folder: Path, held: threading.Event
) -> None:
    watch = Watch([HashedFile("text", folder / TEXT, "0" * 64)])
    watch.begin()
    thread, stopped = watch._thread, watch._stopped
    del watch
    held.set()
    assert thread is not None
    thread.join(10)
    assert stopped()


def test_nothing_of_the_path_stands_in_our_state(folder: Path, home: Path) -> None:
    loaded(folder).close()
    text = (home / "state" / FILE).read_text()
    data: dict[str, Any] = json.loads(text)
    assert len(data) == 2
    assert not any(part in text for part in folder.parts[1:])


@pytest.mark.parametrize("rubbish", ["[]", "{", '{"a": 1}', '{"a": {"facts": 1}}'])
def test_state_that_somebody_has_changed_is_no_state(
    folder: Path, home: Path, rubbish: str
) -> None:
    (home / "state").mkdir()
    (home / "state" / FILE).write_text(rubbish)
    loaded(folder).close()
    assert len(json.loads((home / "state" / FILE).read_text())) >= 2


def test_what_verify_has_read_isnt_read_again(folder: Path, large: None) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["verify", str(folder), "--quiet"])
    assert ended.value.code == 0
    with loaded(folder) as model:
        assert model.ask("x", options=SHORT).provenance.integrity == "verified"


def test_what_verify_finds_damaged_isnt_taken_for_sound(folder: Path, large: None) -> None:
    data = bytearray((folder / TEXT).read_bytes())
    data[-1] ^= 1
    (folder / TEXT).write_bytes(data)
    with pytest.raises(SystemExit) as ended:
        cli.main(["verify", str(folder), "--quiet"])
    assert ended.value.code == 4
    assert SeenFiles().known(folder / TEXT) is None
    assert SeenFiles().known(folder / PROJECTOR) is not None
