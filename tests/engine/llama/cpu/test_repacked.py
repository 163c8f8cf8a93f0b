"""Weights are copied into the buffers that are named, and into no others, by whatever way."""

from __future__ import annotations

import logging
import re
from pathlib import Path

import numpy as np
import pytest

from edge_med.artifacts.gguf import GgufTensor, read_header
from edge_med.config import LoadOptions
from edge_med.engine.engine import Engine
from edge_med.engine.llama import offload
from edge_med.engine.llama.bindings import LOGGER, cpu_buffers
from edge_med.engine.llama.cpu.repacked import patterns
from tests.conftest import Models

IDS = [*range(10, 50)]


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """What llama.cpp logs."""
    caplog.set_level(logging.INFO, LOGGER.name)
    return caplog


@pytest.fixture
def text(model: Models) -> Path:
    return model("text", "Q4_0") / "text-Q4_0.gguf"


def loaded(
    path: Path, copies: tuple[str, ...] | None, log: pytest.LogCaptureFixture
) -> tuple[dict[str, str], np.ndarray]:
    """MiB of the weights' buffers by name, and the logits after a short text."""
    log.clear()
    engine = Engine(path, None, LoadOptions(context=300, batch=64, threads=1, copies=copies))
    engine.slot.prefill(IDS)
    logits = engine.slot.logits().copy()
    engine.close()
    lines = (re.search(r"(\S+) +model buffer size = +([\d.]+)", r.message) for r in log.records)
    return {line[1]: line[2] for line in lines if line}, logits


def test_patterns_match_just_what_the_buffer_takes(text: Path) -> None:
    header = read_header(text)

    def taken(tensor: GgufTensor) -> bool:
        return "ffn" in tensor.name

    (pattern,) = patterns(header, 2, taken)
    hit = {tensor.name for tensor in header.tensors if re.search(pattern, tensor.name)}
    wanted = {
        tensor.name
        for tensor in header.tensors
        if re.match(r"blk\.[01]\.ffn_(up|down|gate)\.", tensor.name)
    }
    assert hit == wanted
    assert len(wanted) == 6


def test_no_pattern_ever_takes_the_embedding(text: Path) -> None:
    header = read_header(text)
    for pattern in patterns(header, 100, lambda _tensor: True):
        assert not re.search(pattern, "token_embd.weight")
        assert not re.search(pattern, "output_norm.weight")


def test_with_nothing_named_nothing_is_copied(text: Path, log: pytest.LogCaptureFixture) -> None:
    buffers, _logits = loaded(text, (), log)
    assert [name for name in buffers if name in cpu_buffers()] == []


def test_one_of_two_buffers_can_be_left_out_without_linux(
    text: Path, log: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where AMX is faulty on Windows: each tensor is sent to the buffer that is sound."""
    there = dict(cpu_buffers())
    if "CPU_REPACK" not in there:
        pytest.fail("this build repacks nothing")
    ordinary, expected = loaded(text, ("CPU_REPACK",), log)
    monkeypatch.setattr(offload, "cpu_buffers", lambda: {"AMX": 0, **there})
    buffers, logits = loaded(text, ("CPU_REPACK",), log)
    assert "AMX" not in buffers
    assert float(buffers["CPU_REPACK"]) > 0.5
    if "AMX" not in there:  # else it was sent there one by one the first time too
        assert buffers["CPU_REPACK"] == ordinary["CPU_REPACK"]
    np.testing.assert_array_equal(logits, expected)


def test_copies_change_answers_by_no_more_than_rounding(
    text: Path, log: pytest.LogCaptureFixture
) -> None:
    _, plain = loaded(text, (), log)
    _, copied = loaded(text, None, log)
    assert np.abs(plain - copied).max() < 0.05 * np.abs(plain).max()
