"""A conversion is whole or leaves nothing; what it refuses, it refuses with a next step."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable
from io import FileIO
from pathlib import Path

import numpy as np
import pytest

from converters.checkpoint import open_checkpoint
from converters.pipeline import Conversion, convert
from converters.request import ConversionRequest
from devtools.checkpoints.safetensors import write_safetensors
from devtools.checkpoints.tiny import TINY, stored_weights, write_tiny
from edge_med import _platform
from edge_med.artifacts import manifest as manifests
from edge_med.artifacts.verification import verify
from edge_med.demo.gemma_270m import to_bf16
from edge_med.errors import BusyError, CheckpointError, DiskShortError, InputError
from tests.conftest import Checkpoints

Convert = Callable[..., Conversion]
LOCK = ".edge-med.lock"


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir() if p.name != LOCK)


def test_several_types_and_the_projector_come_out_of_one_pass(
    converted: Convert, tmp_path: Path
) -> None:
    done = converted("multimodal", "Q8_0", "Q4_K_M")
    assert done.written == (
        "multimodal-Q8_0.gguf",
        "multimodal-Q4_K_M.gguf",
        "multimodal-mmproj-F16.gguf",
    )
    assert names(tmp_path / "out") == sorted((*done.written, "manifest.json"))
    assert verify(tmp_path / "out").sound


def test_the_source_is_read_once_whatever_is_made_of_it(
    converted: Convert, checkpoint: Checkpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: dict[str, int] = {}
    plain = FileIO.readinto

    def counting(file: FileIO, buffer: memoryview) -> int | None:
        read[str(file.name)] = read.get(str(file.name), 0) + memoryview(buffer).nbytes
        return plain(file, buffer)

    monkeypatch.setattr("converters.slabs._readinto", counting)
    converted("multimodal", "Q8_0", "Q4_0", "F16")
    shards = sorted(checkpoint("multimodal").glob("*.safetensors"))
    assert [read[str(path)] <= path.stat().st_size for path in shards] == [True] * 3


def test_progress_ends_with_all_of_the_source(checkpoint: Checkpoints, tmp_path: Path) -> None:
    steps: list[tuple[int, int]] = []
    request = ConversionRequest(
        source=checkpoint("text"), folder=tmp_path / "out", quants=("Q8_0",)
    )
    convert(request, lambda done, total: steps.append((done, total)))
    done, total = steps[-1]
    opened = open_checkpoint(checkpoint("text"))
    assert total == done == sum(tensor.size for tensor in opened.tensors.values())
    assert [d for d, _ in steps] == sorted(d for d, _ in steps)


def test_a_second_type_joins_the_manifest(converted: Convert, tmp_path: Path) -> None:
    converted("text", "Q8_0")
    done = converted("text", "Q4_0")
    assert [entry.path for entry in done.manifest.files] == ["text-Q8_0.gguf", "text-Q4_0.gguf"]
    assert done.manifest.recipe.quants == ("Q8_0", "Q4_0")
    assert verify(tmp_path / "out").sound


def test_another_type_of_a_multimodal_model_keeps_its_projector(
    converted: Convert, tmp_path: Path
) -> None:
    converted("multimodal", "Q8_0")
    done = converted("multimodal", "Q4_0")
    assert done.written == ("multimodal-Q4_0.gguf",)
    assert len(done.manifest.files) == 3
    assert verify(tmp_path / "out").sound


def test_a_file_that_is_there_is_kept_unless_forced(converted: Convert, tmp_path: Path) -> None:
    converted("text", "Q8_0")
    before = (tmp_path / "out/text-Q8_0.gguf").stat().st_mtime_ns
    with pytest.raises(InputError, match="exists already") as caught:
        converted("text", "Q8_0")
    assert "--force" in caught.value.hint
    assert (tmp_path / "out/text-Q8_0.gguf").stat().st_mtime_ns == before
    converted("text", "Q8_0", force=True)
    assert (tmp_path / "out/text-Q8_0.gguf").stat().st_mtime_ns != before
    assert verify(tmp_path / "out").sound


def test_another_models_folder_is_refused_unless_forced(converted: Convert, tmp_path: Path) -> None:
    converted("text", "Q8_0")
    with pytest.raises(InputError, match="made from other files"):
        converted("odd-rows", "Q8_0")
    done = converted("odd-rows", "Q8_0", force=True)
    assert [entry.path for entry in done.manifest.files] == ["odd-rows-Q8_0.gguf"]
    assert verify(tmp_path / "out").sound


def test_a_damaged_manifest_is_refused_unless_forced(converted: Convert, tmp_path: Path) -> None:
    converted("text", "Q8_0")
    (tmp_path / "out/manifest.json").write_text("{")
    with pytest.raises(Exception, match="manifest can't be used"):
        converted("text", "Q4_0")
    converted("text", "Q4_0", force=True)
    manifest = manifests.load(tmp_path / "out")
    assert manifest is not None
    assert [entry.path for entry in manifest.files] == ["text-Q4_0.gguf"]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", ["F32", "F16", "BF16"])
def test_weights_that_are_not_finite_are_named(value: float, dtype: str, tmp_path: Path) -> None:
    name = "model.layers.2.mlp.up_proj.weight"
    source = write_tiny(TINY["text"], tmp_path / "text")
    weights = stored_weights(TINY["text"], dtype, {name: value})
    write_safetensors(source / "model.safetensors", weights)
    with pytest.raises(CheckpointError, match=f"{name} holds NaN or infinity"):
        convert(ConversionRequest(source=source, folder=tmp_path / "out", quants=("Q4_0",)))
    assert names(tmp_path / "out") == []


@pytest.fixture
def without(tmp_path: Path) -> Callable[..., ConversionRequest]:
    """A checkpoint in which the weights of some tensors are zeros."""

    def write(name: str, *zeros: str, value: float = 0.0) -> ConversionRequest:
        source = write_tiny(TINY[name], tmp_path / name)
        for path in source.glob("*.safetensors*"):
            path.unlink()
        weights = stored_weights(TINY[name], "BF16")
        for one, (_, values) in weights.items():
            if one.endswith(zeros):
                values[...] = to_bf16(np.full(values.shape, value, np.float32))
        write_safetensors(source / "model.safetensors", weights)
        return ConversionRequest(source=source, folder=tmp_path / "out", quants=("Q8_0",))

    return write


@pytest.mark.parametrize("value", [0.0, -0.0])
@pytest.mark.parametrize(
    "lost",
    [
        "mm_input_projection_weight",
        "embed_tokens.weight",
        "layers.1.self_attn.q_proj.weight",
        "layers.1.mlp.down_proj.weight",
        "patch_embedding.weight",
    ],
)
def test_a_matrix_of_zeros_is_refused_by_its_name(
    lost: str, value: float, without: Callable[..., ConversionRequest], tmp_path: Path
) -> None:
    with pytest.raises(CheckpointError, match=rf"{lost}.* only zeros"):
        convert(without("multimodal", lost, value=value))
    assert names(tmp_path / "out") == []


def test_norms_and_biases_of_zeros_are_weights(without: Callable[..., ConversionRequest]) -> None:
    convert(without("multimodal", ".bias", "norm.weight"))


def test_a_layer_that_adds_nothing_is_one(without: Callable[..., ConversionRequest]) -> None:
    convert(without("text", "layers.2.self_attn.o_proj.weight", "layers.2.mlp.down_proj.weight"))


def test_a_value_over_f16s_range_is_refused_for_an_f16_projector(tmp_path: Path) -> None:
    name = "vision_tower.vision_model.encoder.layers.0.mlp.fc1.weight"
    weights = stored_weights(TINY["multimodal"], "F32", {name: 1e5})
    source = write_tiny(TINY["multimodal"], tmp_path / "multimodal")
    for path in source.glob("*.safetensors*"):
        path.unlink()
    write_safetensors(source / "model.safetensors", weights)
    request = ConversionRequest(source=source, folder=tmp_path / "out", quants=("Q8_0",))
    with pytest.raises(CheckpointError, match=f"{name} has a value that F16 can't hold") as caught:
        convert(request)
    assert "--mmproj BF16" in caught.value.hint
    convert(
        ConversionRequest(source=source, folder=tmp_path / "out", quants=("Q8_0",), mmproj="BF16")
    )


def test_a_disk_too_small_is_refused_before_the_first_byte(
    converted: Convert, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=1_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(DiskShortError, match=r"need 6\.2 MiB, and 1\.0 MiB are free"):
        converted("text", "Q8_0")
    assert names(tmp_path / "out") == []


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (errno.ENOSPC, "The disk became full"),
        (errno.EDQUOT, "Your disk quota was reached"),
        (errno.EFBIG, "larger than this drive's file system allows"),
    ],
)
@pytest.mark.parametrize("until_full", [0, 1000, 2_000_000])
def test_a_disk_that_fills_up_leaves_nothing_behind(
    until_full: int,
    code: int,
    message: str,
    converted: Convert,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    left = [until_full]

    def full(file: FileIO, data: memoryview) -> int:
        left[0] -= data.nbytes
        if left[0] < 0:
            raise OSError(code, "full")
        return file.write(data)

    monkeypatch.setattr(_platform, "write", full)
    with pytest.raises(DiskShortError, match=message) as caught:
        converted("multimodal", "Q8_0", "Q4_0")
    assert "--out" in caught.value.hint
    assert names(tmp_path / "out") == []


def test_a_disk_that_is_full_when_the_manifest_comes_leaves_nothing_behind(
    converted: Convert, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(file: FileIO, data: memoryview) -> int:
        if bytes(data[:1]) == b"{":
            file.write(data[:10])
            raise OSError(errno.ENOSPC, "full")
        return file.write(data)

    monkeypatch.setattr(_platform, "write", full)
    with pytest.raises(DiskShortError, match="while the manifest was written"):
        converted("multimodal", "Q8_0")
    assert names(tmp_path / "out") == []


def test_an_interruption_keeps_the_old_file_and_removes_the_partial_one(
    converted: Convert, checkpoint: Checkpoints, tmp_path: Path
) -> None:
    converted("text", "Q8_0")
    before = (tmp_path / "out/text-Q8_0.gguf").read_bytes()

    def press_ctrl_c(_done: int, _total: int) -> None:
        raise KeyboardInterrupt

    request = ConversionRequest(
        source=checkpoint("text"), folder=tmp_path / "out", quants=("Q8_0", "F16"), force=True
    )
    with pytest.raises(KeyboardInterrupt):
        convert(request, press_ctrl_c)
    assert names(tmp_path / "out") == ["manifest.json", "text-Q8_0.gguf"]
    assert (tmp_path / "out/text-Q8_0.gguf").read_bytes() == before
    assert verify(tmp_path / "out").sound


def test_two_conversions_into_one_folder_do_not_meet(converted: Convert, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with (
        _platform.locked(tmp_path / "out" / LOCK, "held by the test"),
        pytest.raises(BusyError, match="Another conversion writes into out"),
    ):
        converted("text", "Q8_0")


def test_a_source_that_shrinks_while_it_is_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_tiny(TINY["text"], tmp_path / "text")
    monkeypatch.setattr("converters.slabs._readinto", lambda _file, _buffer: 0)
    with pytest.raises(CheckpointError, match="became shorter"):
        convert(ConversionRequest(source=source, folder=tmp_path / "out", quants=("Q8_0",)))
    assert names(tmp_path / "out") == []


def test_every_stage_is_timed(converted: Convert) -> None:
    seconds = converted("text", "Q4_0").seconds
    assert list(seconds) == ["read", "widen", "quantize", "hash", "write", "sync"]
    assert all(spent > 0 for spent in seconds.values())


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("medgemma-4b-it", "medgemma-4b-it"),
        ("hub/models--google--medgemma-4b-it/snapshots/0a1b2c", "medgemma-4b-it"),
        ("hub/snapshots/0a1b2c", "0a1b2c"),
    ],
)
def test_a_model_is_called_as_its_folder_or_as_the_hub_calls_it(folder: str, name: str) -> None:
    assert (
        ConversionRequest(source=Path(folder), folder=Path(), quants=("Q8_0",)).model_name == name
    )


def test_files_of_the_hubs_cache_are_links(checkpoint: Checkpoints, tmp_path: Path) -> None:
    blobs = shutil.copytree(checkpoint("multimodal"), tmp_path / "models--acme--Tiny/blobs")
    snapshot = blobs.parent / "snapshots/0a1b2c"
    snapshot.mkdir(parents=True)
    for blob in blobs.iterdir():
        (snapshot / blob.name).symlink_to(Path("../../blobs") / blob.name)
    done = convert(ConversionRequest(source=snapshot, folder=tmp_path / "out", quants=("Q8_0",)))
    assert done.written == ("Tiny-Q8_0.gguf", "Tiny-mmproj-F16.gguf")
