"""The model that a plan is for: files, a checkpoint's config.json, or a name of the registry."""

from __future__ import annotations

import dataclasses
import difflib
import json
from pathlib import Path
from typing import Any

from edge_med.artifacts import split
from edge_med.artifacts.hparams import read_params
from edge_med.artifacts.planned_header import draft_projector, draft_text, text_shape
from edge_med.artifacts.shapes import TextShape, VisionShape
from edge_med.errors import CheckpointError, UsageError
from edge_med.library import ollama, store
from edge_med.library.registry import RegisteredModel, known, registry
from edge_med.planner.placement_types import ModelSpec

PROJECTOR = "F16"
"""The type that a projector is converted to by default."""

DEFAULT = store.RECOMMENDED[0]
"""The quant of a checkpoint that hasn't been converted yet."""

CONFIG = "config.json"
MAX_CONFIG = 1 << 20
_PREPROCESSOR = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3}
"""Values of a preprocessor's file, which change no size."""


def find(model: str, quant: str | None = None, memory: int = 0) -> ModelSpec:
    """The model of a path or a name.

    Args:
        model: path of a GGUF file or of a folder with one, a checkpoint's folder or config.json, a
            name in the models' folder, or a name of the registry; the first of these that exists.
        quant: quant of the text model; if None the one that is there, or the recommended one.
        memory: memory of the machine in bytes, on which a recommendation depends.

    Raises:
        UsageError: there is no such model.
        ArtifactError: a file is damaged.
        CheckpointError: a config.json can't be read or is of another kind of model.
    """
    path = Path(model)
    if model and (path / CONFIG).is_file() and not any(path.glob("*.gguf")):
        return _of_config(path / CONFIG, path.resolve().name, quant)
    if path.name == CONFIG and path.is_file():
        return _of_config(path, path.resolve().parent.name, quant)
    if (model and path.exists()) or store.is_stored(model):
        return _of_files(model, quant)
    if one := known(model):
        return spec_of(one, quant or one.quant_for(memory))
    begun = [name for name in registry() if model and name.startswith(model)]
    close = begun or difflib.get_close_matches(model, registry(), 1)
    raise UsageError(
        f"There is no model '{model}'.{f' Did you mean {close[0]}?' if close else ''}",
        f"Give a file, a checkpoint's folder or a name: {', '.join(registry())}.",
    )


def spec_of(one: RegisteredModel, quant: str) -> ModelSpec:
    """A model of the registry in a quant."""
    return _draft_spec(one.id, quant, one.text, one.vision)


def smaller_models(spec: ModelSpec, memory: int) -> list[ModelSpec]:
    """MedGemmas of the registry that are narrower, each in its recommended quant."""
    width = spec.text.integer("gemma3.embedding_length") or 0
    ours = [one for one in registry().values() if one.hub and "medgemma" in one.hub]
    answering = [one for one in ours if one.id.endswith("-it") and one.text.hidden < width]
    return [spec_of(one, one.quant_for(memory)) for one in answering]


def in_quant(spec: ModelSpec, quant: str) -> ModelSpec:
    """The same model in another quant, as another conversion would make it."""
    text = draft_text(text_shape(spec.text), quant)
    return dataclasses.replace(spec, quant=quant, text=text)


def _of_files(model: str, quant: str | None) -> ModelSpec:
    found = store.find(model)
    spec = ModelSpec(_name(model, found), found.quant, found.header, found.projector_header)
    if quant is None or quant == found.quant:
        return spec
    for other in found.others:
        if split.stem(other).upper().endswith(f"-{quant}"):
            text, _ = split.read_model(other)
            return dataclasses.replace(spec, quant=quant, text=text)
    return in_quant(spec, quant)


def _name(model: str, found: store.ModelFiles) -> str:
    """The name of a model: of a blob from its header, else from its file or folder."""
    if ollama.is_blob(found.text):
        return found.header.text("general.name") or found.text.name[:14]
    path = Path(model).resolve()
    return split.stem(path).removesuffix(f"-{found.quant}") if path.is_file() else path.name


def _of_config(path: Path, name: str, quant: str | None) -> ModelSpec:
    params = read_params(_config(path), _PREPROCESSOR)
    return _draft_spec(name, quant or DEFAULT, params.text, params.vision)


def _config(path: Path) -> dict[str, Any]:
    damaged = CheckpointError(f"{path.name} can't be read.", "Download it again.")
    try:
        if path.stat().st_size > MAX_CONFIG:
            raise damaged
        config = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        raise damaged from None
    if not isinstance(config, dict):
        raise damaged
    return config


def _draft_spec(name: str, quant: str, text: TextShape, vision: VisionShape | None) -> ModelSpec:
    projector = draft_projector(vision, text.hidden, PROJECTOR) if vision else None
    return ModelSpec(name, quant, draft_text(text, quant), projector)
