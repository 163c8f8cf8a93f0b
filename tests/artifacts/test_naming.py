"""Names from a user or from a list in a file can't point anywhere else."""

from __future__ import annotations

import pytest

from edge_med.artifacts.naming import check_model_name, is_bare_file_name
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
