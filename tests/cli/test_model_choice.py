"""What a command says of the model that it chose, and how micro is made ready."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from converters.pipeline import convert
from converters.request import ConversionRequest
from devtools.checkpoints.tiny import TINY, write_tiny
from edge_med import cli
from edge_med.cli.shared import model_choice
from edge_med.engine.decode.notices import TOY
from edge_med.library import default_model
from tests.cli.conftest import Run
from tests.conftest import Checkpoints, Models

Command = Callable[..., Run]

ASK = ("ask", "x", "--max-new-tokens", 1)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The models' folder, which isn't there yet."""
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("EDGE_MED_HOME", str(tmp_path / "home"))
    return tmp_path / "home" / "models"


@pytest.fixture
def micro(checkpoint: Checkpoints, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tiny checkpoint in micro's place, whose model card says that it is a toy."""
    folder = shutil.copytree(checkpoint("multimodal"), tmp_path / "tiny")
    (folder / "README.md").write_text("---\ntags: [toy]\n---\n")
    monkeypatch.setattr(default_model, "EMBEDDED", (folder,))
    return folder


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody sits at the terminal."""
    monkeypatch.setattr(model_choice, "_somebody_looks", lambda: True)


def test_the_only_model_is_used_and_told(edge_med: Command, model: Models, home: Path) -> None:
    shutil.copytree(model("text", "F32"), home / "chest")
    done = edge_med(*ASK)
    assert done.code == 0
    assert "using chest, the only one there is" in done.err
    assert edge_med(*ASK, "--quiet").err == ""


@pytest.mark.usefixtures("micro", "terminal")
def test_micro_is_converted_once_and_called_a_toy(edge_med: Command, home: Path) -> None:
    first = edge_med(*ASK)
    assert (first.code, first.err.count(TOY.text)) == (0, 1)
    assert "using micro, which comes with edge-med" in first.err
    files = {path.name: path.stat().st_mtime_ns for path in (home / "micro").glob("*.gguf")}
    assert sorted(files) == ["micro-Q8_0.gguf", "micro-mmproj-F16.gguf"]
    second = edge_med(*ASK)
    assert (second.out, second.err) == (first.out, first.err)
    assert files == {path.name: path.stat().st_mtime_ns for path in (home / "micro").glob("*.gguf")}


@pytest.mark.usefixtures("terminal")
def test_another_version_of_micro_is_converted_anew(
    edge_med: Command, micro: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    edge_med(*ASK)
    before = (home / "micro" / "manifest.json").read_bytes()
    newer = write_tiny(TINY["multimodal"], tmp_path / "newer")
    (newer / "config.json").write_bytes((newer / "config.json").read_bytes() + b"\n")
    monkeypatch.setattr(default_model, "EMBEDDED", (newer,))
    assert edge_med(*ASK).code == 0
    assert (home / "micro" / "manifest.json").read_bytes() != before


@pytest.mark.usefixtures("micro")
def test_quiet_micro_still_warns_that_it_is_a_toy_on_stderr(
    edge_med: Command,
) -> None:
    answer = edge_med(*ASK, "--quiet", "--model", "micro")
    assert edge_med(*ASK, "--quiet", "--model", "micro") == answer
    assert (answer.code, answer.err) == (0, f"{TOY.text}\n")


@pytest.mark.usefixtures("micro")
@pytest.mark.parametrize("flag", ["--quiet", "--json"])
def test_a_script_that_names_no_model_gets_no_toy(
    edge_med: Command, home: Path, flag: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_choice, "_somebody_looks", lambda: True)
    done = edge_med(*ASK, flag)
    assert (done.code, done.out) == (2, "")
    assert f"No model is named, and none is installed in {home}" in done.err
    assert "--model micro" in done.err
    assert not home.exists()


@pytest.mark.usefixtures("micro")
@pytest.mark.parametrize("command", [ASK, ("chat",)])
def test_a_pipe_that_names_no_model_gets_no_toy(
    edge_med: Command, command: tuple[object, ...]
) -> None:
    done = edge_med(*command)
    assert (done.code, "none is installed" in done.err) == (2, True)


@pytest.mark.usefixtures("micro")
def test_a_toy_says_so_in_json_with_every_answer(edge_med: Command) -> None:
    answer = json.loads(edge_med(*ASK, "--json", "--quiet", "--model", "micro").out)
    assert "toy" in [notice["code"] for notice in answer["notices"]]
    assert answer["provenance"]["toy"]


def test_a_toy_is_known_by_its_header_wherever_it_lies(
    edge_med: Command, micro: Path, tmp_path: Path
) -> None:
    convert(
        ConversionRequest(source=micro, folder=tmp_path / "chest", quants=("Q4_0",), name="chest")
    )
    done = edge_med(*ASK, "--json", "--model", tmp_path / "chest")
    assert json.loads(done.out)["provenance"]["toy"]


@pytest.mark.usefixtures("micro", "terminal")
@pytest.mark.parametrize("command", [ASK, (*ASK, "--model", "micro"), ("models",)])
def test_a_home_that_isnt_there_is_refused_and_not_made(
    edge_med: Command,
    command: tuple[object, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("EDGE_MED_HOME", str(tmp_path / "misspelt"))
    done = edge_med(*command)
    assert (done.code, done.out) == (2, "")
    assert f"EDGE_MED_HOME is '{tmp_path / 'misspelt'}', and there is no such folder" in done.err
    assert not (tmp_path / "misspelt").exists()


@pytest.mark.usefixtures("terminal")
def test_without_an_embedded_model_it_says_so(
    edge_med: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(default_model, "EMBEDDED", (tmp_path,))
    done = edge_med(*ASK)
    assert done.code == 2
    assert "lacks the embedded one" in done.err
    assert "--model" in done.err


@pytest.mark.usefixtures("micro", "terminal")
def test_without_converters_it_says_what_to_install(
    edge_med: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli, "entry_points", lambda **_: ())
    done = edge_med(*ASK)
    assert (done.code, "isn't installed" in done.err) == (2, True)
