"""What a command says of the model that it chose, and how micro is made ready."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from edge_med import cli
from edge_med.cli.choosing import TOY
from edge_med.models import default
from tests.checkpoints.tiny import TINY, write_tiny
from tests.cli.conftest import Run
from tests.conftest import Checkpoints, Models

Command = Callable[..., Run]

ASK = ("ask", "x", "--max-new-tokens", 1)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The models' folder, which isn't there yet."""
    monkeypatch.setenv("EDGE_MED_HOME", str(tmp_path / "home"))
    return tmp_path / "home" / "models"


@pytest.fixture
def micro(checkpoint: Checkpoints, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tiny checkpoint in micro's place."""
    monkeypatch.setattr(default, "EMBEDDED", (checkpoint("multimodal"),))
    return checkpoint("multimodal")


def test_the_only_model_is_used_and_told(edge_med: Command, model: Models, home: Path) -> None:
    shutil.copytree(model("text", "F32"), home / "chest")
    done = edge_med(*ASK)
    assert done.code == 0
    assert "using chest, the only one there is" in done.err
    assert edge_med(*ASK, "--quiet").err == ""


@pytest.mark.usefixtures("micro")
def test_micro_is_converted_once_and_called_a_toy(edge_med: Command, home: Path) -> None:
    first = edge_med(*ASK)
    assert (first.code, first.err.count(TOY)) == (0, 1)
    files = {path.name: path.stat().st_mtime_ns for path in (home / "micro").glob("*.gguf")}
    assert sorted(files) == ["micro-Q8_0.gguf", "micro-mmproj-F16.gguf"]
    second = edge_med(*ASK)
    assert (second.out, second.err) == (first.out, first.err)
    assert files == {path.name: path.stat().st_mtime_ns for path in (home / "micro").glob("*.gguf")}


def test_another_version_of_micro_is_converted_anew(
    edge_med: Command, micro: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    edge_med(*ASK)
    before = (home / "micro" / "manifest.json").read_bytes()
    newer = write_tiny(TINY["multimodal"], tmp_path / "newer")
    (newer / "config.json").write_bytes((newer / "config.json").read_bytes() + b"\n")
    monkeypatch.setattr(default, "EMBEDDED", (newer,))
    assert edge_med(*ASK).code == 0
    assert (home / "micro" / "manifest.json").read_bytes() != before


@pytest.mark.usefixtures("micro")
def test_only_the_answer_of_micro_is_on_stdout(edge_med: Command) -> None:
    answer = edge_med(*ASK, "--quiet")
    assert edge_med(*ASK, "--quiet") == answer
    assert answer.err == ""


def test_without_an_embedded_model_it_says_so(
    edge_med: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(default, "EMBEDDED", (tmp_path,))
    done = edge_med(*ASK)
    assert done.code == 2
    assert "no embedded one" in done.err
    assert "--model" in done.err


@pytest.mark.usefixtures("micro")
def test_without_converters_it_says_what_to_install(
    edge_med: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli, "entry_points", lambda **_: ())
    done = edge_med(*ASK)
    assert (done.code, "isn't installed" in done.err) == (2, True)
