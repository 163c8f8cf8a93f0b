"""What is said of an adapter's folder, and of a GGUF adapter that lies in one."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from converters.as_gguf import AdapterRequest, plan_adapters, write_adapters
from devtools.checkpoints.adapters import finished, sound_writer
from devtools.checkpoints.peft import (
    EVERYTHING,
    LAYER,
    SETTINGS,
    START,
    TOKENS,
    TOWER,
    Floats,
    pair,
    save_adapter,
    whole,
)
from devtools.checkpoints.tiny import TINY, write_tiny
from edge_med.artifacts.adapters.folder_facts import PeftFacts, peft_facts
from edge_med.artifacts.adapters.gguf_adapter import read_adapter
from edge_med.artifacts.adapters.gguf_comparison import lacking
from edge_med.artifacts.adapters.peft_folder import merge_command, peft_adapter, refuse_peft
from edge_med.artifacts.gguf_facts import inspect
from edge_med.errors import ArtifactError

Q, DOWN = f"{LAYER}self_attn.q_proj", f"{LAYER}mlp.down_proj"
GGUF = {Q: "blk.1.attn_q.weight", DOWN: "blk.1.ffn_down.weight"}
PAIRS = pair(Q, 256, 256) | pair(DOWN, 256, 512)
HEAD = pair(f"{START}lm_head", 704, 256)


def facts_of(folder: Path) -> PeftFacts:
    found = peft_adapter(folder)
    assert found is not None
    return peft_facts(found)


def foreign(path: Path, alpha: float = 2.0) -> Path:
    """What llama.cpp's converter makes of `PAIRS`: the numbers as they are, and one alpha."""
    writer = sound_writer(path, alpha)
    for module, name in GGUF.items():
        for side in "AB":
            writer.add_tensor(f"{name}.lora_{side.lower()}", PAIRS[f"{module}.lora_{side}.weight"])
    return finished(writer, path)


def said(folder: Path, alpha: float = 2.0) -> str:
    path = foreign(folder / "ggml-lora-F32.gguf", alpha)
    return " ".join(lacking(path, read_adapter(path)))


def test_a_folder_is_described_whole(tmp_path: Path) -> None:
    more = {"peft_version": "0.21.2", "lora_alpha": 3}
    folder = save_adapter(tmp_path / "chest", EVERYTHING, **SETTINGS, **more)
    facts = facts_of(folder)
    assert (facts.folder, facts.kind, facts.base) == ("chest", "LORA", "google/tiny")
    assert (facts.peft_version, facts.rslora, facts.dora) == ("0.21.2", True, False)
    assert (facts.ranks, facts.alphas) == ((2,), (3.0, 4.0))
    assert facts.scales == pytest.approx((3 / 2**0.5, 4 / 2**0.5))
    assert (facts.text, facts.head, facts.vision, facts.projector) == (4, 0, 1, 0)
    assert (facts.whole, facts.trained_tokens) == (("blk.1.attn_norm.weight",), 2)
    assert (facts.mergeable, facts.problem, facts.gguf) == (True, None, 2)
    assert sorted(one.name for one in facts.left_out) == [
        "blk.1.attn_norm.weight",
        "token_embd.weight",
        "v.blk.0.attn_q.weight",
    ]
    weights = (folder / "adapter_model.safetensors").read_bytes()
    assert (facts.size, facts.sha256) == (len(weights), hashlib.sha256(weights).hexdigest())


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"peft_type": "LOHA"}, "peft_type = LOHA"),
        ({"init_lora_weights": "pissa"}, "changes the base model"),
        ({"use_hydra": True}, "use_hydra = True"),
        ({"r": 8}, "has rank 8"),
    ],
)
def test_of_what_cannot_be_merged_the_reason_is_told(
    settings: dict[str, Any], words: str, tmp_path: Path
) -> None:
    facts = facts_of(save_adapter(tmp_path / "chest", PAIRS, **settings))
    assert not facts.mergeable
    assert words in str(facts.problem)
    assert facts.size > 0


