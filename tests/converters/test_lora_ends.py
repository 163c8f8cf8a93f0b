"""A generation_config.json beside an adapter: an end of its own ends answers."""

from __future__ import annotations

import json
from pathlib import Path

import gguf
import pytest

from converters.as_gguf import AdapterRequest, plan_adapters
from converters.conversion_plan import make_plan
from converters.pipeline import convert
from converters.request import ConversionRequest
from devtools.checkpoints.peft import LAYER, pair, save_adapter
from devtools.checkpoints.tiny import TINY, write_tiny
from edge_med.errors import CheckpointError

Q = pair(f"{LAYER}self_attn.q_proj", 256, 256)
NAME = "generation_config.json"


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_tiny(TINY["multimodal"], tmp_path_factory.mktemp("base") / "tiny")
    (folder / NAME).write_text(json.dumps({"eos_token_id": [1, 107]}))
    return folder


def adapter(folder: Path, ends: int | list[int]) -> Path:
    save_adapter(folder, Q)
    (folder / NAME).write_text(json.dumps({"eos_token_id": ends}))
    return folder


def request(base: Path, out: Path, chest: Path) -> ConversionRequest:
    adapters = ((chest, 1.0),)
    return ConversionRequest(
        source=base, folder=out, quants=("Q8_0",), name="tiny", adapters=adapters
    )


def test_an_end_of_its_own_is_the_models(base: Path, tmp_path: Path) -> None:
    chest = adapter(tmp_path / "chest", [1, 107, 120])
    done = convert(request(base, tmp_path / "out", chest))
    fields = gguf.GGUFReader(tmp_path / "out/tiny-Q8_0.gguf").fields
    assert 120 in fields["edge_med.ends"].contents()
    assert f"adapter/{NAME}" in [file.path for file in done.manifest.source.files]
    assert "adapter_ends" in [one.code for one in done.manifest.source.warnings]


@pytest.mark.parametrize("ends", [1, [107, 1]])
def test_ends_of_the_base_are_not_spoken_of(
    ends: int | list[int], base: Path, tmp_path: Path
) -> None:
    plan = make_plan(request(base, tmp_path, adapter(tmp_path / "chest", ends)))
    assert "adapter_ends" not in [one.code for one in plan.warnings]
    assert f"adapter/{NAME}" not in plan.checkpoint.small.all()


def test_a_gguf_adapter_leaves_the_bases_ends_and_says_so(base: Path, tmp_path: Path) -> None:
    chest = adapter(tmp_path / "chest", 120)
    wanted = AdapterRequest(base=base, folder=tmp_path, adapters=((chest, 1.0),))
    (plan,) = plan_adapters(wanted)
    (said,) = [one.text for one in plan.warnings if one.code == "adapter_ends"]
    assert "the token 120" in said
    assert "a merge does" in said


def test_a_damaged_file_is_told_as_the_adapters(base: Path, tmp_path: Path) -> None:
    chest = save_adapter(tmp_path / "chest", Q)
    (chest / "generation_config.json").write_text("{")
    with pytest.raises(CheckpointError, match="in chest, the adapter's folder") as caught:
        make_plan(request(base, tmp_path, chest))
    assert "remove it from chest" in caught.value.hint
