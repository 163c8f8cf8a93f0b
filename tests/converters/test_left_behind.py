"""Checkpoints as other tools leave them behind: the rows of the table in docs/guide/conversion.md.

Each becomes what the same model makes when it is saved cleanly, tensor by tensor, and what was
contradictory is reported; or it is refused by a message that names what is wrong.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from converters.conversion_plan import ConversionPlan, make_plan
from converters.pipeline import convert
from converters.request import ConversionRequest
from devtools.checkpoints.adapters import Lora, write_peft
from devtools.checkpoints.changes import Weights, change_json, head_of, renamed, written
from devtools.checkpoints.safetensors import write_safetensors
from devtools.checkpoints.tiny import TINY, stored_weights, write_tiny
from edge_med.artifacts import manifest as manifests
from edge_med.artifacts.chat_template import WORDS
from edge_med.errors import CheckpointError
from tests.conftest import Checkpoints

TEXT, SEEING = TINY["text"], TINY["multimodal"]
CONFIG = "config.json"
ROOT = Path(__file__).parents[2]
Change = Callable[[Weights], Weights]


def plan_of(source: Path, **more: Any) -> ConversionPlan:
    return make_plan(
        ConversionRequest(source=source, folder=source.parent, quants=("F16",), **more)
    )


def codes(plan: ConversionPlan) -> list[str]:
    return [one.code for one in plan.warnings]


def hashes(source: Path, folder: Path, **more: Any) -> dict[str, str]:
    """What a conversion's tensors hold, by their names."""
    request = ConversionRequest(source=source, folder=folder, quants=("F16",), name="x", **more)
    files = convert(request).manifest.files
    return {tensor.name: tensor.sha256 for file in files for tensor in file.tensors}


@pytest.fixture(scope="session")
def clean(
    checkpoint: Checkpoints, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], dict[str, str]]:
    """The tensors of a tiny checkpoint that was saved cleanly."""
    made: dict[str, dict[str, str]] = {}

    def get(name: str) -> dict[str, str]:
        if name not in made:
            made[name] = hashes(checkpoint(name), tmp_path_factory.mktemp("clean"))
        return made[name]

    return get


Clean = Callable[[str], dict[str, str]]

SAME: dict[str, tuple[str, Change, str]] = {
    "DataParallel's prefix": ("text", lambda w: renamed(w, "module.{}".format), "names"),
    "torch.compile's prefix": ("text", lambda w: renamed(w, "_orig_mod.{}".format), "names"),
    "PEFT's prefix": ("text", lambda w: renamed(w, "base_model.model.{}".format), "names"),
    "the text model inside the whole one": (
        "multimodal",
        lambda w: renamed(w, lambda n: n.replace("language_model.", "model.language_model.", 1)),
        "",
    ),
    "buffers, one of them a scalar": (
        "multimodal",
        lambda w: (
            w
            | {
                "vision_tower.vision_model.embeddings.position_ids": ("I64", np.arange(16)),
                "language_model.model.embed_tokens.embed_scale": ("F32", np.array(16, np.float32)),
            }
        ),
        "buffers",
    ),
    "a tied head stored once more": (
        "multimodal",
        lambda w: head_of(w, like_embedding=True),
        "",
    ),
    "MLX's order of the patch embedding": (
        "multimodal",
        lambda w: {
            name: (kind, np.ascontiguousarray(values.transpose(0, 2, 3, 1)))
            if name.endswith("patch_embedding.weight")
            else (kind, values)
            for name, (kind, values) in w.items()
        },
        "mlx",
    ),
}


@pytest.mark.parametrize("case", SAME)
def test_tensors_are_those_of_a_clean_save(case: str, clean: Clean, tmp_path: Path) -> None:
    name, change, code = SAME[case]
    source = written(TINY[name], tmp_path / "left", change)
    assert hashes(source, tmp_path / "out") == clean(name)
    assert codes(plan_of(source)) == [code] * bool(code)


