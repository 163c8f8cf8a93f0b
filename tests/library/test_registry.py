"""The registry is whole, and what it recommends fits."""

from __future__ import annotations

import dataclasses
import math
import tomllib
from pathlib import Path

import pytest

from devtools.checkpoints import medgemma
from edge_med.artifacts.file_names import QUANTS
from edge_med.artifacts.shapes import text_tensors
from edge_med.config import LoadOptions
from edge_med.errors import ArtifactError
from edge_med.library import registry as registries
from edge_med.library import store
from edge_med.library.registry import RegisteredModel, known, registry
from edge_med.planner.machine import parse_machine
from edge_med.planner.model_spec import spec_of
from edge_med.planner.placement import place
from edge_med.units import GIB

IDS = (
    *("medgemma-4b-it", "medgemma-1.5-4b-it", "medgemma-4b-pt"),
    *("medgemma-27b-text-it", "medgemma-27b-it", "gemma-3-270m", "micro"),
)

each = pytest.mark.parametrize("one", registry().values(), ids=lambda one: one.id)


def test_every_model_of_the_family_is_there() -> None:
    assert tuple(registry()) == IDS


@pytest.mark.parametrize(
    ("name", "billions"),
    [("medgemma-4b-it", 3.88), ("medgemma-27b-text-it", 27.0), ("gemma-3-270m", 0.268)],
)
def test_shapes_give_the_published_number_of_parameters(name: str, billions: float) -> None:
    found = known(name)
    assert found is not None
    numbers = sum(math.prod(shape) for shape in text_tensors(found.text).values())
    assert numbers / 1e9 == pytest.approx(billions, rel=0.005)


@pytest.mark.parametrize(("name", "size"), [("medgemma-4b-it", "4b"), ("medgemma-27b-it", "27b")])
def test_shapes_are_those_that_shape_checkpoints_have(name: str, size: str) -> None:
    text = dataclasses.asdict(medgemma.TEXT[size])
    del text["rope_factor"]
    assert dataclasses.asdict(registry()[name].text) == text
    vision = registry()[name].vision
    assert vision is not None
    assert dataclasses.asdict(vision) == dataclasses.asdict(medgemma.VISION)


@each
def test_what_is_recommended_fits(one: RegisteredModel) -> None:
    for memory, quant in one.recommended:
        machine = parse_machine(f"{memory / GIB}GB")
        found = place(spec_of(one, quant), machine, LoadOptions(), shrink_kv=False)
        assert found.fits, (memory / GIB, quant)


@each
def test_recommendations_are_quants_that_grow_with_the_memory(one: RegisteredModel) -> None:
    assert {quant for _, quant in one.recommended} <= set(QUANTS)
    assert one.quant_for(1) == one.recommended[0][1]
    for memory, quant in one.recommended:
        assert one.quant_for(memory) == quant
    assert one.quant_for(1 << 50) == one.recommended[-1][1]


@each
def test_of_medgemma_what_is_recommended_is_what_is_loaded_of_several(one: RegisteredModel) -> None:
    if one.hub:
        assert {quant for _, quant in one.recommended} == {store.RECOMMENDED[0]}


@each
def test_scores_are_per_cents_with_a_source(one: RegisteredModel) -> None:
    assert all(0 < score <= 100 for score in one.scores.values())
    assert bool(one.scores) == bool(one.score_source)


def test_a_model_is_known_by_its_id_on_the_hub() -> None:
    assert known("google/medgemma-4b-it") == known("MedGemma-4B-it") == registry()["medgemma-4b-it"]
    assert known("medgemma-5b") is None


def test_the_project_ships_it() -> None:
    root = Path(__file__).parents[2]
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert wheel["force-include"]["models"] == "edge_med/_models"
    assert registries.FOLDERS[0] == root / "edge_med/_models"
    assert (registries.FOLDERS[1] / "registry.toml").is_file()


def test_an_installation_without_it_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registries, "FOLDERS", (tmp_path,))
    registry.cache_clear()
    with pytest.raises(ArtifactError, match=r"no registry\.toml"):
        registry()
