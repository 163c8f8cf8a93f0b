"""Adapters through transformers' and PEFT's names: checked before anything is loaded."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from devtools.checkpoints.adapters import Lora, write_gguf, write_peft
from devtools.golden.compat import CHECKPOINTS, TEXT_ID
from edge_med import compat
from edge_med.compat.auto_model import Model
from edge_med.errors import ArtifactError, PairingError, UsageError
from tests.split_gguf import write_split


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two adapters of the text model, and one of a model of another shape."""
    base = tmp_path_factory.mktemp("loras")
    tiny = CHECKPOINTS[TEXT_ID]
    made = {name: (Lora(seed=n), tiny) for n, name in enumerate(("chest", "skin"))}
    wide = replace(tiny, text=replace(tiny.text, hidden=512))
    made["other"] = (Lora(seed=3), wide)
    return {n: write_gguf(lora, of, base / f"{n}.gguf") for n, (lora, of) in made.items()}


@pytest.fixture
def ids(torch: Any) -> Any:
    return torch.tensor([[2, 5, 7, 9]])


def load(**options: Any) -> Model:
    return compat.AutoModelForCausalLM.from_pretrained(TEXT_ID, **options)


def new(model: Model, ids: Any, **options: Any) -> list[int]:
    tokens: list[int] = model.generate(ids, max_new_tokens=9, **options)[0].tolist()
    return tokens


def test_adapters_are_applied_with_their_scales(files: dict[str, Path], ids: Any) -> None:
    plain = new(load(), ids)
    model = load(adapters={name: files[name] for name in ("chest", "skin")})
    assert model.adapters == {"chest": 1.0, "skin": 1.0}
    both = new(model, ids)
    assert new(model, ids, adapters={}) == plain != both == new(model, ids, adapters=None)
    model.adapters["skin"] = 0.0
    one = new(model, ids)
    assert one == new(load(adapters=files["chest"]), ids)
    assert one not in (plain, both)


@pytest.mark.parametrize("name", ["chest", "runs/chest", "./runs/chest"])
def test_a_peft_folder_is_no_hub_id(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_peft(Lora(seed=1), CHECKPOINTS[TEXT_ID], tmp_path / name)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ArtifactError, match="chest is a PEFT adapter") as caught:
        compat.AutoModelForCausalLM.from_pretrained(name)
    assert "edge-med convert BASE --adapter" in caught.value.hint


def test_a_model_with_an_adapter_is_nobody_elses(files: dict[str, Path], ids: Any) -> None:
    plain = load()
    before = new(plain, ids)
    adapted = compat.PeftModel.from_pretrained(load(), files["chest"], adapter_name="mine")
    assert list(adapted.adapters) == ["mine"]
    assert adapted.medgemma is not plain.medgemma
    assert new(adapted, ids) != before == new(plain, ids)


def test_an_adapter_that_does_not_fit_leaves_the_model_as_it_was(
    files: dict[str, Path], ids: Any
) -> None:
    model = load()
    before = new(model, ids)
    with pytest.raises(PairingError):
        model.load_adapter(files["other"])
    assert model.adapters == {}
    assert new(model, ids) == before


def test_an_adapter_of_a_model_in_several_files_is_applied(
    files: dict[str, Path], ids: Any, home: Path, tmp_path: Path
) -> None:
    (whole,) = (home / "models/words").glob("words-*.gguf")
    first, *_ = write_split(whole, tmp_path / whole.name, tensors=10)
    model = compat.AutoModelForCausalLM.from_pretrained(first, adapters=files["chest"])
    assert new(model, ids) == new(load(adapters=files["chest"]), ids)


def test_an_adapter_that_is_not_loaded_is_refused(ids: Any) -> None:
    with pytest.raises(UsageError, match="no adapter 'lungs'"):
        new(load(), ids, adapters={"lungs": 1.0})


def test_how_peft_would_load_is_said_to_have_no_effect(files: dict[str, Path]) -> None:
    with pytest.warns(compat.IgnoredWarning, match="ignores is_trainable"):
        compat.PeftModel.from_pretrained(load(), files["chest"], is_trainable=False)
    with pytest.raises(UsageError, match=r"PeftModel\.from_pretrained takes no scale"):
        compat.PeftModel.from_pretrained(load(), files["chest"], scale=2)