CONFIGS: dict[str, tuple[str, Callable[[dict[str, Any]], object], str]] = {
    "a quantization_config over weights that aren't quantized": (
        "text",
        lambda c: c.update(quantization_config={"quant_method": "bitsandbytes"}),
        "quantization_config",
    ),
    "a quantization_config of null": ("text", lambda c: c.update(quantization_config=None), ""),
    "the text model's architecture over a whole model": (
        "multimodal",
        lambda c: c.update(architectures=["Gemma3ForCausalLM"]),
        "architecture",
    ),
    "no architecture": ("multimodal", lambda c: c.pop("architectures"), "architecture"),
    "an architecture of null": ("text", lambda c: c.update(architectures=None), "architecture"),
    "no vocab_size": ("multimodal", lambda c: c["text_config"].pop("vocab_size"), "vocabulary"),
    "a vocab_size over the embedding's rows": (
        "text",
        lambda c: c.update(vocab_size=1 << 20),
        "vocabulary",
    ),
}


@pytest.mark.parametrize("case", CONFIGS)
def test_tensors_decide_where_config_json_says_otherwise(
    case: str, clean: Clean, tmp_path: Path
) -> None:
    name, change, code = CONFIGS[case]
    source = write_tiny(TINY[name], tmp_path / "left")
    change_json(source / CONFIG, change)
    assert hashes(source, tmp_path / "out") == clean(name)
    assert codes(plan_of(source)) == [code] * bool(code)


def test_text_weights_alone_become_the_text_model(clean: Clean, tmp_path: Path) -> None:
    def text_alone(weights: Weights) -> Weights:
        return {n: values for n, values in weights.items() if n.startswith("language_model.")}

    source = written(SEEING, tmp_path / "left", text_alone)
    (source / "preprocessor_config.json").unlink()
    plan = plan_of(source)
    assert [file.role for file in plan.files] == ["text"]
    assert "no_vision" in codes(plan)
    whole = clean("multimodal")
    assert hashes(source, tmp_path / "out").items() <= whole.items()


def test_a_vision_tower_without_vision_config_is_refused(tmp_path: Path) -> None:
    source = write_tiny(SEEING, tmp_path / "left")
    change_json(source / CONFIG, lambda c: c.pop("vision_config"))
    with pytest.raises(CheckpointError, match=r"config\.json has no vision_config"):
        plan_of(source)


@pytest.mark.parametrize("seeing", [False, True])
def test_a_head_of_its_own_is_written_whatever_config_json_says(
    seeing: bool, tmp_path: Path
) -> None:
    tiny = SEEING if seeing else TEXT
    source = written(tiny, tmp_path / "left", lambda w: head_of(w, like_embedding=False))
    own = hashes(source, tmp_path / "tied")
    assert codes(plan_of(source)) == ["head"]
    change_json(source / CONFIG, lambda c: c.update(tie_word_embeddings=False))
    assert own == hashes(source, tmp_path / "untied")
    assert "output.weight" in own


def test_a_head_that_differs_beyond_the_vocabulary_alone_is_the_embedding(tmp_path: Path) -> None:
    def padded(weights: Weights) -> Weights:
        whole = head_of(weights, like_embedding=True)
        kind, values = whole["lm_head.weight"]
        values = values.copy()
        values[700:] = 0
        return whole | {"lm_head.weight": (kind, values)}

    source = written(TEXT, tmp_path / "left", padded)
    change_json(source / CONFIG, lambda c: c.update(vocab_size=700))
    assert "output.weight" not in [t.name for t in plan_of(source).files[0].tensors]


def test_an_index_may_name_a_tied_head_that_no_shard_has(
    checkpoint: Checkpoints, tmp_path: Path
) -> None:
    source = shutil.copytree(checkpoint("multimodal"), tmp_path / "left")
    shard = next(source.glob("model-*.safetensors")).name
    index = source / "model.safetensors.index.json"
    change_json(index, lambda i: i["weight_map"].update({"lm_head.weight": shard}))
    assert codes(plan_of(source)) == []


def test_an_index_whose_shards_are_gone_is_passed_over(clean: Clean, tmp_path: Path) -> None:
    source = write_tiny(SEEING, tmp_path / "left")
    for shard in source.glob("model-*.safetensors"):
        shard.unlink()
    write_safetensors(source / "model.safetensors", stored_weights(SEEING, "BF16"))
    plan = plan_of(source)
    assert codes(plan) == ["stale_index"]
    assert "as transformers does" in plan.warnings[0].text
    assert hashes(source, tmp_path / "out") == clean("multimodal")


def test_shards_beside_another_saves_index_are_taken_by_their_names(tmp_path: Path) -> None:
    source = write_tiny(SEEING, tmp_path / "left")
    index = source / "model.safetensors.index.json"
    index.write_text(index.read_text().replace("-of-00003", "-of-00009"))
    plan = plan_of(source)
    assert codes(plan) == ["stale_index"]
    assert "are taken by their names" in plan.warnings[0].text