@pytest.mark.parametrize("damage", ["config", "weights", "pickle"])
def test_a_damaged_folder_is_described_as_far_as_it_goes(damage: str, tmp_path: Path) -> None:
    folder = save_adapter(tmp_path / "chest", PAIRS)
    if damage == "config":
        (folder / "adapter_config.json").write_text("{")
    elif damage == "weights":
        (folder / "adapter_model.safetensors").write_bytes(b"x" * 20)
    else:
        (folder / "adapter_model.safetensors").rename(folder / "adapter_model.bin")
    facts = facts_of(folder)
    assert not facts.mergeable
    assert facts.problem


def test_the_command_that_merges_is_named(tmp_path: Path) -> None:
    folder = save_adapter(tmp_path / "chest x-ray", PAIRS)
    with pytest.raises(ArtifactError, match=r"PEFT adapter \(LORA\) for google/tiny") as caught:
        refuse_peft(folder)
    assert f'edge-med convert BASE --adapter "{folder}" --out' in caught.value.hint
    assert merge_command("chest").startswith("edge-med convert BASE --adapter chest --out")


def test_an_equal_one_beside_it_is_passed_over(tmp_path: Path) -> None:
    assert said(save_adapter(tmp_path / "chest", PAIRS)) == ""


def test_a_file_that_lies_alone_is_compared_with_nothing(tmp_path: Path) -> None:
    assert said(tmp_path) == ""


def test_a_tower_that_was_left_out_is_missed(tmp_path: Path) -> None:
    tower = pair(f"{TOWER}self_attn.q_proj", 64, 64) | pair(f"{TOWER}self_attn.k_proj", 64, 64)
    folder = save_adapter(tmp_path / "chest", PAIRS | tower)
    text = said(folder)
    assert "in the same folder: 2 tensors of the vision tower" in text
    assert text.endswith(merge_command(folder))
    assert "about texts" not in text


@pytest.mark.parametrize(
    "more", [HEAD, {f"{TOKENS}.weight": whole(5, 704, 256)}], ids=["head", "embedding"]
)
def test_head_and_embedding_are_missed_in_texts_too(
    more: dict[str, Floats], tmp_path: Path
) -> None:
    assert "answers about texts differ" in said(save_adapter(tmp_path / "chest", PAIRS | more))


def test_a_norm_is_missed(tmp_path: Path) -> None:
    norm = {f"{LAYER}input_layernorm.weight": whole(3, 256)}
    assert "in the same folder: 1 tensor of the text model" in said(
        save_adapter(tmp_path / "chest", PAIRS | norm)
    )


def test_magnitudes_are_missed(tmp_path: Path) -> None:
    dora = {f"{module}.lora_magnitude_vector": 1 + abs(whole(8, 256)) for module in GGUF}
    folder = save_adapter(tmp_path / "chest", PAIRS | dora, use_dora=True)
    assert "in the same folder: 2 tensors of the text model" in said(folder)


def test_a_forgotten_rslora_is_told_with_the_scale_that_makes_up_for_it(tmp_path: Path) -> None:
    text = said(save_adapter(tmp_path / "chest", PAIRS, use_rslora=True))
    assert "doesn't know of use_rslora" in text
    assert "with a scale of 1.414 " in text


def test_forgotten_patterns_are_told(tmp_path: Path) -> None:
    text = said(save_adapter(tmp_path / "chest", PAIRS, alpha_pattern={"q_proj": 16}))
    assert "doesn't know of alpha_pattern: 1 of its 2 pairs" in text
    assert "no scale is right" in text


NARROWER = {name: v[:, :1] if "_B" in name else v[:1] for name, v in PAIRS.items()}


@pytest.mark.parametrize(("tensors", "rank"), [(pair(Q, 256, 256), 2), (NARROWER, 1)])
def test_what_was_made_of_another_adapter_is_told(
    tensors: dict[str, Floats], rank: int, tmp_path: Path
) -> None:
    folder = save_adapter(tmp_path / "chest", tensors, r=rank, use_rslora=True)
    assert said(folder).endswith(
        "was made of another adapter than chest, which is in the same folder."
    )


@pytest.mark.parametrize("name", ["chest.gguf", "chest-F16-LoRA.gguf", "chest.v2.gguf"])
def test_a_folder_beside_it_with_which_its_name_begins_is_compared(
    name: str, tmp_path: Path
) -> None:
    save_adapter(tmp_path / "chest", PAIRS | pair(f"{TOWER}self_attn.q_proj", 64, 64))
    save_adapter(tmp_path / "che", PAIRS)
    path = foreign(tmp_path / name)
    (text,) = lacking(path, read_adapter(path))
    assert "chest, the adapter in the same folder: 1 tensor of the vision tower" in text
    assert f"--adapter {tmp_path / 'chest'} --out" in text


