"""Real weights take what was planned of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from converters.pipeline import convert
from converters.request import ConversionRequest
from devtools.compare_plan import BARS, Sizes, buffers, llama_cpps_log, planned
from edge_med.artifacts.gguf import read_header
from edge_med.config import KV, LoadOptions
from edge_med.engine.engine import Engine
from edge_med.library.registry import registry
from edge_med.planner import model_spec
from edge_med.planner.sizes import tensor_bytes

pytestmark = pytest.mark.real

QUANTS = ("Q8_0", "Q4_K_M")


@pytest.fixture(scope="module")
def folder(real_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Gemma 3 270M in two quants."""
    made = tmp_path_factory.mktemp("planned") / "270m"
    convert(ConversionRequest(source=real_checkpoint, folder=made, quants=QUANTS, name="270m"))
    return made


@pytest.mark.parametrize("quant", QUANTS)
@pytest.mark.parametrize(("tokens", "kv"), [(2048, "f16"), (8192, "q8_0")])
def test_a_load_takes_what_was_planned(quant: str, tokens: int, kv: KV, folder: Path) -> None:
    path = folder / f"270m-{quant}.gguf"
    options = LoadOptions(context=tokens, kv=kv, threads=1)
    with llama_cpps_log() as log:
        Engine(path, None, options).close()
    told = Sizes(*(buffers(log, kind) for kind in ("model", "KV", "compute")))
    plan = planned(read_header(path), options)
    assert plan.weights == pytest.approx(told.weights, abs=BARS["weights"])
    assert plan.kv == pytest.approx(told.kv, abs=BARS["kv"])
    assert plan.compute == pytest.approx(told.compute, rel=BARS["compute"])
    assert plan.total == pytest.approx(told.total, rel=BARS["total"])


@pytest.mark.parametrize("quant", QUANTS)
def test_the_registry_knows_its_size_before_there_is_a_file(quant: str, folder: Path) -> None:
    draft = model_spec.spec_of(registry()["gemma-3-270m"], quant)
    file = read_header(folder / f"270m-{quant}.gguf")
    assert tensor_bytes(draft.text) == tensor_bytes(file)
