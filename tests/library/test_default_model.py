"""Which model is taken when none is named."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from edge_med.errors import UsageError
from edge_med.library import default_model
from edge_med.library.default_model import ModelChoice
from tests.conftest import Checkpoints, Models


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The models' folder, empty."""
    monkeypatch.setenv("EDGE_MED_HOME", str(tmp_path / "home"))
    (tmp_path / "home" / "models").mkdir(parents=True)
    return tmp_path / "home" / "models"


def test_what_is_named_is_taken_unseen(home: Path) -> None:
    assert default_model.choose("chest.gguf") == ModelChoice("chest.gguf", named=True)


def test_the_only_model_is_taken(home: Path, model: Models) -> None:
    shutil.copytree(model("text", "F32"), home / "chest")
    assert default_model.choose(None) == ModelChoice("chest")


def test_a_model_with_a_file_missing_doesnt_count(home: Path, model: Models) -> None:
    shutil.copytree(model("text", "F32"), home / "chest")
    shutil.copytree(model("multimodal", "F32"), home / "half")
    next((home / "half").glob("*mmproj*")).unlink()
    (home / "empty").mkdir()
    (home / ".hidden").mkdir()
    assert default_model.choose(None) == ModelChoice("chest")


def test_several_models_are_named_and_none_is_taken(home: Path, model: Models) -> None:
    for name in ("skin", "chest"):
        shutil.copytree(model("text", "F32"), home / name)
    with pytest.raises(UsageError, match="several models: chest, skin"):
        default_model.choose(None)


def test_without_any_it_is_micro_wherever_that_came_from(home: Path, model: Models) -> None:
    micro = ModelChoice(home / "micro", embedded=True)
    assert default_model.choose(None) == micro
    shutil.copytree(model("text", "F32"), home / "micro")
    assert default_model.choose("") == micro


def test_default_model_micro_is_embedded_unless_a_path_has_this_name(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert default_model.choose("micro") == ModelChoice(home / "micro", named=True, embedded=True)
    (tmp_path / "micro").mkdir()
    assert default_model.choose("micro") == ModelChoice("micro", named=True)


def test_a_missing_home_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGE_MED_HOME", str(tmp_path / "nowhere"))
    with pytest.raises(UsageError, match="nowhere', and there is no such folder"):
        default_model.choose(None)


def test_the_embedded_checkpoint_is_the_first_that_is_there(
    tmp_path: Path, checkpoint: Checkpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(default_model, "EMBEDDED", (tmp_path, checkpoint("text")))
    assert default_model.embedded() == checkpoint("text")
    monkeypatch.setattr(default_model, "EMBEDDED", (tmp_path,))
    with pytest.raises(UsageError, match="lacks the embedded one"):
        default_model.embedded()


def test_a_model_is_known_by_the_checkpoint_it_was_made_from(
    home: Path, model: Models, checkpoint: Checkpoints, tmp_path: Path
) -> None:
    folder = home / "micro"
    assert not default_model.is_made_from(folder, checkpoint("text"))
    shutil.copytree(model("text", "F32"), folder)
    assert default_model.is_made_from(folder, checkpoint("text"))
    newer = shutil.copytree(checkpoint("text"), tmp_path / "newer")
    (newer / "config.json").write_bytes((newer / "config.json").read_bytes() + b"\n")
    assert not default_model.is_made_from(folder, newer)
