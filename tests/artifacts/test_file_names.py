"""Names from a user or from a list in a file can't point anywhere else."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_med.artifacts.file_names import (
    called,
    check_model_name,
    is_bare_file_name,
    path_and_scale,
)
from edge_med.errors import UsageError


@pytest.mark.parametrize("name", ["medgemma-4b-it", "medgemma_1.5", "a" * 80])
def test_a_plain_name_is_taken(name: str) -> None:
    assert check_model_name(name) == name


@pytest.mark.parametrize("name", ["", "a" * 81, "../x", "a/b", "a b", ".hidden", "-o", "é"])
def test_any_other_is_refused(name: str) -> None:
    with pytest.raises(UsageError):
        check_model_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "..",
        "../model.safetensors",
        "/etc/passwd",
        "a/b",
        "a\\b",
        "C:x",
        "..gguf",
        ".x",
        "x" * 121,
    ],
)
def test_a_file_name_from_a_list_must_be_bare(name: str) -> None:
    assert not is_bare_file_name(name)


@pytest.mark.parametrize(
    ("given", "path", "scale"),
    [
        ("chest=0.5", "chest", 0.5),
        ("chest", "chest", 1),
        ("a=b", "a=b", 1),
        ("r=16=-2", "r=16", -2),
    ],
)
def test_a_number_after_the_last_equals_sign_is_a_scale(
    given: str, path: str, scale: float
) -> None:
    assert path_and_scale(given) == (Path(path), scale)


def test_a_folder_that_is_called_so_has_no_scale(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "run-r=16").mkdir()
    monkeypatch.chdir(tmp_path)
    assert path_and_scale("run-r=16") == (Path("run-r=16"), 1)
    assert path_and_scale("run-r=16=0.5") == (Path("run-r=16"), 0.5)


@pytest.mark.parametrize(
    ("folder", "name"),
    [("models--who--chest/snapshots/01ab", "chest"), ("snapshots/01ab", "01ab"), ("a/b", "b")],
)
def test_what_lies_in_the_hubs_cache_is_called_as_on_the_hub(folder: str, name: str) -> None:
    assert called(Path("/cache") / folder) == name
