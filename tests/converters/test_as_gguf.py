"""What of a PEFT adapter is in the GGUF file that is made of it, and what isn't."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from converters.as_gguf import AdapterPlan, AdapterRequest, plan_adapters, write_adapters
from converters.writer import FileWriter
from devtools.checkpoints.adapters import Lora, gguf_tensors, write_peft
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
    tensors_of,
    whole,
)
from devtools.checkpoints.tiny import TINY, write_tiny
from edge_med.artifacts.adapters.gguf_adapter import read_adapter
from edge_med.artifacts.gguf import read_header
from edge_med.errors import CheckpointError, DiskShortError, EdgeMedError, InputError, UsageError

Tensors = dict[str, Floats]


def planned(base: Path, out: Path, *folders: Path, **more: Any) -> tuple[AdapterPlan, ...]:
    adapters = tuple((folder, more.pop("strength", 1.0)) for folder in folders)
    return plan_adapters(AdapterRequest(base=base, folder=out, adapters=adapters, **more))


def written(base: Path, out: Path, folder: Path, strength: float = 1.0, **more: Any) -> Path:
    """The file that an adapter becomes."""
    request = AdapterRequest(base=base, folder=out, adapters=((folder, strength),), **more)
    (entry,) = write_adapters(plan_adapters(request), request)
    return out / entry.path


def test_a_plain_one_has_the_very_numbers_of_peft(tmp_path: Path) -> None:
    """The reference: what convert_lora_to_gguf.py writes (tests/reference/test_adapters.py)."""
    base = write_tiny(TINY["text"], tmp_path / "base")
    lora = Lora(seed=1, rank=3)
    file = written(base, tmp_path / "out", write_peft(lora, TINY["text"], tmp_path / "chest"))
    found, expected = tensors_of(file.parent), gguf_tensors(lora, TINY["text"])
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values)
    assert read_adapter(file).alpha == lora.alpha


Q = f"{LAYER}self_attn.q_proj"


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny(TINY["multimodal"], tmp_path_factory.mktemp("base") / "tiny")


@given(
    rank=st.integers(1, 9),
    alpha=st.floats(0.01, 300),
    own=st.none() | st.floats(0.01, 300),
    rslora=st.booleans(),
    strength=st.floats(-3, 3).filter(lambda value: abs(value) > 0.01),
)
@settings(max_examples=15)
def test_scales_of_any_kind_are_in_what_it_adds(
    rank: int,
    alpha: float,
    own: float | None,
    rslora: bool,
    strength: float,
    base: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder, tensors = tmp_path_factory.mktemp("any"), pair(Q, 256, 256, rank)
    patterns = {"self_attn.q_proj": own} if own else {}
    config = {"r": rank, "lora_alpha": alpha, "alpha_pattern": patterns, "use_rslora": rslora}
    file = written(base, folder, save_adapter(folder / "chest", tensors, **config), strength)
    a, b = (tensors_of(folder)[f"blk.1.attn_q.weight.lora_{side}"] for side in "ab")
    scale = (own or alpha) / (rank**0.5 if rslora else rank)
    added = read_adapter(file).alpha / rank * b.astype(np.float64) @ a
    wanted = tensors[f"{Q}.lora_B.weight"].astype(np.float64) @ tensors[f"{Q}.lora_A.weight"]
    tiny = 1e-5 * abs(strength * scale)  # B is rounded once more where its scale isn't the file's
    np.testing.assert_allclose(added, strength * scale * wanted, rtol=1e-6, atol=tiny)


def test_what_it_leaves_out_is_told_tensor_by_tensor(base: Path, tmp_path: Path) -> None:
    chest = save_adapter(tmp_path / "chest", EVERYTHING, **SETTINGS)
    (plan,) = planned(base, tmp_path, chest)
    assert sorted(plan.division.tensors) == ["blk.1.attn_q.weight", "blk.1.ffn_down.weight"]
    assert {one.name: (one.reason.split()[0], one.of_text) for one in plan.division.left} == {
        "v.blk.0.attn_q.weight": ("llama.cpp", False),
        "blk.1.attn_norm.weight": ("it", True),
        "token_embd.weight": ("rows", True),
    }
    (warning,) = plan.warnings
    assert "changed in 2 tensors of the text model, 1 of the vision tower" in warning.text
    assert "Answers about texts differ without 2 of them" in warning.text
    assert f"edge-med convert BASE --adapter {chest} --out" in warning.text


def test_without_the_vision_tower_alone_texts_are_not_spoken_of(base: Path, tmp_path: Path) -> None:
    tensors = pair(Q, 256, 256) | pair(f"{TOWER}self_attn.q_proj", 64, 64)
    (plan,) = planned(base, tmp_path, save_adapter(tmp_path / "chest", tensors))
    assert "Answers about texts" not in plan.warnings[0].text


def test_of_dora_nothing_is_held(base: Path, tmp_path: Path) -> None:
    tensors = pair(Q, 256, 256) | {f"{Q}.lora_magnitude_vector": 1 + abs(whole(8, 256))}
    chest = save_adapter(tmp_path / "chest", tensors, use_dora=True)
    with pytest.raises(CheckpointError, match=r"can hold: .*DoRA") as caught:
        planned(base, tmp_path, chest)
    assert "--adapter" in caught.value.hint


@pytest.mark.parametrize(("tied", "held"), [(True, False), (False, True)])
def test_a_head_is_held_where_it_is_one_of_its_own(tied: bool, held: bool, tmp_path: Path) -> None:
    tiny = dataclasses.replace(
        TINY["untied"], text=dataclasses.replace(TINY["untied"].text, tied=tied)
    )
    source = write_tiny(tiny, tmp_path / "base")
    tensors = pair(Q, 256, 256) | pair(f"{START}lm_head", tiny.text.vocabulary, 256)
    (plan,) = planned(source, tmp_path, save_adapter(tmp_path / "chest", tensors))
    assert ("output.weight" in plan.division.tensors) is held


def test_the_embedding_is_left_out(base: Path, tmp_path: Path) -> None:
    rows = TINY["multimodal"].text.vocabulary
    table = {
        f"{TOKENS}.lora_embedding_A": whole(6, 2, rows),
        f"{TOKENS}.lora_embedding_B": whole(7, 256, 2),
    }
    (plan,) = planned(base, tmp_path, save_adapter(tmp_path / "c", pair(Q, 256, 256) | table))
    assert [one.name for one in plan.division.left] == ["token_embd.weight"]


def test_the_base_needs_no_more_than_its_config(base: Path, tmp_path: Path) -> None:
    alone = tmp_path / "alone"
    alone.mkdir()
    (alone / "config.json").write_bytes((base / "config.json").read_bytes())
    chest = save_adapter(tmp_path / "chest", pair(Q, 256, 256))
    assert written(alone, tmp_path / "out", chest).is_file()


def test_it_says_what_it_was_made_of_and_whose_terms_hold(base: Path, tmp_path: Path) -> None:
    chest = save_adapter(
        tmp_path / "chest",
        pair(Q, 256, 256),
        base_model_name_or_path="/home/somebody/medgemma-4b-it",
    )
    header = read_header(written(base, tmp_path / "out", chest, name="lungs"))
    assert header.text("general.name") == "lungs"
    assert header.text("general.base_model.0.name") == "medgemma-4b-it"
    assert "Health AI Developer Foundations" in str(header.text("edge_med.notice"))
    assert "somebody" not in json.dumps([str(v) for v in header.metadata.values()])


def test_f16_is_half_as_large_and_near(base: Path, tmp_path: Path) -> None:
    chest = save_adapter(
        tmp_path / "chest", {k: np.float32(1 / 7) * v for k, v in pair(Q, 256, 256).items()}
    )
    sizes = {}
    for kind in ("F32", "F16"):
        written(base, tmp_path / kind, chest, kind=kind)
        sizes[kind] = tensors_of(tmp_path / kind)
    for name, values in sizes["F32"].items():
        np.testing.assert_allclose(sizes["F16"][name], values, rtol=1e-3)
    header = read_header(tmp_path / "F16/chest.gguf")
    assert {tensor.type.name for tensor in header.tensors} == {"F16"}


HUGE = {name: values * np.float32(1e5) for name, values in pair(Q, 256, 256).items()}
REFUSED: dict[str, tuple[Tensors, dict[str, Any], type[EdgeMedError], str]] = {
    "the tower alone": (pair(f"{TOWER}mlp.fc1", 144, 64), {}, CheckpointError, "chest has nothing"),
    "no effect": (
        {n: 0 * v if "_B" in n else v for n, v in pair(Q, 256, 256).items()},
        {},
        CheckpointError,
        "changes nothing of the text model",
    ),
    "another width": (pair(Q, 256, 128), {}, CheckpointError, "has the shape"),
    "a layer too far": (
        pair(f"{START}model.layers.7.mlp.up_proj", 512, 256),
        {},
        CheckpointError,
        "lacks",
    ),
    "too large for F16": (HUGE, {"kind": "F16"}, CheckpointError, "F16 can't hold"),
    "another type": (pair(Q, 256, 256), {"kind": "Q4_0"}, UsageError, "can't be Q4_0"),
    "no strength": (pair(Q, 256, 256), {"strength": 0.0}, UsageError, "have the scale 0"),
    "a name that is a path": (pair(Q, 256, 256), {"name": "../x"}, UsageError, "the name of"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_is_refused_and_nothing_is_left(
    case: str, base: Path, tmp_path: Path
) -> None:
    tensors, more, error, words = REFUSED[case]
    chest = save_adapter(tmp_path / "chest", tensors)
    with pytest.raises(error, match=words):
        written(base, tmp_path / "out", chest, **more)
    assert not [*tmp_path.glob("out/*.gguf*")]


def test_two_of_one_name_are_refused(base: Path, tmp_path: Path) -> None:
    folders = [save_adapter(tmp_path / n / "chest", pair(Q, 256, 256)) for n in "ab"]
    with pytest.raises(UsageError, match="Two adapters have the name chest"):
        planned(base, tmp_path, *folders)


def test_a_file_that_is_there_is_replaced_by_force_alone(base: Path, tmp_path: Path) -> None:
    chest = save_adapter(tmp_path / "chest", pair(Q, 256, 256))
    before = written(base, tmp_path / "out", chest).read_bytes()
    with pytest.raises(InputError, match=r"chest\.gguf exists already"):
        written(base, tmp_path / "out", chest, strength=2.0)
    assert written(base, tmp_path / "out", chest, strength=2.0, force=True).read_bytes() != before


def test_a_full_disk_leaves_the_old_file(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chest = save_adapter(tmp_path / "chest", pair(Q, 256, 256))
    before = written(base, tmp_path / "out", chest).read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(FileWriter, "_write_all", full)
    with pytest.raises(DiskShortError):
        written(base, tmp_path / "out", chest, strength=2.0, force=True)
    assert [p.name for p in (tmp_path / "out").glob("*.gguf*")] == ["chest.gguf"]
    assert (tmp_path / "out/chest.gguf").read_bytes() == before


def test_what_a_killed_run_left_is_removed_and_nothing_else(base: Path, tmp_path: Path) -> None:
    chest, out = save_adapter(tmp_path / "chest", pair(Q, 256, 256)), tmp_path / "out"
    first = written(base, out, chest, name="first")
    first.rename(out / "first.gguf.partial")
    (out / "others.gguf.partial").write_bytes(b"GGUF of somebody else")
    written(base, out, chest)
    there = sorted(path.name for path in out.glob("*.gguf*"))
    assert there == ["chest.gguf", "others.gguf.partial"]


def test_several_become_a_file_each(base: Path, tmp_path: Path) -> None:
    folders = [save_adapter(tmp_path / name, pair(Q, 256, 256)) for name in ("chest", "skin")]
    request = AdapterRequest(
        base=base, folder=tmp_path / "out", adapters=tuple((f, 1.0) for f in folders)
    )
    entries = write_adapters(plan_adapters(request), request)
    assert [entry.path for entry in entries] == ["chest.gguf", "skin.gguf"]


def test_another_chat_template_is_reported(base: Path, tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    (own / "config.json").write_bytes((base / "config.json").read_bytes())
    chest = save_adapter(
        tmp_path / "chest", pair(Q, 256, 256), base_model_name_or_path="google/own"
    )
    (chest / "chat_template.jinja").write_text("<|im_start|>")
    for template, codes in (("", []), ("<start_of_turn>", ["adapter_template"])):
        if template:
            (own / "chat_template.jinja").write_text(template)
        (plan,) = planned(own, tmp_path, chest)
        assert [one.code for one in plan.warnings] == codes


def test_another_base_is_reported(base: Path, tmp_path: Path) -> None:
    named = "unsloth/medgemma-bnb-4bit"
    chest = save_adapter(tmp_path / "chest", pair(Q, 256, 256), base_model_name_or_path=named)
    (plan,) = planned(base, tmp_path, chest, source_id="google/medgemma")
    assert [one.code for one in plan.warnings] == ["adapter_four_bits"]
    (plan,) = planned(base, tmp_path, chest, source_id="google/gemma")
    assert [one.code for one in plan.warnings] == ["adapter_four_bits", "adapter_base"]


def test_a_trainers_folder_names_the_adapters_inside(base: Path, tmp_path: Path) -> None:
    for name in ("checkpoint-100", "checkpoint-20"):
        save_adapter(tmp_path / "run" / name, pair(Q, 256, 256))
    with pytest.raises(CheckpointError, match="holds 2 adapters") as caught:
        planned(base, tmp_path, tmp_path / "run")
    assert caught.value.hint.endswith("checkpoint-100.")
