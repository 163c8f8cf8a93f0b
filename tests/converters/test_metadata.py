"""The small files that a checkpoint may have, in each of the forms that the hub has seen."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from converters.pipeline import convert
from converters.request import ConversionRequest
from edge_med.artifacts.gguf import Header, read_header
from tests.conftest import Checkpoints

OTHER = "{{ bos_token }}{{ messages[0]['content'] }}"


@pytest.fixture
def folder(checkpoint: Checkpoints, tmp_path: Path) -> Path:
    return shutil.copytree(checkpoint("multimodal"), tmp_path / "multimodal")


def headers(folder: Path) -> dict[str, Header]:
    """Of the text model and of the projector."""
    out = folder.parent / "out"
    done = convert(ConversionRequest(source=folder, folder=out, quants=("Q8_0",)))
    return {entry.role: read_header(out / entry.path) for entry in done.manifest.files}


def change(path: Path, **values: object) -> None:
    data = json.loads(path.read_text("utf-8")) if path.exists() else {}
    path.write_text(json.dumps(data | values), "utf-8")


@pytest.mark.parametrize("name", ["chat_template.jinja", "chat_template.json"])
def test_a_template_may_stand_in_a_file_of_its_own(name: str, folder: Path) -> None:
    tokenizer = folder / "tokenizer_config.json"
    data = json.loads(tokenizer.read_text("utf-8"))
    del data["chat_template"]
    tokenizer.write_text(json.dumps(data), "utf-8")
    text = OTHER if name.endswith("jinja") else json.dumps({"chat_template": OTHER})
    (folder / name).write_text(text, "utf-8")
    assert headers(folder)["text"].text("tokenizer.chat_template") == OTHER


def test_the_image_processor_may_stand_inside_the_processor(folder: Path) -> None:
    """As transformers 5 writes it: processor_config.json alone."""
    plain = headers(folder)["projector"].metadata
    shutil.rmtree(folder.parent / "out")
    inside = json.loads((folder / "preprocessor_config.json").read_text("utf-8"))
    (folder / "preprocessor_config.json").unlink()
    change(folder / "processor_config.json", image_processor=inside, image_seq_length=4)
    nested = headers(folder)["projector"].metadata
    for key in ("clip.vision.image_mean", "clip.vision.image_std", "clip.vision.image_size"):
        assert str(nested[key]) == str(plain[key])
