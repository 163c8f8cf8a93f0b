"""Every file equals what llama.cpp's own tools make of the same checkpoint, tensor by tensor."""

from __future__ import annotations

import functools
import platform
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from converters.checkpoint import open_checkpoint
from converters.conversion_plan import FilePlan, make_plan
from converters.pipeline import convert
from converters.quantize import Workspace, encode, widen
from converters.request import ConversionRequest
from devtools.checkpoints.tiny import TINY
from devtools.compare_with_llama_cpp import our_files
from devtools.golden.manifests import (
    CASES,
    OURS,
    OVERRIDDEN,
    OVERRIDES,
    PROJECTORS,
    SAME_AS,
    describe,
    stored,
)
from edge_med.artifacts.file_names import text_file
from edge_med.artifacts.gguf import read_header
from tests.conftest import Checkpoints

SAME_COMPILER = platform.machine() in ("x86_64", "AMD64")
"""Elsewhere compilers contract products and sums, so that bytes differ from the stored ones."""


Files = Callable[[str], dict[str, Path]]


def quants_of(name: str) -> tuple[str, ...]:
    return CASES.get(name, ("Q8_0", "Q4_K_M"))


@pytest.fixture(scope="module")
def files(checkpoint: Checkpoints, tmp_path_factory: pytest.TempPathFactory) -> Files:
    """The files of a checkpoint, by quantization and as `mmproj-TYPE`, converted once."""

    @functools.cache
    def get(name: str) -> dict[str, Path]:
        projectors = PROJECTORS if TINY[name].vision else ()
        folder = tmp_path_factory.mktemp(name)
        return our_files(checkpoint(name), folder, quants_of(name), projectors)

    return get


@pytest.mark.parametrize("name", [*CASES, *SAME_AS])
def test_tensors_are_those_of_llama_cpp(name: str, checkpoint: Checkpoints, files: Files) -> None:
    expected = stored(SAME_AS.get(name, name))
    for key, path in files(name).items():
        ours, theirs = describe(path)["tensors"], expected[key]["tensors"]
        if SAME_COMPILER:
            assert ours == theirs, key
        else:
            assert_types_and_bytes_of_this_machine(checkpoint(name), path, key, ours, theirs)


def assert_types_and_bytes_of_this_machine(
    source: Path, path: Path, key: str, ours: dict[str, str], theirs: dict[str, str]
) -> None:
    """The types as stored, and the bytes as libggml makes them of whole tensors here."""
    assert {n: t.split()[0] for n, t in ours.items()} == {
        n: t.split()[0] for n, t in theirs.items()
    }
    quants = ("Q8_0",) if key.startswith("mmproj-") else (key,)
    mmproj = key.removeprefix("mmproj-") if key.startswith("mmproj-") else "F16"
    plan = make_plan(
        ConversionRequest(source=source, folder=path.parent, quants=quants, mmproj=mmproj)
    )
    (file,) = [file for file in plan.files if file.name == path.name]
    assert_whole_tensors(source, file, path)


def assert_whole_tensors(source: Path, file: FilePlan, path: Path) -> None:
    """Encode every tensor in one call, and compare with what slabs and threads have written."""
    data, space = path.read_bytes(), Workspace()
    shards = {t.name: s.path for s in open_checkpoint(source).shards for t in s.tensors}
    for tensor, written in zip(file.tensors, read_header(path).tensors, strict=True):
        raw = np.fromfile(
            shards[tensor.source.name], np.uint8, tensor.source.size, offset=tensor.source.offset
        )
        values = widen(raw, tensor.widening, space)
        whole = np.empty(tensor.size, np.uint8)
        encode(values, tensor.type, tensor.shape[-1], whole)
        assert data[written.offset : written.offset + written.size] == whole.tobytes(), tensor.name


def test_slabs_and_threads_do_not_change_bytes(
    checkpoint: Checkpoints, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("converters.slabs.MAX_SLAB", 1000)
    request = ConversionRequest(
        source=checkpoint("multimodal"), folder=tmp_path, quants=("Q4_K_M",), threads=3
    )
    convert(request)
    for file in make_plan(request).files:
        assert_whole_tensors(request.source, file, tmp_path / file.name)


@pytest.mark.parametrize("name", CASES)
def test_metadata_is_that_of_llama_cpp(name: str, files: Files) -> None:
    expected = stored(name)
    for key, path in files(name).items():
        ours = describe(path)["metadata"]
        assert sorted(k for k in ours if k not in expected[key]["metadata"]) == sorted(OURS), key
        assert {k: v for k, v in ours.items() if k not in OURS} == expected[key]["metadata"], key


def test_overrides_choose_what_llama_quantize_chooses(
    checkpoint: Checkpoints, tmp_path: Path
) -> None:
    name, quant = OVERRIDDEN
    request = ConversionRequest(
        source=checkpoint(name), folder=tmp_path, quants=(quant,), tensor_types=OVERRIDES
    )
    convert(request)
    ours = describe(tmp_path / text_file(name, quant))["tensors"]
    theirs = stored(name)["overridden"]["tensors"]
    assert [t.split()[0] for t in ours.values()] == [t.split()[0] for t in theirs.values()]
    if SAME_COMPILER:
        assert ours == theirs
