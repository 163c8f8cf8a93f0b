"""The bounded reader takes sound files, and answers every other with our own error, at once."""

from __future__ import annotations

import os
import time
import tracemalloc
from pathlib import Path

import pytest
from gguf import GGUFReader

from edge_med.artifacts.gguf import Array, read_header
from edge_med.errors import ArtifactError
from tests.artifacts.hostile import handcrafted, mutants, small_file
from tests.conftest import Models

LONGEST = 0.05  # seconds
MOST_MEMORY = 64 << 20  # bytes


def test_a_sound_file_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "small.gguf"
    path.write_bytes(small_file())
    header = read_header(path)
    assert header.text("general.architecture") == "gemma3"
    assert (header.integer("a.number"), header.metadata["a.flag"]) == (7, True)
    tokens = header.array("tokens")
    assert tokens is not None
    assert tokens.values() == ["<pad>", "<eos>", "\u2581the"]
    assert [(t.name, t.type.name, t.shape) for t in header.tensors] == [
        ("token_embd.weight", "Q8_0", (3, 64)),
        ("norm.weight", "F32", (64,)),
    ]


def test_it_reads_what_the_gguf_package_reads(model: Models) -> None:
    folder = model("multimodal", "Q4_K_M")
    for path in sorted(folder.glob("*.gguf")):
        ours, theirs = read_header(path), GGUFReader(path)
        assert [(t.name, t.type.name, t.offset, t.size) for t in ours.tensors] == [
            (t.name, t.tensor_type.name, t.data_offset, t.n_bytes) for t in theirs.tensors
        ]
        for key, value in ours.metadata.items():
            plain = value.values() if isinstance(value, Array) else value
            assert plain == theirs.fields[key].contents(), key


@pytest.mark.parametrize("case", handcrafted())
def test_a_broken_rule_is_an_error_of_ours(case: str, tmp_path: Path) -> None:
    path = tmp_path / "broken.gguf"
    path.write_bytes(handcrafted()[case])
    with pytest.raises(ArtifactError) as caught:
        read_header(path)
    assert caught.value.hint


def read_mutants(path: Path, count: int) -> tuple[int, float]:
    """How many are refused, and the longest time that one took."""
    refused, slowest = 0, 0.0
    for data in mutants(seed=0, count=count):
        path.write_bytes(data)
        start = time.thread_time()
        try:
            read_header(path)
        except ArtifactError:
            refused += 1
        slowest = max(slowest, time.thread_time() - start)
    return refused, slowest


def test_2000_mutants_raise_nothing_else_and_take_no_time(tmp_path: Path) -> None:
    refused, slowest = read_mutants(tmp_path / "mutant.gguf", 2000)
    assert refused > 1500
    assert slowest < LONGEST


def test_mutants_take_no_memory(tmp_path: Path) -> None:
    tracemalloc.start()
    read_mutants(tmp_path / "mutant.gguf", 500)
    for data in handcrafted().values():
        (tmp_path / "broken.gguf").write_bytes(data)
        with pytest.raises(ArtifactError):
            read_header(tmp_path / "broken.gguf")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < MOST_MEMORY


@pytest.mark.timing
def test_read_header_takes_a_vocabulary_of_real_size_in_two_seconds(tmp_path: Path) -> None:
    from converters.header import pack_header
    from tests.artifacts.hostile import Value

    tokens = [f"token{n}" for n in range(262_208)]
    path = tmp_path / "large.gguf"
    path.write_bytes(pack_header({"tokens": Value(tokens, 9)}, []))
    start = time.perf_counter()
    found = read_header(path).array("tokens")
    assert time.perf_counter() - start < 2
    assert found is not None
    assert found.count == 262_208


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "model.gguf")
    with pytest.raises(ArtifactError, match=r"model\.gguf isn't a file"):
        read_header(tmp_path / "model.gguf")


def test_a_missing_file_is_an_error_of_ours(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="No such file"):
        read_header(tmp_path / "none.gguf")