def test_of_ranks_by_several_patterns_the_tensors_choose(tmp_path: Path) -> None:
    ranks = {"layers.1.self_attn.q_proj": 5, "q_proj": 2}  # PEFT sorts them when it saves
    assert facts_of(save_adapter(tmp_path / "chest", PAIRS, rank_pattern=ranks)).mergeable


def test_another_alpha_is_of_another_training(tmp_path: Path) -> None:
    text = said(save_adapter(tmp_path / "chest", PAIRS), alpha=16)
    assert "has an alpha of 16, and the adapter_config.json in its folder one of 2" in text
    assert "doesn't know" not in text


def test_a_file_of_ours_that_was_made_of_other_weights_is_told(tmp_path: Path) -> None:
    base = write_tiny(TINY["multimodal"], tmp_path / "base")
    folder = save_adapter(tmp_path / "chest", PAIRS)
    request = AdapterRequest(base=base, folder=folder, adapters=((folder, 0.5),), name="x")
    write_adapters(plan_adapters(request), request)
    file = folder / "x.gguf"
    assert (lacking(file, read_adapter(file)), inspect(file).strength) == ((), 0.5)
    save_adapter(folder, {name: 2 * values for name, values in PAIRS.items()})
    (text,) = lacking(file, read_adapter(file))
    assert "made of other weights than those of" in text


def test_a_folder_with_nothing_but_a_named_adapter_is_told_as_that(tmp_path: Path) -> None:
    chest = save_adapter(tmp_path / "run" / "chest", PAIRS)
    with pytest.raises(ArtifactError, match="and no GGUF adapter") as caught:
        refuse_peft(tmp_path / "run", wanted="GGUF adapter")
    assert str(chest) in caught.value.hint
    (tmp_path / "run" / "config.json").write_text("{}")
    assert peft_adapter(tmp_path / "run") is None


def test_a_start_that_changed_the_base_is_told(tmp_path: Path) -> None:
    folder = save_adapter(tmp_path / "chest", PAIRS, init_lora_weights="pissa")
    assert "init_lora_weights = pissa" in said(folder)


def test_a_file_of_ours_has_its_scales_and_lacks_what_it_left_out(tmp_path: Path) -> None:
    base = write_tiny(TINY["multimodal"], tmp_path / "base")
    tower = pair(f"{TOWER}self_attn.q_proj", 64, 64)
    settings: dict[str, Any] = {"use_rslora": True, "alpha_pattern": {"q_proj": 16}}
    for number, tensors in enumerate((PAIRS, PAIRS | tower)):
        folder = save_adapter(tmp_path / f"chest{number}", tensors, **settings)
        request = AdapterRequest(base=base, folder=folder, adapters=((folder, 1.0),), name="x")
        write_adapters(plan_adapters(request), request)
        found = lacking(folder / "x.gguf", read_adapter(folder / "x.gguf"))
        assert [("vision" in text, "pattern" in text) for text in found] == [(True, False)] * number


@pytest.mark.parametrize("factor", [1, 0.5])
def test_a_file_of_others_that_was_made_before_more_training_is_told(
    factor: float, tmp_path: Path
) -> None:
    later = {
        n: values + (n.endswith("_B.weight") and whole(9, *values.shape))
        for n, values in PAIRS.items()
    }
    folder = save_adapter(tmp_path / "chest", later)
    assert "was made of other weights than those of chest in the same folder" in said(folder)
    save_adapter(folder, {name: factor * values for name, values in PAIRS.items()})
    assert said(folder) == ""


def test_of_a_large_file_some_numbers_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, read = save_adapter(tmp_path / "chest", PAIRS), []
    known = np.fromfile

    def watched(path: Path, kind: Any, count: int, *, offset: int) -> Any:
        read.append(count)
        return known(path, kind, count, offset=offset)

    monkeypatch.setattr(np, "fromfile", watched)
    assert said(folder) == ""
    assert max(read) <= 1024
