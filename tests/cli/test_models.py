"""`edge-med models` lists what is here and what could be, and removes what is asked for."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from edge_med.artifacts.file_names import QUANTS
from edge_med.library.registry import registry
from tests.cli.conftest import Run
from tests.conftest import Models

EdgeMed = Callable[..., Run]


@pytest.fixture
def home(tmp_path: Path, model: Models, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of models with one in it."""
    monkeypatch.setenv("EDGE_MED_HOME", str(tmp_path))
    shutil.copytree(model("multimodal", "Q8_0"), tmp_path / "models/seeing")
    return tmp_path / "models"


def line(run: Run, name: str) -> str:
    return next(line for line in run.out.splitlines() if line.startswith(name))


@pytest.mark.usefixtures("home")
def test_what_is_here_comes_first(edge_med: EdgeMed) -> None:
    run = edge_med("models", "--machine", "16GB")
    assert run.code == 0
    assert re.fullmatch(r"seeing +0\.0\d\d +Q8_0, reads images", line(run, "seeing"))
    assert run.out.index("seeing") < run.out.index("medgemma-4b-it")


@pytest.mark.usefixtures("home")
def test_what_does_not_fit_is_in_brackets_and_the_recommended_has_a_star(
    edge_med: EdgeMed,
) -> None:
    run = edge_med("models", "--machine", "24GB")
    found = line(run, "medgemma-27b-it")
    assert re.findall(r"\(([\d.]+)\)", found) == ["51.11", "27.53", "21.44", "18.74"]
    assert re.findall(r"\*([\d.]+)", found) == ["16.20"]
    assert "too large for 24GB" in run.out


@pytest.mark.usefixtures("home")
def test_no_line_is_longer_than_a_small_terminal_is_wide(edge_med: EdgeMed) -> None:
    assert max(map(len, edge_med("models", "--machine", "24GB").out.splitlines())) <= 80


@pytest.mark.usefixtures("home")
def test_every_model_and_every_quant_is_in_the_json(edge_med: EdgeMed) -> None:
    listed = json.loads(edge_med("models", "--machine", "16GB", "--json").out)
    assert [one["id"] for one in listed["registered"]] == list(registry())
    for one in listed["registered"]:
        assert [quant["quant"] for quant in one["quants"]] == list(QUANTS)
    four = listed["registered"][0]
    sizes = {quant["quant"]: quant["size"] / 1e9 for quant in four["quants"]}
    assert sizes["Q4_K_M"] == pytest.approx(2.48 + 0.85, abs=0.01)


def test_an_empty_folder_says_what_to_do(
    edge_med: EdgeMed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGE_MED_HOME", str(tmp_path))
    assert "No model installed." in edge_med("models", "--machine", "8GB").out
    assert edge_med("models", "du").out.split() == ["0.0", "MiB", "total"]


def test_removing_asks_first(
    home: Path, edge_med: EdgeMed, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def answer(text: str) -> str:
        asked.append(text)
        return "n"

    monkeypatch.setattr("click.termui.visible_prompt_func", answer)
    run = edge_med("models", "rm", "seeing")
    assert (run.code, run.err.splitlines()[-1]) == (0, "Nothing was deleted.")
    assert "Delete seeing" in "".join(asked)
    assert (home / "seeing").is_dir()


def test_yes_removes_without_asking(home: Path, edge_med: EdgeMed) -> None:
    (home / "seeing/notes.txt").write_text("mine")
    run = edge_med("models", "rm", "seeing", "--yes")
    assert run.code == 0
    assert "Not deleted, because these aren't a model's files: notes.txt" in run.err
    assert [path.name for path in (home / "seeing").iterdir()] == ["notes.txt"]


@pytest.mark.usefixtures("home")
def test_a_model_that_is_not_there_cannot_be_removed(edge_med: EdgeMed) -> None:
    run = edge_med("models", "rm", "absent", "--yes")
    assert run.code == 2
    assert "There are: seeing." in run.err


def test_the_folder_and_each_models_are_told(home: Path, edge_med: EdgeMed) -> None:
    assert edge_med("models", "path").out.strip() == str(home)
    assert edge_med("models", "path", "seeing").out.strip() == str(home / "seeing")
    assert edge_med("models", "path", "absent").code == 2


@pytest.mark.usefixtures("home")
def test_what_they_take_is_told_with_the_sum(edge_med: EdgeMed) -> None:
    one, total = edge_med("models", "du").out.splitlines()
    assert one.endswith("MiB  seeing")
    assert total.endswith("MiB  total")
    assert one.split()[0] == total.split()[0]
