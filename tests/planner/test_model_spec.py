"""A model can be planned from its files, from a config.json alone, or from its name alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_med.errors import CheckpointError, UsageError
from edge_med.planner.model_spec import find
from edge_med.planner.sizes import tensor_bytes
from edge_med.units import GIB
from tests.conftest import Checkpoints, Models


def test_a_checkpoint_is_planned_as_it_will_be_converted(
    checkpoint: Checkpoints, model: Models
) -> None:
    files = find(str(model("multimodal", "Q4_K_M")))
    for source in (checkpoint("multimodal"), checkpoint("multimodal") / "config.json"):
        draft = find(str(source), "Q4_K_M")
        assert (draft.name, draft.quant) == ("multimodal", "Q4_K_M")
        assert tensor_bytes(draft.text) == tensor_bytes(files.text)
        assert draft.projector is not None
        assert files.projector is not None
        assert tensor_bytes(draft.projector) == tensor_bytes(files.projector)


def test_a_config_needs_no_weights_and_no_other_file(
    checkpoint: Checkpoints, tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_bytes((checkpoint("text") / "config.json").read_bytes())
    found = find(str(tmp_path))
    assert found.quant == "Q4_K_M"
    assert found.projector is None


def test_of_a_folder_the_quant_that_is_asked_for_is_taken(model: Models) -> None:
    folder = model("text", "Q8_0", "Q4_K_M")
    assert find(str(folder)).quant == "Q4_K_M"
    found = find(str(folder), "Q8_0")
    assert found.quant == "Q8_0"
    assert found.text.text("general.quantized_by")  # a real header


def test_a_file_is_called_without_its_quant(model: Models, tmp_path: Path) -> None:
    file = model("text", "Q8_0") / "text-Q8_0.gguf"
    assert find(str(file)).name == "text"
    blob = tmp_path / f"sha256-{0:064}"
    blob.write_bytes(file.read_bytes())
    assert find(str(blob)).name == find(str(file)).text.text("general.name")


def test_a_quant_that_is_not_there_is_drafted_from_one_that_is(model: Models) -> None:
    folder = model("text", "Q8_0")
    draft = find(str(folder), "F16")
    made = find(str(model("text", "F16")))
    assert tensor_bytes(draft.text) == tensor_bytes(made.text)


def test_a_name_is_looked_for_in_the_models_folder_first(
    model: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGE_MED_HOME", str(tmp_path))
    (tmp_path / "models").mkdir()
    folder = tmp_path / "models/medgemma-4b-it"
    assert find("medgemma-4b-it").text.integer("gemma3.block_count") == 34
    folder.symlink_to(model("text", "Q8_0"))
    assert find("medgemma-4b-it").text.integer("gemma3.block_count") == 10


def test_the_registry_recommends_one_quant_whatever_the_memory() -> None:
    assert find("medgemma-4b-it", memory=8 * GIB).quant == "Q4_K_M"
    assert find("medgemma-4b-it", memory=64 * GIB).quant == "Q4_K_M"
    assert find("google/medgemma-27b-text-it", "Q6_K").quant == "Q6_K"


def test_an_unknown_name_is_told_the_known_ones() -> None:
    with pytest.raises(UsageError, match="no model 'medgema'") as caught:
        find("medgema")
    assert "medgemma-27b-text-it" in caught.value.hint


@pytest.mark.parametrize("text", ["", "[]", "{", "[" * 100_000, '{"architectures": ["Llama"]}'])
def test_a_config_that_is_none_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(CheckpointError):
        find(str(tmp_path))


def test_a_huge_config_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{" + " " * (1 << 20) + "}")
    with pytest.raises(CheckpointError, match="can't be read"):
        find(str(tmp_path))
