"""A manifest is read back as it was written, and nothing else is taken for one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_med.artifacts import manifest as manifests
from edge_med.artifacts.manifest import Manifest
from edge_med.errors import ArtifactError
from tests.conftest import Models


def test_what_is_written_is_read_back(model: Models) -> None:
    manifest = manifests.load(model("multimodal", "Q8_0"))
    assert manifest is not None
    assert Manifest.from_json(manifest.to_json()) == manifest


def test_it_says_where_everything_came_from(model: Models) -> None:
    manifest = manifests.load(model("multimodal", "Q8_0"))
    assert manifest is not None
    assert manifest.tool.llama_cpp == "0.3.36"
    assert {f.path for f in manifest.source.files} >= {"config.json", "tokenizer.model"}
    assert [f.role for f in manifest.files] == ["text", "projector"]
    assert manifest.recipe.quants == ("Q8_0",)
    assert (manifest.model.image_size, manifest.model.image_tokens) == (56, 4)


DAMAGES: dict[str, Callable[[dict[str, Any]], object]] = {
    "another format": lambda data: data.update(format=2),
    "a field too few": lambda data: data.pop("notice"),
    "a field too many": lambda data: data.update(extra=1),
    "a number as text": lambda data: data["model"].update(layers="6"),
    "a boolean as number": lambda data: data["model"].update(layers=True),
    "an unknown role": lambda data: data["files"][0].update(role="virus"),
    "a path outside the folder": lambda data: data["files"][0].update(path="../x.gguf"),
    "a list that isn't one": lambda data: data.update(files={}),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_manifest_is_refused(damage: str, model: Models) -> None:
    data = json.loads((model("multimodal", "Q8_0") / "manifest.json").read_text())
    DAMAGES[damage](data)
    with pytest.raises(ArtifactError):
        Manifest.from_json(json.dumps(data))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
)


@given(json_values)
@settings(max_examples=300)
def test_any_json_is_refused_with_our_error(value: object) -> None:
    with pytest.raises(ArtifactError):
        Manifest.from_json(json.dumps(value))


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "\x00"])
def test_what_is_not_json_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(ArtifactError):
        manifests.load(tmp_path)


def test_a_folder_without_one_has_none(tmp_path: Path) -> None:
    assert manifests.load(tmp_path) is None
