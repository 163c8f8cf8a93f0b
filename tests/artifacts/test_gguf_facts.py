"""The facts are those of the config that the file was made from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from devtools.checkpoints.adapters import Lora, write_peft
from devtools.checkpoints.tiny import PADDED_VOCABULARY, Tiny
from devtools.golden.conversations import REAL, TINY
from edge_med.artifacts import gguf_facts as inspecting
from edge_med.artifacts.adapters.peft_folder import peft_adapter
from edge_med.artifacts.gguf_facts import GEMMA_3_TEMPLATE, inspect
from edge_med.errors import ArtifactError
from tests.conftest import Models


def test_a_text_model(model: Models) -> None:
    facts = inspect(model("multimodal", "Q8_0") / "multimodal-Q8_0.gguf")
    assert (facts.role, facts.architecture, facts.quant) == ("text", "gemma3", "Q8_0")
    assert (facts.layers, facts.hidden, facts.heads, facts.key_value_heads) == (6, 256, 4, 2)
    assert (facts.vocabulary, facts.context, facts.window) == (PADDED_VOCABULARY, 512, 32)
    assert facts.template_sha256 is not None
    assert {total.type for total in facts.types} == {"Q8_0", "F32"}
    assert facts.notice is not None
    assert "modified from the original" in facts.notice


def test_a_projector(model: Models) -> None:
    facts = inspect(model("multimodal", "Q8_0") / "multimodal-mmproj-F16.gguf")
    assert (facts.role, facts.architecture, facts.quant) == ("projector", "clip", "F16")
    assert (facts.layers, facts.hidden, facts.image_size, facts.image_tokens) == (2, 256, 56, 4)
    assert facts.vocabulary is None


def test_a_template_is_known_to_the_letter_and_judged_by_its_turns(
    model: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = model("text", "F32") / "text-F32.gguf"
    facts = inspect(path)
    assert facts.template_known is False, "the tiny checkpoints bring their own"
    assert facts.turns == "gemma", "which writes Gemma's turns"
    monkeypatch.setattr(inspecting, "GEMMA_3_TEMPLATE", facts.template_sha256)
    assert inspect(path).template_known is True


def test_without_a_template_nothing_is_said_of_it(model: Models) -> None:
    facts = inspect(model("multimodal", "Q8_0") / "multimodal-mmproj-F16.gguf")
    assert (facts.template_sha256, facts.template_known, facts.turns) == (None, None, None)


@pytest.mark.parametrize("path", [TINY, REAL], ids=["tiny", "real"])
def test_the_known_template_is_the_one_that_the_golden_ids_come_from(path: Path) -> None:
    made_with = json.loads(path.read_text("utf-8"))["made_with"]
    assert made_with["template_sha256"] == GEMMA_3_TEMPLATE


def test_a_peft_folder_is_told_as_one(tmp_path: Path) -> None:
    folder = write_peft(Lora(seed=1), Tiny(), tmp_path / "chest")
    with pytest.raises(ArtifactError, match="PEFT adapter"):
        inspect(folder)


@pytest.mark.parametrize("text", ["{", "[]", '{"peft_type": 1}', ""])
def test_a_peft_folder_with_damaged_settings_is_one_all_the_same(text: str, tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text(text)
    found = peft_adapter(tmp_path)
    assert found is not None
    assert "a PEFT adapter for a model that it doesn't name" in found.words