def test_two_sets_of_weights_are_refused_with_names_and_dates(tmp_path: Path) -> None:
    source = write_tiny(SEEING, tmp_path / "left")
    write_safetensors(source / "model.safetensors", stored_weights(SEEING, "BF16"))
    for path in source.glob("model-*"):
        os.utime(path, (1.7e9, 1.7e9))
    with pytest.raises(CheckpointError) as caught:
        plan_of(source)
    assert "two sets of weights: model.safetensors (written " in caught.value.message
    assert "model-00001-of-00003.safetensors" in caught.value.message
    assert "2023-11-1" in caught.value.message


def test_shards_without_an_index_must_be_as_many_as_they_say(tmp_path: Path) -> None:
    source = write_tiny(SEEING, tmp_path / "left")
    (source / "model.safetensors.index.json").unlink()
    assert codes(plan_of(source)) == []
    (source / "model-00002-of-00003.safetensors").unlink()
    with pytest.raises(CheckpointError, match="has 2 of 3 shards"):
        plan_of(source)


def test_weights_under_another_name_are_named(tmp_path: Path) -> None:
    source = write_tiny(TEXT, tmp_path / "left")
    (source / "model.safetensors").rename(source / "merged.safetensors")
    with pytest.raises(CheckpointError, match=r"only merged\.safetensors") as caught:
        plan_of(source)
    assert "call it model.safetensors" in caught.value.hint


@pytest.mark.parametrize("with_config", [False, True])
def test_a_peft_folder_is_told_as_one(with_config: bool, tmp_path: Path) -> None:
    source = write_peft(Lora(seed=1), TEXT, tmp_path / "adapter")
    if with_config:
        (source / CONFIG).write_text("{}")
    with pytest.raises(CheckpointError, match=r"adapter is a PEFT adapter \(LORA\) for tiny") as e:
        plan_of(source)
    assert "Merge it into its base" in e.value.hint


def test_adapter_files_beside_weights_are_told_unless_they_are_merged(tmp_path: Path) -> None:
    source = write_tiny(TEXT, tmp_path / "left")
    for path in write_peft(Lora(seed=1), TEXT, tmp_path / "adapter").iterdir():
        shutil.copy(path, source)
    (warning,) = plan_of(source).warnings
    assert (warning.code, "(adapter_model.safetensors)" in warning.text) == ("adapter_beside", True)
    assert "--adapter with this folder" in warning.text
    assert "adapter_beside" not in codes(plan_of(source, adapters=((source, 1.0),)))


def test_a_folder_of_the_hubs_cache_gives_its_main_revision(tmp_path: Path) -> None:
    cached = tmp_path / "models--acme--Tiny"
    write_tiny(TEXT, cached / "snapshots/0a1b2c")
    (cached / "snapshots/3d4e5f").mkdir()
    with pytest.raises(CheckpointError, match="with 2 revisions"):
        plan_of(cached)
    (cached / "refs").mkdir()
    (cached / "refs/main").write_text("0a1b2c")
    plan = plan_of(cached)
    assert plan.files[0].name == "Tiny-F16.gguf"
    assert (plan.request.origin.id, plan.request.origin.revision) == ("acme/Tiny", "0a1b2c")


def test_what_is_told_stands_in_the_manifest(tmp_path: Path) -> None:
    source = written(TEXT, tmp_path / "left", lambda w: renamed(w, "module.{}".format))
    hashes(source, tmp_path / "out")
    manifest = manifests.load(tmp_path / "out")
    assert manifest is not None
    assert [one.code for one in manifest.source.warnings] == ["names"]


def test_docs_have_every_code_and_no_other() -> None:
    finding = r'Finding\(\s*"(\w+)"'
    sources = "".join(path.read_text("utf-8") for path in (ROOT / "converters").rglob("*.py"))
    known = {*re.findall(finding, sources), *(code for code, _ in WORDS.values())}
    page = (ROOT / "docs/guide/conversion.md").read_text("utf-8")
    table = page.partition("| left by |")[2].partition("\n\n")[0]
    rows = [line.rpartition("|")[0].rpartition("|")[2] for line in table.splitlines()[2:]]
    assert {code for row in rows for code in re.findall(r"`(\w+)`", row)} == known
