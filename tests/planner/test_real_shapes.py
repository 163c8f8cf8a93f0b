"""At MedGemma's sizes llama.cpp lays out what was planned, though there are no weights."""

from __future__ import annotations

from pathlib import Path

import pytest

from devtools.checkpoints.medgemma import medgemma, write_shape
from devtools.checkpoints.tokenizer import write_tokenizer
from devtools.compare_plan import BARS, hollow_file, opened, planned
from edge_med.artifacts.gguf import read_header
from edge_med.config import KV, LoadOptions


@pytest.mark.parametrize(
    ("size", "quant", "tokens", "kv"),
    [
        ("4b", "F16", 4096, "f16"),
        ("4b", "Q4_K_M", 131_072, "q8_0"),
        ("27b", "Q4_K_M", 8192, "f16"),
        ("27b", "IQ4_XS", 32_768, "q8_0"),
    ],
)
def test_llama_cpp_lays_out_what_was_planned(
    size: str, quant: str, tokens: int, kv: KV, tmp_path: Path
) -> None:
    source = tmp_path / size
    source.mkdir()
    write_tokenizer(source)
    write_shape(medgemma(size), source, hollow=True)
    path = hollow_file(source, quant)
    options = LoadOptions(context=tokens, kv=kv, threads=1)
    plan, told = planned(read_header(path), options), opened(path, options)
    assert plan.weights == pytest.approx(told.weights, abs=BARS["weights"])
    assert plan.kv == pytest.approx(told.kv, abs=BARS["kv"])
    assert plan.compute == pytest.approx(told.compute, rel=BARS["compute"])
    assert plan.total == pytest.approx(told.total, rel=BARS["total"])
