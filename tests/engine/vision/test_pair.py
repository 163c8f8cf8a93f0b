"""A projector that wasn't made with its text model is looked at before anybody relies on it."""

from __future__ import annotations

import functools
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from converters.checkpoint import open_checkpoint
from converters.pipeline import convert
from converters.request import ConversionRequest
from edge_med import MedGemma
from edge_med.answers import Notice
from edge_med.artifacts.gguf import GgufTensor, read_header
from edge_med.engine.vision import pair
from edge_med.errors import ArtifactError, PairingError
from edge_med.library import store
from tests.conftest import Checkpoints, Models

TEXT, PROJECTOR = "multimodal-F32.gguf", "multimodal-mmproj-F16.gguf"
Change = Callable[[np.ndarray], np.ndarray]


@pytest.fixture
def alone(model: Models, tmp_path: Path) -> Path:
    """A pair in a folder that says nothing of it."""
    folder = shutil.copytree(model("multimodal", "F32"), tmp_path / "alone")
    (folder / "manifest.json").unlink()
    return folder


def tensor_of(path: Path, name: str) -> GgufTensor:
    return next(tensor for tensor in read_header(path).tensors if tensor.name == name)


def changed(path: Path, name: str, change: Change) -> None:
    """Change a tensor of a file, which is stored as F16 or F32."""
    tensor = tensor_of(path, name)
    kind = {"F16": np.float16, "F32": np.float32}[tensor.type.name]
    data = np.memmap(path, kind, "r+", tensor.offset, tensor.shape)
    data[:] = change(np.array(data))
    data.flush()


def checked(folder: Path) -> list[str]:
    found = store.find(folder)
    assert found.projector
    assert found.projector_header
    assert not found.together
    told = pair.check(found.text, found.header, found.projector, found.projector_header)
    return [notice.code for notice in told]


def test_a_sound_pair_passes_whoever_made_it(alone: Path) -> None:
    assert checked(alone) == []


@pytest.mark.parametrize(
    "name", ["mm.input_projection.weight", "v.patch_embd.weight", "v.blk.0.attn_q.weight"]
)
def test_weights_of_zero_are_refused(alone: Path, name: str) -> None:
    changed(alone / PROJECTOR, name, np.zeros_like)
    with pytest.raises(ArtifactError, match=f"{name} of {PROJECTOR} holds nothing but zeros"):
        MedGemma.load(alone, threads=1)


def test_the_loss_of_any_tensor_is_noticed(alone: Path) -> None:
    whole = (alone / PROJECTOR).read_bytes()
    for tensor in read_header(alone / PROJECTOR).tensors:
        for value in (0, np.nan):
            (alone / PROJECTOR).write_bytes(whole)
            changed(
                alone / PROJECTOR, tensor.name, functools.partial(np.full_like, fill_value=value)
            )
            if value == 0 and tensor.name.endswith(".bias"):
                assert checked(alone) == []
                continue
            with pytest.raises(ArtifactError, match=re.escape(tensor.name)):
                checked(alone)


def test_one_value_of_the_projection_that_is_no_number_is_noticed(alone: Path) -> None:
    def one(values: np.ndarray) -> np.ndarray:
        values[0, 0] = np.inf
        return values

    changed(alone / PROJECTOR, "mm.input_projection.weight", one)
    with pytest.raises(ArtifactError, match="values that aren't numbers"):
        checked(alone)


def test_a_few_numbers_among_zeros_are_weights(alone: Path) -> None:
    def one(values: np.ndarray) -> np.ndarray:
        found = np.zeros_like(values)
        found[0, 0] = 1
        return found

    changed(alone / PROJECTOR, "v.blk.0.attn_q.weight", one)
    assert checked(alone) == []


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_arent_numbers_are_refused(alone: Path, value: float) -> None:
    changed(alone / PROJECTOR, "v.post_ln.bias", lambda values: np.full_like(values, value))
    with pytest.raises(ArtifactError, match=r"v\.post_ln\.bias .* values that aren't numbers"):
        MedGemma.load(alone, threads=1)


@pytest.mark.parametrize("factor", [1e-4, 3e4])
def test_a_projection_on_another_scale_is_told(alone: Path, factor: float) -> None:
    changed(alone / PROJECTOR, "mm.soft_emb_norm.weight", lambda values: values * factor)
    assert checked(alone) == ["projection"]


def test_a_projection_of_another_size_is_refused(alone: Path, model: Models) -> None:
    found = store.find(alone)
    other = read_header(model("odd-rows", "Q8_0") / "odd-rows-Q8_0.gguf")
    assert found.projector
    assert found.projector_header
    with pytest.raises(PairingError, match="between the two models it has to be"):
        pair.check(found.text, other, found.projector, found.projector_header)


@pytest.fixture
def base_projector(alone: Path, checkpoint: Checkpoints, tmp_path: Path) -> Path:
    """A folder with a fine-tune's text model and the projector of its base."""
    tuned = shutil.copytree(checkpoint("multimodal"), tmp_path / "tuned" / "multimodal")
    shard = open_checkpoint(tuned).shards[0]
    tensor = shard.tensors[-1]
    with shard.path.open("r+b") as file:
        file.seek(tensor.offset + tensor.size // 2)
        file.write(b"\1\0")
    convert(ConversionRequest(source=tuned, folder=tmp_path / "tuned-files", quants=("F32",)))
    shutil.copy(tmp_path / "tuned-files" / TEXT, alone / TEXT)
    return alone


def test_projector_of_another_checkpoint_is_noticed_by_its_source_hash(
    base_projector: Path,
) -> None:
    assert checked(base_projector) == ["pair"]
    with MedGemma.load(base_projector, context=256, threads=1) as tiny:
        (notice,) = [one for one in tiny.ask("x").notices if one.code == "pair"]
    assert "come from different checkpoints" in notice.text


def test_files_of_one_conversion_are_looked_at_once(
    model: Models, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("EDGE_MED_HOME", str(tmp_path))
    looked: list[Path] = []

    def check(text: Path, *_: object) -> tuple[Notice, ...]:
        looked.append(text)
        return (Notice("pair", "What is told of others."),)

    monkeypatch.setattr(pair, "check", check)
    assert store.find(model("multimodal", "F32")).together
    for _ in range(2):
        with MedGemma.load(model("multimodal", "F32"), context=256, threads=1) as tiny:
            assert not tiny.info.notices
    assert len(looked) == 1


def test_lost_weights_of_one_conversion_are_refused_each_time(
    model: Models, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("EDGE_MED_HOME", str(tmp_path))
    folder = shutil.copytree(model("multimodal", "F32"), tmp_path / "model")
    projector = "multimodal-mmproj-F16.gguf"
    changed(folder / projector, "mm.input_projection.weight", np.zeros_like)
    assert store.find(folder).together
    for _ in range(2):
        with pytest.raises(ArtifactError, match="nothing but zeros"):
            MedGemma.load(folder, context=256, threads=1)
