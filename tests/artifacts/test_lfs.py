"""A pointer of Git LFS is called one, wherever a file is expected."""

from __future__ import annotations

from pathlib import Path

import pytest

from converters.conversion_plan import make_plan
from converters.request import ConversionRequest
from devtools.checkpoints.tiny import TINY, write_tiny
from edge_med.artifacts.gguf import read_header
from edge_med.artifacts.lfs import is_pointer
from edge_med.errors import ArtifactError, CheckpointError

POINTER = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 4961251752\n"


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.model", "tokenizer.json"])
def test_a_checkpoint_that_was_cloned_without_it_says_so(name: str, tmp_path: Path) -> None:
    source = write_tiny(TINY["text"], tmp_path / "cloned")
    if name == "tokenizer.json":
        (source / "tokenizer.model").unlink()
    (source / name).write_text(POINTER, "utf-8")
    with pytest.raises(CheckpointError, match=f"{name} is a Git LFS pointer") as caught:
        make_plan(ConversionRequest(source=source, folder=tmp_path, quants=("F16",)))
    assert "git lfs pull" in caught.value.hint


def test_so_does_a_converted_file(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_text(POINTER, "utf-8")
    with pytest.raises(ArtifactError, match="Git LFS pointer"):
        read_header(path)


def test_a_longer_file_that_begins_so_is_none(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text(POINTER * 20, "utf-8")
    assert not is_pointer(path)
    assert not is_pointer(tmp_path / "nothing")
