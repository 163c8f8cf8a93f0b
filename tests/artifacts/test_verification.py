"""Damage is found and named; a pair that doesn't belong together is told apart."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from edge_med.artifacts.gguf import read_header
from edge_med.artifacts.verification import check_pair, total_bytes, verify
from edge_med.errors import ArtifactError, PairingError
from tests.conftest import Models

TEXT, PROJECTOR = "multimodal-Q8_0.gguf", "multimodal-mmproj-F16.gguf"


@pytest.fixture
def folder(model: Models, tmp_path: Path) -> Path:
    return shutil.copytree(model("multimodal", "Q8_0"), tmp_path / "model")


def flip(path: Path, offset: int) -> None:
    data = bytearray(path.read_bytes())
    data[offset] ^= 1
    path.write_bytes(data)


def test_a_fresh_conversion_is_sound(folder: Path) -> None:
    hashed: list[int] = []
    verdict = verify(folder, hashed.append)
    assert verdict.sound
    assert [f.listed for f in verdict.files] == [True, True]
    assert sum(hashed) == total_bytes(folder)


@pytest.mark.parametrize("name", [TEXT, PROJECTOR])
def test_one_flipped_bit_names_its_tensor(folder: Path, name: str) -> None:
    tensor = read_header(folder / name).tensors[5]
    flip(folder / name, tensor.offset + tensor.size // 2)
    verdict = verify(folder)
    assert not verdict.sound
    assert [f.problems for f in verdict.files if f.file == name] == [
        (f"the tensor {tensor.name} is damaged",)
    ]


def test_a_changed_tensor_description_is_named(folder: Path) -> None:
    data = (folder / TEXT).read_bytes()
    (folder / TEXT).write_bytes(data.replace(b"blk.1.attn_q.weight", b"blk.1.attn_X.weight"))
    (checked,) = verify(folder / TEXT).files
    assert "the tensor blk.1.attn_q.weight is missing" in checked.problems
    assert "the tensor blk.1.attn_X.weight isn't in the manifest" in checked.problems


def test_a_truncated_file_is_damaged(folder: Path) -> None:
    data = (folder / TEXT).read_bytes()
    (folder / TEXT).write_bytes(data[:-100])
    (checked,) = verify(folder / TEXT).files
    assert f"it has {len(data) - 100} bytes instead of {len(data)}" in checked.problems


def test_a_missing_file_is_a_problem(folder: Path) -> None:
    (folder / PROJECTOR).unlink()
    assert [f.problems for f in verify(folder).files if f.file == PROJECTOR] == [
        ("the file is missing",)
    ]


def test_verify_checks_the_structure_of_an_unlisted_file(folder: Path) -> None:
    shutil.copy(folder / TEXT, folder / "other-F16.gguf")
    (folder / "._other.gguf").write_bytes(b"somebody else's")
    verdict = verify(folder)
    assert verdict.sound
    assert [f.file for f in verdict.files if not f.listed] == ["other-F16.gguf"]


def test_a_projector_of_another_width_does_not_pair(folder: Path, model: Models) -> None:
    other = model("odd-rows", "Q8_0") / "odd-rows-Q8_0.gguf"
    projector = read_header(folder / PROJECTOR)
    check_pair(read_header(folder / TEXT), projector)
    with pytest.raises(PairingError, match="256 wide, and this one is 160"):
        check_pair(read_header(other), projector)
    with pytest.raises(PairingError, match="isn't a projector"):
        check_pair(read_header(folder / TEXT), read_header(other))


def test_a_pair_that_does_not_belong_together_is_found_in_a_folder(
    folder: Path, model: Models
) -> None:
    shutil.copy(model("odd-rows", "Q8_0") / "odd-rows-Q8_0.gguf", folder / TEXT)
    verdict = verify(folder)
    assert any("256 wide, and this one is 160" in problem for problem in verdict.problems)


def test_without_a_manifest_the_structure_of_each_file_is_checked(folder: Path) -> None:
    (folder / "manifest.json").unlink()
    assert verify(folder).sound
    assert [file.listed for file in verify(folder).files] == [False, False]
    with (folder / TEXT).open("r+b") as file:
        file.truncate(file.seek(0, 2) - 64)
    assert not verify(folder).sound


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="neither a manifest nor a GGUF file"):
        verify(tmp_path)
    with pytest.raises(ArtifactError, match="There is no"):
        verify(tmp_path / "nothing")
