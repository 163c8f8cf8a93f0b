"""The comparison sees a difference of one byte, one name or one value, and ends with its code."""

from __future__ import annotations

import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from devtools import compare_with_llama_cpp
from devtools.compare_with_llama_cpp import compare, main
from edge_med.artifacts.gguf import read_header
from tests.conftest import Checkpoints, Models

Change = Callable[[bytes], bytes]


@pytest.fixture
def ours(model: Models) -> Path:
    return model("text", "Q8_0") / "text-Q8_0.gguf"


@pytest.fixture
def changed(ours: Path, tmp_path: Path) -> Callable[[Change], Path]:
    """A copy of the file with other bytes."""

    def make(change: Change) -> Path:
        path = tmp_path / "changed.gguf"
        path.write_bytes(change(ours.read_bytes()))
        return path

    return make


def test_a_file_equals_its_copy(ours: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copy(ours, tmp_path / "copy.gguf"))
    found = compare("Q8_0", ours, copy)
    assert found.tensors == len(read_header(ours).tensors)
    assert not list(found.unexplained())


def test_one_other_bit_is_found_in_its_tensor(
    ours: Path, changed: Callable[[Change], Path]
) -> None:
    tensor = read_header(ours).tensors[7]
    last = tensor.offset + tensor.size - 1
    theirs = changed(lambda data: data[:last] + bytes([data[last] ^ 1]) + data[last + 1 :])
    (difference,) = compare("Q8_0", ours, theirs).unexplained()
    assert difference.name == tensor.name


def test_a_tensor_of_another_name_is_missing_on_both_sides(
    ours: Path, changed: Callable[[Change], Path]
) -> None:
    theirs = changed(lambda data: data.replace(b"blk.3.attn_q.weight", b"blk.3.attn_X.weight"))
    found = compare("Q8_0", ours, theirs)
    assert [(d.name, "not there" in (d.ours, d.theirs)) for d in found.unexplained()] == [
        ("blk.3.attn_q.weight", True),
        ("blk.3.attn_X.weight", True),
    ]


def test_a_tensor_of_another_shape_differs_though_its_bytes_are_the_same(
    ours: Path, changed: Callable[[Change], Path]
) -> None:
    name = b"blk.3.attn_q.weight"
    square, flat = struct.pack("<IQQ", 2, 256, 256), struct.pack("<IQQ", 2, 512, 128)
    theirs = changed(lambda data: data.replace(name + square, name + flat))
    (difference,) = compare("Q8_0", ours, theirs).unexplained()
    assert difference.ours.replace("[256, 256]", "[128, 512]") == difference.theirs


def test_another_key_is_told_with_its_value(ours: Path, changed: Callable[[Change], Path]) -> None:
    theirs = changed(lambda data: data.replace(b"gemma3.block_count", b"gemma3.block_cQunt"))
    assert [(d.name, d.ours, d.theirs) for d in compare("Q8_0", ours, theirs).unexplained()] == [
        ("gemma3.block_count", "10", "not there"),
        ("gemma3.block_cQunt", "not there", "10"),
    ]


def test_keys_of_our_own_have_a_reason_to_differ(
    ours: Path, changed: Callable[[Change], Path]
) -> None:
    theirs = changed(lambda data: data.replace(b"edge-med ", b"edge-old "))
    found = compare("Q8_0", ours, theirs)
    assert {d.name for d in found.different_keys} == {"general.quantized_by", "edge_med.notice"}
    assert not list(found.unexplained())


@pytest.fixture
def run(
    checkpoint: Checkpoints, monkeypatch: pytest.MonkeyPatch
) -> Callable[[dict[str, Path]], Result]:
    """Run the command with these files in the place of llama.cpp's."""

    def call(theirs: dict[str, Path]) -> Result:
        monkeypatch.setattr(compare_with_llama_cpp, "require_tools", lambda: None)
        monkeypatch.setattr(compare_with_llama_cpp, "reference_files", lambda *_, **__: theirs)
        return CliRunner().invoke(main, [str(checkpoint("text")), "--quant", "Q8_0"])

    return call


def test_the_command_ends_well_if_all_is_the_same(
    ours: Path, run: Callable[[dict[str, Path]], Result]
) -> None:
    done = run({"Q8_0": ours})
    assert done.exit_code == 0
    assert "| Q8_0 | 132 | 132 |" in done.stdout


def test_the_command_ends_with_1_and_names_what_differs(
    changed: Callable[[Change], Path], run: Callable[[dict[str, Path]], Result]
) -> None:
    other = changed(lambda data: data.replace(b"blk.3.attn_q.weight", b"blk.3.attn_X.weight"))
    done = run({"Q8_0": other})
    assert done.exit_code == 1
    assert "| Q8_0 | 133 | 131 |" in done.stdout
    assert "Q8_0: blk.3.attn_q.weight" in done.stderr
