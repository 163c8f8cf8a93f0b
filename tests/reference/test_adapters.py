"""What llama.cpp's converter makes of PEFT's adapters is what the tests' own files hold."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from gguf import GGUFReader

from converters.as_gguf import AdapterRequest, plan_adapters, write_adapters
from devtools.checkpoints.adapters import PEFT_PREFIX, write_gguf, write_peft
from devtools.checkpoints.safetensors import Weights, write_safetensors
from devtools.checkpoints.tiny import write_tiny
from devtools.golden.adapters import ADAPTERS, CHECKPOINT
from devtools.reference import convert_lora_command, run
from edge_med.artifacts.adapters.gguf_adapter import read_adapter

pytestmark = pytest.mark.reference


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny(CHECKPOINT, tmp_path_factory.mktemp("base") / "tiny")


@pytest.mark.parametrize("kind", ["F32", "F16", "BF16", "Q8_0"])
@pytest.mark.parametrize("name", ADAPTERS)
def test_the_converter_writes_the_same_tensors(
    name: str, kind: str, base: Path, tmp_path: Path
) -> None:
    peft = write_peft(ADAPTERS[name], CHECKPOINT, tmp_path / "peft")
    run(convert_lora_command(peft, base, kind, tmp_path / "theirs.gguf"))
    write_gguf(ADAPTERS[name], CHECKPOINT, tmp_path / "ours.gguf", kind)
    ours, theirs = (GGUFReader(tmp_path / f"{whose}.gguf") for whose in ("ours", "theirs"))
    assert [(t.name, t.tensor_type, t.data.tobytes()) for t in ours.tensors] == [
        (t.name, t.tensor_type, t.data.tobytes()) for t in theirs.tensors
    ]
    for key, field in ours.fields.items():
        if not key.startswith("GGUF."):  # versions and counts
            assert theirs.fields[key].contents() == field.contents()
            assert theirs.fields[key].types == field.types
    assert read_adapter(tmp_path / "theirs.gguf").rank == ADAPTERS[name].rank


def test_convert_as_gguf_writes_the_same_tensors(base: Path, tmp_path: Path) -> None:
    """Of a plain adapter; what it knows besides llama.cpp's converter: test_as_gguf.py."""
    for name, lora in ADAPTERS.items():
        for kind in ("F32", "F16"):
            peft = write_peft(lora, CHECKPOINT, tmp_path / kind / name)
            run(convert_lora_command(peft, base, kind, tmp_path / "theirs.gguf"))
            request = AdapterRequest(
                base=base, folder=tmp_path, adapters=((peft, 1.0),), kind=kind, force=True
            )
            write_adapters(plan_adapters(request), request)
            found = [GGUFReader(tmp_path / file) for file in (f"{name}.gguf", "theirs.gguf")]
            ours, theirs = (
                {t.name: (t.tensor_type, t.data.tobytes()) for t in one.tensors} for one in found
            )
            assert ours == theirs
            for key in ("adapter.type", "adapter.lora.alpha", "general.type"):
                assert found[0].fields[key].contents() == found[1].fields[key].contents()


def more(folder: Path, weights: Weights) -> Path:
    """An adapter in PEFT's form that holds other tensors."""
    folder.mkdir()
    config = {"peft_type": "LORA", "r": 4, "lora_alpha": 2.0}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    write_safetensors(folder / "adapter_model.safetensors", weights)
    return folder


@pytest.mark.parametrize("name", [f"{PEFT_PREFIX}embed_tokens", "base_model.model.lm_head"])
def test_it_refuses_whole_weights_as_docs_say(name: str, base: Path, tmp_path: Path) -> None:
    whole = ("F32", np.ones((CHECKPOINT.text.vocabulary, CHECKPOINT.text.hidden), np.float32))
    peft = more(tmp_path / "peft", {f"{name}.weight": whole})
    with pytest.raises(RuntimeError, match="Embeddings is present in the adapter"):
        run(convert_lora_command(peft, base, "F32", tmp_path / "x.gguf"))


def test_it_leaves_the_vision_tower_out_without_a_word_as_docs_say(
    base: Path, tmp_path: Path
) -> None:
    module = "base_model.model.model.vision_tower.encoder.layers.0.self_attn.q_proj"
    pair = (np.ones(shape, np.float32) for shape in ((4, 64), (64, 4)))
    sides = zip(("A", "B"), pair, strict=True)
    vision: Weights = {f"{module}.lora_{side}.weight": ("F32", v) for side, v in sides}
    peft = more(tmp_path / "peft", vision)
    run(convert_lora_command(peft, base, "F32", tmp_path / "x.gguf"))
    assert GGUFReader(tmp_path / "x.gguf").tensors == []
