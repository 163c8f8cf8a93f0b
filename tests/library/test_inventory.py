"""The models' folder is told as it is, and a model is removed without touching anything else."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from edge_med import _platform
from edge_med.artifacts.file_names import LOCK, PENDING
from edge_med.errors import BusyError, UsageError
from edge_med.library import inventory
from edge_med.library.inventory import remove, stored
from tests.conftest import Models


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of models."""
    monkeypatch.setenv("EDGE_MED_HOME", str(tmp_path))
    folder = tmp_path / "models"
    folder.mkdir()
    return folder


def test_a_model_is_told_with_its_files(home: Path, model: Models) -> None:
    shutil.copytree(model("multimodal", "Q8_0", "Q4_K_M"), home / "seeing")
    (one,) = stored()
    files = {path.name: path.stat().st_size for path in (home / "seeing").iterdir()}
    assert one.name == "seeing"
    assert one.quants == (
        ("Q4_K_M", files["multimodal-Q4_K_M.gguf"]),
        ("Q8_0", files["multimodal-Q8_0.gguf"]),
    )
    assert one.projector == files["multimodal-mmproj-F16.gguf"]
    assert one.size == sum(files.values())
    assert one.problem is None


def test_a_folder_that_holds_no_model_is_told_with_its_problem(home: Path) -> None:
    (home / "empty").mkdir()
    (one,) = stored()
    assert one.quants == ()
    assert one.problem == "empty has no Gemma 3 text model."


def test_without_a_folder_there_is_no_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGE_MED_HOME", str(tmp_path))
    assert stored() == ()


def test_a_model_is_removed_with_all_that_belongs_to_it(home: Path, model: Models) -> None:
    folder = shutil.copytree(model("text", "Q8_0"), home / "text")
    (folder / "text-F32.gguf.partial").write_bytes(b"")
    (folder / PENDING).write_bytes(b"")
    (home / "other").mkdir()
    assert remove("text") == []
    assert [path.name for path in home.iterdir()] == ["other"]


def test_what_is_no_models_file_stays(home: Path, model: Models) -> None:
    folder = shutil.copytree(model("text", "Q8_0"), home / "text")
    (folder / "notes.txt").write_text("mine")
    (folder / "results").mkdir()
    (folder / "kept.gguf").mkdir()
    assert remove("text") == ["kept.gguf", "notes.txt", "results"]
    assert sorted(path.name for path in folder.iterdir()) == ["kept.gguf", "notes.txt", "results"]


def test_of_a_link_only_the_link_goes(home: Path, model: Models, tmp_path: Path) -> None:
    elsewhere = shutil.copytree(model("text", "Q8_0"), tmp_path / "elsewhere")
    (home / "linked").symlink_to(elsewhere)
    assert remove("linked") == []
    assert not (home / "linked").exists()
    assert (elsewhere / "text-Q8_0.gguf").is_file()


@pytest.mark.parametrize("name", ["absent", "", "..", "../models", "a/b", "/"])
def test_nothing_outside_the_models_folder_is_removed(
    name: str, home: Path, tmp_path: Path
) -> None:
    (home / "here").mkdir()
    (tmp_path / "precious.gguf").write_bytes(b"")
    with pytest.raises(UsageError) as caught:
        remove(name)
    assert caught.value.hint == "There are: here."
    assert (tmp_path / "precious.gguf").exists()


def test_a_model_that_is_being_converted_is_not_removed(home: Path, model: Models) -> None:
    folder = shutil.copytree(model("text", "Q8_0"), home / "text")
    with _platform.locked(folder / LOCK, ""), pytest.raises(BusyError, match="writes into text"):
        remove("text")
    assert (folder / "text-Q8_0.gguf").is_file()


def test_an_empty_folder_of_models_says_so(home: Path) -> None:
    with pytest.raises(UsageError) as caught:
        inventory.folder_of("medgemma")
    assert caught.value.hint.startswith("It is empty")
