"""A manifest is rewritten in today's form whole or not at all, and no model file is touched."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from edge_med import __version__, _platform
from edge_med.artifacts import manifest as manifests
from edge_med.artifacts.upgrade import upgrade
from edge_med.errors import ArtifactError, BusyError
from tests.conftest import Models


@pytest.fixture
def folder(model: Models, tmp_path: Path) -> Path:
    """A model folder of the test's own."""
    return shutil.copytree(model("multimodal", "Q8_0"), tmp_path / "model")


def age(folder: Path) -> None:
    """Write the manifest as another program might have: on one line, two fields missing."""
    data = json.loads((folder / "manifest.json").read_text("utf-8"))
    del data["recipe"]["lora"], data["recipe"]["imatrix"]
    data["tool"]["edge_med"] = "0.0.1"
    (folder / "manifest.json").write_text(json.dumps(data), "utf-8")


def test_upgrade_of_another_form_keeps_all_but_the_version(folder: Path) -> None:
    before = manifests.load(folder)
    assert before is not None
    times = {path.name: path.stat().st_mtime_ns for path in folder.glob("*.gguf")}
    age(folder)
    assert upgrade(folder)
    after = manifests.load(folder)
    assert after == before
    assert after.tool.edge_med == __version__
    assert (folder / "manifest.json").read_bytes() == before.to_json().encode()
    assert times == {path.name: path.stat().st_mtime_ns for path in folder.glob("*.gguf")}


def test_upgrade_of_todays_form_writes_nothing(folder: Path) -> None:
    inode = (folder / "manifest.json").stat().st_ino
    assert not upgrade(folder)
    assert (folder / "manifest.json").stat().st_ino == inode


def test_upgrade_refuses_a_damaged_manifest(folder: Path) -> None:
    (folder / "manifest.json").write_text('{"format": 1}')
    with pytest.raises(ArtifactError):
        upgrade(folder)
    assert (folder / "manifest.json").read_text() == '{"format": 1}'


def test_upgrade_refuses_a_folder_without_a_manifest(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="no manifest to upgrade"):
        upgrade(tmp_path)


def test_upgrade_refuses_a_folder_with_an_interrupted_conversion(folder: Path) -> None:
    age(folder)
    text = (folder / "manifest.json").read_bytes()
    (folder / "manifest.json.partial").write_bytes(text)
    with pytest.raises(BusyError, match="interrupted"):
        upgrade(folder)
    assert (folder / "manifest.json").read_bytes() == text


def test_upgrade_refuses_a_folder_that_a_conversion_holds(folder: Path) -> None:
    with (
        _platform.locked(folder / ".edge-med.lock", "held"),
        pytest.raises(BusyError, match="writes into model"),
    ):
        upgrade(folder)


def test_upgrade_that_is_killed_leaves_the_old_manifest(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    age(folder)
    text = (folder / "manifest.json").read_bytes()

    def killed(_source: Path, _target: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(_platform, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        upgrade(folder)
    assert (folder / "manifest.json").read_bytes() == text
