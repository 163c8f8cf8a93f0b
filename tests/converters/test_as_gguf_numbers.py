"""A PEFT adapter as a GGUF file does on its base what the merge of its text part does."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from converters.as_gguf import AdapterRequest, plan_adapters, write_adapters
from converters.pipeline import convert
from converters.request import ConversionRequest
from devtools.checkpoints.adapters import PEFT_PREFIX, Lora, deltas
from devtools.checkpoints.peft import Floats, save_adapter
from devtools.checkpoints.tiny import write_tiny
from devtools.golden.adapters import CHECKPOINT
from devtools.tie_rule import compare, step_of
from edge_med.config import LoadOptions
from edge_med.engine.engine import Engine

SHARP = dataclasses.replace(CHECKPOINT, dtype="F32", vision=None, shards=1)
"""Of whole F32 numbers, so that nothing is rounded where the merge is stored."""

ALL = Lora(seed=41)
WIDE = Lora(seed=42, rank=6, modules=("self_attn.v_proj", "mlp.down_proj"))
NARROW = Lora(seed=43, modules=("self_attn.q_proj", "mlp.gate_proj"))
IDS = np.random.default_rng(7).integers(10, 500, 64).tolist()
TESTED = range(40, 64)

Tensors = dict[str, Floats]


def sides(lora: Lora) -> Tensors:
    """An adapter's matrices by PEFT's names."""
    found: Tensors = {}
    for delta in deltas(lora, SHARP.text):
        name = f"{PEFT_PREFIX}layers.{delta.layer}.{delta.module}"
        found |= {f"{name}.lora_A.weight": delta.a, f"{name}.lora_B.weight": delta.b}
    return found


KINDS: Mapping[str, tuple[Tensors, dict[str, Any]]] = {
    "plain": (sides(ALL), {"r": 4, "lora_alpha": 2}),
    "rslora": (sides(ALL), {"r": 4, "lora_alpha": 1.5, "use_rslora": True}),
    "alpha_pattern": (
        sides(ALL),
        {"r": 4, "lora_alpha": 1, "alpha_pattern": {"v_proj": 6, "layers.1.mlp.up_proj": 3}},
    ),
    "rank_pattern": (
        sides(NARROW) | sides(WIDE),
        {"r": 4, "lora_alpha": 3, "rank_pattern": {"v_proj": 6, "down_proj": 6}},
    ),
}


@pytest.fixture(scope="module")
def sharp(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The base, and its file."""
    base = tmp_path_factory.mktemp("sharp")
    write_tiny(SHARP, base / "base")
    convert(
        ConversionRequest(source=base / "base", folder=base / "out", quants=("F32",), name="tiny")
    )
    return base


def written(base: Path, out: Path, folder: Path, strength: float = 1.0, **more: Any) -> Path:
    """The file that an adapter becomes."""
    request = AdapterRequest(base=base, folder=out, adapters=((folder, strength),), **more)
    (entry,) = write_adapters(plan_adapters(request), request)
    return out / entry.path


def logits(text: Path, adapter: Path | None = None) -> list[Floats]:
    files = {"chest": adapter} if adapter else {}
    with closing(Engine(text, None, LoadOptions(context=128, threads=1), files)) as engine:
        found = []
        for last in TESTED:
            engine.slot.prefill(IDS[: last + 1], adapters=dict.fromkeys(files, 1.0))
            found.append(engine.slot.logits().copy())
        return found


@pytest.mark.parametrize("kind", KINDS)
def test_on_its_base_it_answers_as_the_merge_does(kind: str, sharp: Path, tmp_path: Path) -> None:
    tensors, config = KINDS[kind]
    chest = save_adapter(tmp_path / "chest", tensors, **config)
    adapter, base = written(sharp / "base", tmp_path, chest), sharp / "out/tiny-F32.gguf"
    merged = ConversionRequest(
        source=sharp / "base",
        folder=tmp_path / "merged",
        quants=("F32",),
        name="tiny",
        adapters=((chest, 1.0),),
    )
    convert(merged)
    steps = [step_of(row) for row in logits(tmp_path / "merged/tiny-F32.gguf")]
    agreement = compare(steps, logits(base, adapter))
    print(f"{kind}: {agreement}")
    assert agreement.holds()
    assert not compare(steps, logits(base)).holds(), "the adapter has no effect"
