"""The draft of a file has the tensors that the converter writes."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from converters.pipeline import Conversion
from edge_med.artifacts.file_names import PROJECTOR_TYPES, QUANTS
from edge_med.artifacts.gguf import GgufTensor, Header, read_header
from edge_med.artifacts.hparams import ModelParams, read_params
from edge_med.artifacts.planned_header import draft_projector, draft_text, text_shape
from edge_med.artifacts.shapes import projector_tensors, text_tensors
from edge_med.artifacts.tensor_names import projector_names, text_names
from edge_med.errors import ArtifactError
from tests.conftest import Checkpoints, Models


def params_of(checkpoint: Checkpoints, name: str) -> ModelParams:
    folder = checkpoint(name)
    config = json.loads((folder / "config.json").read_text("utf-8"))
    preprocessor = folder / "preprocessor_config.json"
    seen = json.loads(preprocessor.read_text("utf-8")) if preprocessor.exists() else {}
    return read_params(config, seen)


def described(tensors: Sequence[GgufTensor]) -> dict[str, tuple[str, tuple[int, ...], int]]:
    return {t.name: (t.type.name, t.shape, t.size) for t in tensors}


@pytest.mark.parametrize("name", ["text", "62-layers", "odd-rows", "untied"])
def test_a_draft_has_the_tensors_of_the_file(
    name: str, checkpoint: Checkpoints, model: Models
) -> None:
    shape = params_of(checkpoint, name).text
    folder = model(name, *QUANTS)
    for quant in QUANTS:
        file = read_header(folder / f"{name}-{quant}.gguf")
        draft = draft_text(shape, quant)
        assert described(draft.tensors) == described(file.tensors)
        for key, value in draft.metadata.items():
            if key != "tokenizer.ggml.tokens":
                assert file.metadata[key] == value


@pytest.mark.parametrize("kind", PROJECTOR_TYPES)
def test_a_draft_has_the_tensors_of_the_projector(
    kind: str, checkpoint: Checkpoints, converted: Callable[..., Conversion], tmp_path: Path
) -> None:
    params = params_of(checkpoint, "multimodal")
    assert params.vision is not None
    converted("multimodal", "Q8_0", mmproj=kind)
    file = read_header(tmp_path / "out" / f"multimodal-mmproj-{kind}.gguf")
    draft = draft_projector(params.vision, params.text.hidden, kind)
    assert described(draft.tensors) == described(file.tensors)
    assert draft.metadata.items() <= file.metadata.items()


def test_a_draft_knows_every_name_that_the_converter_asks_for(checkpoint: Checkpoints) -> None:
    params = params_of(checkpoint, "multimodal")
    assert params.vision is not None
    assert sorted(text_tensors(params.text)) == sorted(text_names(params.text.layers, tied=True))
    assert sorted(projector_tensors(params.vision, 64)) == sorted(
        projector_names(params.vision.layers)
    )


@pytest.mark.parametrize("name", ["text", "untied"])
def test_a_header_tells_the_shape_that_it_was_drafted_from(
    name: str, checkpoint: Checkpoints
) -> None:
    shape = params_of(checkpoint, name).text
    found = text_shape(draft_text(shape, "Q4_K_M"))
    assert draft_text(found, "Q8_0") == draft_text(shape, "Q8_0")


def test_a_header_without_a_number_tells_no_shape() -> None:
    with pytest.raises(ArtifactError, match=r"lacks .*hidden"):
        text_shape(Header(3, {}, (), 0, 0))
