"""A checkpoint is opened whole or refused with the reason; nothing in it is trusted or run."""

from __future__ import annotations

import json
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from converters.checkpoint import open_checkpoint
from converters.weights import INDEX
from devtools.checkpoints.safetensors import write_safetensors
from edge_med.artifacts.safetensors import read_shard
from edge_med.errors import CheckpointError
from tests.conftest import Checkpoints

SHARD = "model-00002-of-00003.safetensors"


@pytest.fixture
def sharded(checkpoint: Checkpoints, tmp_path: Path) -> Path:
    return shutil.copytree(checkpoint("multimodal"), tmp_path / "copy")


def header_of(path: Path) -> tuple[dict[str, Any], bytes]:
    data = path.read_bytes()
    (length,) = struct.unpack_from("<Q", data)
    return json.loads(data[8 : 8 + length]), data[8 + length :]


def rewrite(path: Path, header: object, body: bytes) -> None:
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(raw)) + raw + body)


def change_index(folder: Path, change: Callable[[dict[str, str]], object]) -> None:
    index = json.loads((folder / INDEX).read_text())
    change(index["weight_map"])
    (folder / INDEX).write_text(json.dumps(index))


def test_shards_are_opened_with_every_tensor(sharded: Path) -> None:
    opened = open_checkpoint(sharded)
    assert len(opened.shards) == 3
    tensor = opened.tensors["language_model.model.layers.0.self_attn.q_proj.weight"]
    assert (tensor.type.name, tensor.shape) == ("BF16", (256, 256))
    assert opened.size == sum(p.stat().st_size for p in sharded.glob("*.safetensors"))


def test_what_is_no_checkpoint_is_said_to_be_none(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"no config\.json"):
        open_checkpoint(tmp_path)
    with pytest.raises(CheckpointError, match="There is no folder") as caught:
        open_checkpoint(tmp_path / "nothing")
    assert "hf download" in caught.value.hint


def test_a_gguf_file_is_refused_as_converted_already(tmp_path: Path) -> None:
    (tmp_path / "x.gguf").write_bytes(b"GGUF")
    with pytest.raises(CheckpointError, match="a converted model already"):
        open_checkpoint(tmp_path / "x.gguf")
    with pytest.raises(CheckpointError) as caught:
        open_checkpoint(tmp_path)
    assert "converted already" in caught.value.hint


def test_quantized_weights_are_refused(sharded: Path) -> None:
    header, body = header_of(sharded / SHARD)
    name = next(name for name in header if name != "__metadata__")
    header[name] |= {"dtype": "U8"}
    rewrite(sharded / SHARD, header, body)
    with pytest.raises(CheckpointError, match=f"{name} is stored as U8") as caught:
        open_checkpoint(sharded)
    assert "quantized already" in caught.value.hint


def test_pickled_weights_are_refused_unread(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "pytorch_model.bin").write_bytes(b"\x80\x04")
    with pytest.raises(CheckpointError, match="could run code"):
        open_checkpoint(tmp_path)


