"""The models that edge-med knows by name, from `models/registry.toml`."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from edge_med.artifacts.shapes import TextShape, VisionShape
from edge_med.errors import ArtifactError
from edge_med.units import parse_size

_PACKAGE = Path(__file__).parents[1]
FOLDERS = (_PACKAGE / "_models", _PACKAGE.parent / "models")
"""Where the data of models is: in an installed wheel, and in a clone of the repository."""


@dataclass(frozen=True, slots=True)
class Terms:
    """The licence terms of a model."""

    name: str
    url: str


@dataclass(frozen=True, slots=True)
class RegisteredModel:
    """A model of the registry.

    Attributes:
        id: name of the model.
        title: description in one line.
        hub: id on the hub; None if the model isn't there.
        revision: revision on the hub; None if none is recorded.
        licence: terms of the model.
        text: the numbers of the text model.
        vision: numbers of the vision tower; None if there is none.
        recommended: recommended quants by bytes of memory, from the smallest memory on.
        scores: published, in per cent, of the original weights.
        score_source: publication of the scores.
    """

    id: str
    title: str
    hub: str | None
    revision: str | None
    licence: Terms
    text: TextShape
    vision: VisionShape | None
    recommended: tuple[tuple[int, str], ...]
    scores: Mapping[str, float]
    score_source: str | None

    def quant_for(self, memory: int) -> str:
        """The recommended quant of a machine with so much memory; the smallest if it has less."""
        fitting = [quant for least, quant in self.recommended if least <= memory]
        return fitting[-1] if fitting else self.recommended[0][1]


@functools.cache
def registry() -> Mapping[str, RegisteredModel]:
    """Every model by its id, in the order of the file.

    Raises:
        ArtifactError: the file is missing from the installation.
    """
    data = tomllib.loads(_text())
    return MappingProxyType({name: _known(name, data) for name in data["models"]})


def known(name: str) -> RegisteredModel | None:
    """The model that is called so: by its id, or by its id on the hub."""
    return next(
        (one for one in registry().values() if name.lower() in (one.id, one.hub)),
        None,
    )


def _text() -> str:
    for folder in FOLDERS:
        path = folder / "registry.toml"
        if path.is_file():
            return path.read_text("utf-8")
    raise ArtifactError(
        "This installation has no registry.toml.",
        "Install it again: pip install --force-reinstall edge-med",
    )


def _known(name: str, data: Mapping[str, Any]) -> RegisteredModel:
    entry = data["models"][name]
    scores = dict(entry.get("scores", {}))
    source = scores.pop("source", None)
    sizes = [(parse_size(size), quant) for size, quant in entry["recommended"].items()]
    return RegisteredModel(
        id=name,
        title=entry["title"],
        hub=entry.get("hub"),
        revision=entry.get("revision"),
        licence=Terms(**data["licences"][entry["licence"]]),
        text=TextShape(**data["shapes"][entry["shape"]], tied=True),
        vision=VisionShape(**data["eyes"][entry["eye"]]) if "eye" in entry else None,
        recommended=tuple(sorted(sizes)),
        scores=MappingProxyType(scores),
        score_source=source,
    )
