"""A model in several files is one model, whichever of them is named."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from edge_med import MedGemma, Options
from edge_med.artifacts import split
from edge_med.artifacts.gguf import read_header
from edge_med.artifacts.gguf_facts import inspect
from edge_med.artifacts.verification import verify
from edge_med.config import LoadOptions
from edge_med.errors import ArtifactError, InputError
from edge_med.library import store
from edge_med.planner import memory_plan, model_spec
from tests.conftest import Models
from tests.split_gguf import write_split

WHOLE, PROJECTOR = "multimodal-Q8_0.gguf", "multimodal-mmproj-F16.gguf"


@pytest.fixture
def parts(model: Models, tmp_path: Path) -> list[Path]:
    """The parts of a text model, beside its projector."""
    source = model("multimodal", "Q8_0")
    (tmp_path / "split").mkdir()
    shutil.copy(source / PROJECTOR, tmp_path / "split")
    found = write_split(source / WHOLE, tmp_path / "split" / WHOLE, tensors=20)
    assert next(path.name for path in found) == "multimodal-Q8_0-00001-of-00004.gguf"
    return found


def answer(model: Path) -> str:
    with MedGemma.load(model, context=256, threads=1) as loaded:
        assert loaded.info.projector
        return loaded.ask("What is it?", options=Options(max_new_tokens=8)).text


def test_it_answers_as_the_whole_does_by_any_part_and_by_its_folder(
    parts: list[Path], model: Models
) -> None:
    whole = answer(model("multimodal", "Q8_0"))
    assert [answer(path) for path in (parts[0], parts[-1], parts[0].parent)] == [whole] * 3


def test_its_header_is_that_of_the_whole(parts: list[Path], model: Models) -> None:
    whole = read_header(model("multimodal", "Q8_0") / WHOLE)
    header, files = split.read_model(parts[2])
    assert files == tuple(parts)
    assert {(t.name, t.type, t.shape, t.size) for t in header.tensors} == {
        (t.name, t.type, t.shape, t.size) for t in whole.tensors
    }
    assert whole.metadata.items() <= header.metadata.items()
    assert header.file_size == sum(path.stat().st_size for path in parts)
    assert inspect(parts[1]).parameters == inspect(model("multimodal", "Q8_0") / WHOLE).parameters


def test_a_part_that_is_missing_is_named_by_verify(parts: list[Path]) -> None:
    assert verify(parts[0].parent).sound
    parts[1].unlink()
    for path in (parts[0], parts[0].parent):
        missing = [file.file for file in verify(path).files if file.problems]
        assert missing == [parts[1].name]


def test_a_part_of_another_place_is_noticed_by_verify(parts: list[Path]) -> None:
    shutil.copy(parts[1], parts[2])
    for path in (parts[0], parts[0].parent):
        (problem,) = verify(path).problems
        assert "don't belong together" in problem


def test_it_is_planned_as_the_whole(parts: list[Path], model: Models) -> None:
    whole = model_spec.find(str(model("multimodal", "Q8_0")))
    found = model_spec.find(str(parts[0].parent))
    plans = [memory_plan.plan(one.text, LoadOptions(), one.projector) for one in (whole, found)]
    assert plans[0] == plans[1]
    assert found.quant == "Q8_0"
    assert model_spec.find(str(parts[0])).name == "multimodal"


def test_several_quants_in_parts_are_one_model(parts: list[Path], model: Models) -> None:
    other = model("multimodal", "Q4_0") / "multimodal-Q4_0.gguf"
    write_split(other, parts[0].with_name(other.name), tensors=40)
    found = store.find(parts[0].parent)
    assert (found.quant, len(found.parts), len(found.others)) == ("Q8_0", 4, 1)


def test_a_part_that_is_missing_is_named(parts: list[Path]) -> None:
    parts[1].unlink()
    for path in (parts[0], parts[3], parts[0].parent):
        with pytest.raises(
            ArtifactError, match="is in 4 files, and 1 of them aren't here"
        ) as caught:
            store.find(path)
        assert parts[1].name in caught.value.message


def test_a_part_of_another_name_is_refused(parts: list[Path], tmp_path: Path) -> None:
    moved = shutil.copy(parts[0], tmp_path / "model.gguf")
    with pytest.raises(ArtifactError, match="is one of 4 files of a model, and isn't called so"):
        store.find(moved)


def test_parts_that_were_exchanged_are_refused(parts: list[Path]) -> None:
    shutil.copy(parts[1], parts[2])
    with pytest.raises(ArtifactError, match="don't belong together"):
        store.find(parts[0])


def test_a_part_that_was_cut_short_is_refused(parts: list[Path]) -> None:
    with parts[2].open("r+b") as file:
        file.truncate(parts[2].stat().st_size - 100)
    with pytest.raises(ArtifactError, match="damaged"):
        store.find(parts[0])


def test_a_projector_in_parts_is_refused_with_the_way_out(model: Models, tmp_path: Path) -> None:
    source = model("multimodal", "Q8_0")
    first, *_ = write_split(source / PROJECTOR, tmp_path / PROJECTOR, tensors=20)
    with pytest.raises(InputError, match="one of 2 parts of a projector") as caught:
        store.find(source / WHOLE, projector=first)
    assert "llama-gguf-split --merge" in caught.value.hint