def test_code_in_the_folder_never_runs(sharded: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from converters.conversion_plan import make_plan
    from converters.request import ConversionRequest

    canary = sharded.parent / "canary"
    for name in ("modeling_x.py", "tokenization_x.py", "sitecustomize.py", "conftest.py"):
        (sharded / name).write_text(f"open({str(canary)!r}, 'w')")
    config = json.loads((sharded / "config.json").read_text())
    config["auto_map"] = {"AutoModel": "modeling_x.X"}
    (sharded / "config.json").write_text(json.dumps(config))
    monkeypatch.chdir(sharded)
    make_plan(ConversionRequest(source=sharded, folder=sharded.parent / "out", quants=("Q8_0",)))
    assert not canary.exists()


def test_a_missing_shard_is_named(sharded: Path) -> None:
    (sharded / SHARD).unlink()
    with pytest.raises(CheckpointError, match=SHARD):
        open_checkpoint(sharded)


def test_a_tensor_that_no_shard_holds_is_named(sharded: Path) -> None:
    change_index(sharded, lambda names: names.update({"ghost.weight": SHARD}))
    with pytest.raises(
        CheckpointError, match=r"ghost\.weight is in model-00002.*it is in no shard"
    ):
        open_checkpoint(sharded)


def test_a_tensor_that_the_index_does_not_name_is_named(sharded: Path) -> None:
    change_index(sharded, lambda names: names.pop("language_model.model.norm.weight"))
    with pytest.raises(CheckpointError, match=r"norm\.weight is in no shard, but it is in model"):
        open_checkpoint(sharded)


@pytest.mark.parametrize(
    "name",
    [
        "../x.safetensors",
        "/etc/x.safetensors",
        "a/b.safetensors",
        "..\\x.safetensors",
        "C:x.safetensors",
    ],
)
def test_a_shard_outside_the_folder_is_refused(sharded: Path, name: str) -> None:
    change_index(sharded, lambda names: names.update({"ghost.weight": name}))
    with pytest.raises(CheckpointError, match="outside the folder"):
        open_checkpoint(sharded)


def test_a_tensor_in_two_files_is_refused(checkpoint: Checkpoints, tmp_path: Path) -> None:
    folder = shutil.copytree(checkpoint("text"), tmp_path / "copy")
    (folder / "model.safetensors").rename(folder / "model-1.safetensors")
    shutil.copy(folder / "model-1.safetensors", folder / "model-2.safetensors")
    with pytest.raises(CheckpointError, match="both in model-1"):
        open_checkpoint(folder)


HEADERS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "another dtype": lambda entry: entry.update(dtype="F64"),
    "an eight-bit dtype": lambda entry: entry.update(dtype="F8_E4M3"),
    "a shape too large": lambda entry: entry.update(shape=[10**6, 10**6]),
    "a negative side": lambda entry: entry.update(shape=[-1, 2]),
    "a side of 0": lambda entry: entry.update(shape=[0]),
    "no dimension": lambda entry: entry.update(shape=[]),
    "a range that ends before it begins": lambda entry: entry.update(data_offsets=[10, 0]),
    "a range past the end": lambda entry: entry.update(data_offsets=[0, 1 << 40]),
    "a missing range": lambda entry: entry.pop("data_offsets"),
    "a range that isn't one": lambda entry: entry.update(data_offsets=[1]),
    "a boolean": lambda entry: entry.update(shape=[True]),
}


@pytest.mark.parametrize("damage", HEADERS)
def test_a_damaged_description_is_refused(sharded: Path, damage: str) -> None:
    header, body = header_of(sharded / SHARD)
    HEADERS[damage](next(entry for name, entry in header.items() if name != "__metadata__"))
    rewrite(sharded / SHARD, header, body)
    with pytest.raises(CheckpointError):
        open_checkpoint(sharded)


def test_a_gap_or_an_overlap_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    span = {"dtype": "F32", "shape": [1]}
    for second in ([8, 12], [2, 6]):
        header = {"a": {**span, "data_offsets": [0, 4]}, "b": {**span, "data_offsets": second}}
        rewrite(path, header, bytes(max(second)))
        with pytest.raises(CheckpointError, match="a gap or an overlap"):
            read_shard(path)


@pytest.mark.parametrize("cut", [0, 4, 8, 100, -1])
def test_a_truncated_shard_is_refused(sharded: Path, cut: int) -> None:
    path = sharded / SHARD
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(CheckpointError, match=r"truncated|damaged"):
        open_checkpoint(sharded)


def test_a_name_twice_in_a_header_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    entry = b'"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}'
    rewrite(path, b"{" + entry + b"," + entry + b"}", bytes(4))
    with pytest.raises(CheckpointError):
        read_shard(path)


@given(data=st.data())
@settings(max_examples=300)
def test_any_change_of_a_header_gives_a_checkpoint_or_our_error(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "mutant.safetensors"
    weights = {name: ("F32", np.zeros((2, 3), np.float32)) for name in ("a", "b")}
    write_safetensors(path, weights)
    raw = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(raw)
    try:
        read_shard(path)
    except CheckpointError as error:
        assert error.hint


@pytest.mark.parametrize("text", [b"", b"[]", b"{", b"\xff", b"[" * 100_000])
def test_a_config_that_is_no_json_object_is_refused(sharded: Path, text: bytes) -> None:
    (sharded / "config.json").write_bytes(text)
    with pytest.raises(CheckpointError, match=r"config\.json"):
        open_checkpoint(sharded)
