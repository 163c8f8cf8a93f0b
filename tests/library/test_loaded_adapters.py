"""Adapters are given as files or by names, and each is held against its model."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from devtools.checkpoints.adapters import Lora, write_gguf, write_peft
from devtools.checkpoints.tiny import TINY
from edge_med.artifacts.gguf import Header, read_header
from edge_med.errors import ArtifactError, PairingError, UsageError
from edge_med.library.loaded_adapters import find_adapters
from tests.conftest import Models

LORA = Lora(seed=1, rank=1, modules=("self_attn.q_proj",))


@pytest.fixture
def text(model: Models) -> Header:
    return read_header(model("multimodal", "F32") / "multimodal-F32.gguf")


@pytest.fixture
def chest(tmp_path: Path) -> Path:
    return write_gguf(LORA, TINY["multimodal"], tmp_path / "chest.v2.gguf")


def test_a_file_is_called_by_its_name_without_the_ending(chest: Path, text: Header) -> None:
    (found,) = find_adapters([chest], text)
    assert (found.name, found.path) == ("chest.v2", chest)
    assert found.sha256 == hashlib.sha256(chest.read_bytes()).hexdigest()
    assert found.lora.rank == 1


def test_a_lone_path_is_one_adapter(chest: Path, text: Header) -> None:
    assert find_adapters(str(chest), text) == find_adapters((chest,), text)


def test_a_mapping_gives_other_names(chest: Path, text: Header) -> None:
    found = find_adapters({"a": chest, "b": str(chest)}, text)
    assert [(one.name, one.path) for one in found] == [("a", chest), ("b", chest)]


def test_two_of_the_same_name_are_refused(chest: Path, text: Header) -> None:
    with pytest.raises(UsageError, match=r"Two adapters have the name 'chest.v2'") as caught:
        find_adapters([chest, chest], text)
    assert "adapters={" in caught.value.hint


@pytest.mark.parametrize("path", ["none.gguf", "."])
def test_what_is_no_file_is_refused(path: str, tmp_path: Path, text: Header) -> None:
    with pytest.raises(ArtifactError):
        find_adapters({"x": tmp_path / path}, text)


def test_one_for_another_shape_is_refused_by_name(tmp_path: Path, text: Header) -> None:
    other = write_gguf(LORA, TINY["odd-rows"], tmp_path / "other.gguf")
    with pytest.raises(PairingError, match=r"other.gguf is for a blk.0.attn_q.weight"):
        find_adapters([other], text)


def test_an_adapter_as_peft_saves_it_is_told_as_one(tmp_path: Path, text: Header) -> None:
    folder = write_peft(Lora(seed=1), TINY["text"], tmp_path / "chest")
    for path in (folder, folder / "adapter_model.safetensors"):
        with pytest.raises(ArtifactError, match="PEFT adapter"):
            find_adapters(path, text)
