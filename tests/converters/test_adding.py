"""A folder that has files already: what may join them, and that the manifest stays true."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from converters.pipeline import convert
from converters.request import ConversionRequest
from devtools.checkpoints.changes import change_json
from devtools.checkpoints.safetensors import write_safetensors
from devtools.checkpoints.tiny import TINY, stored_weights, write_tiny
from edge_med.artifacts import manifest as manifests
from edge_med.artifacts.verification import verify
from edge_med.errors import InputError
from tests.conftest import Checkpoints


@pytest.fixture
def request_(checkpoint: Checkpoints, tmp_path: Path) -> ConversionRequest:
    """A first conversion that has been done."""
    first = ConversionRequest(
        source=checkpoint("multimodal"),
        folder=tmp_path / "out",
        quants=("Q8_0",),
        source_id="google/medgemma-4b-it",
        revision="0a1b2c",
    )
    convert(first)
    return dataclasses.replace(first, quants=("Q4_0",), source_id="", revision="")


def test_what_was_said_of_the_source_is_not_forgotten(request_: ConversionRequest) -> None:
    manifest = convert(request_).manifest
    assert (manifest.source.id, manifest.source.revision) == ("google/medgemma-4b-it", "0a1b2c")
    assert manifest.source.license == "health-ai-developer-foundations"
    assert "HAI-DEF" in manifest.notice


@pytest.mark.parametrize(
    ("other", "message"),
    [({"tensor_types": ("attn_v=Q8_0",)}, "without --tensor-type"), ({"mmproj": "BF16"}, "F16")],
)
def test_another_recipe_needs_another_folder_or_force(
    other: dict[str, object], message: str, request_: ConversionRequest
) -> None:
    changed = dataclasses.replace(request_, **other)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=message):
        convert(changed)
    files = convert(dataclasses.replace(changed, force=True)).manifest.files
    assert [file.quant for file in files if file.role == "text"] == ["Q4_0"]


def test_another_chat_template_needs_another_folder_or_force(tmp_path: Path) -> None:
    base = write_tiny(TINY["text"], tmp_path / "base")
    source = write_tiny(TINY["text"], tmp_path / "text")
    change_json(source / "tokenizer_config.json", lambda data: data.pop("chat_template"))
    first = ConversionRequest(source=source, folder=tmp_path / "out", quants=("Q8_0",), base=base)
    convert(first)
    again = dataclasses.replace(first, quants=("Q4_0",))
    with pytest.raises(InputError, match="made with another chat template"):
        convert(dataclasses.replace(again, base=None))
    assert convert(again).manifest.recipe.quants == ("Q8_0", "Q4_0")


def test_a_file_that_was_deleted_leaves_the_manifest(request_: ConversionRequest) -> None:
    (request_.folder / "multimodal-Q8_0.gguf").unlink()
    manifest = convert(request_).manifest
    assert manifest.recipe.quants == ("Q4_0",)
    assert verify(request_.folder).sound


def test_other_files_in_the_source_folder_play_no_part(tmp_path: Path) -> None:
    source = write_tiny(TINY["text"], tmp_path / "text")
    request = ConversionRequest(source=source, folder=source, quants=("Q8_0",))
    convert(request)
    (source / "trainer_state.json").write_text("{}")
    (source / "x.json").mkdir()
    manifest = convert(dataclasses.replace(request, quants=("Q4_0",))).manifest
    assert manifest.recipe.quants == ("Q8_0", "Q4_0")
    assert {f.path for f in manifest.source.files} == {
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer.model",
        "tokenizer_config.json",
    }


def test_weights_that_changed_under_the_same_sizes_are_not_mixed(tmp_path: Path) -> None:
    source = write_tiny(TINY["text"], tmp_path / "text")
    request = ConversionRequest(source=source, folder=tmp_path / "out", quants=("Q8_0",))
    convert(request)
    changed = stored_weights(TINY["text"], "BF16", {"model.norm.weight": 0.75})
    write_safetensors(source / "model.safetensors", changed)
    other = dataclasses.replace(request, quants=("Q4_0",))
    with pytest.raises(InputError, match="weights have changed") as caught:
        convert(other)
    assert "--force" in caught.value.hint
    assert [f.path for f in standing(tmp_path).files] == ["text-Q8_0.gguf"]
    convert(dataclasses.replace(other, force=True))
    assert [f.path for f in standing(tmp_path).files] == ["text-Q4_0.gguf"]


def standing(folder: Path) -> manifests.Manifest:
    found = manifests.load(folder / "out")
    assert found
    assert verify(folder / "out").sound
    return found


def test_rows_beyond_the_vocabulary_are_in_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_tiny(TINY["text"], tmp_path / "text")
    config = json.loads((source / "config.json").read_text())
    (source / "config.json").write_text(json.dumps(config | {"vocab_size": 680}))
    monkeypatch.setattr("converters.slabs.MAX_SLAB", 4096)  # 16 rows: whole slabs lie beyond
    request = ConversionRequest(source=source, folder=tmp_path / "out", quants=("F16", "Q8_0"))
    for file in convert(request).manifest.files:
        embedding = next(t for t in file.tensors if t.name == "token_embd.weight")
        assert embedding.shape == (680, 256)
    assert verify(tmp_path / "out").sound
