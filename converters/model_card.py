"""What a checkpoint says of itself: its model card, its name, and the terms that it comes under.

Nothing of a model card is needed, so that none stops a conversion: what can't be used is left out,
and reported. What is used is read by the gguf package, as llama.cpp's converter does.
"""

from __future__ import annotations

import json
import logging
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
import yaml

from converters.checkpoint import Checkpoint
from converters.findings import listed
from converters.fingerprint import fingerprint
from converters.licence import Licence, find_licence, notice
from converters.small_files import is_marked
from edge_med.artifacts.manifest import Finding
from edge_med.errors import CheckpointError

# The gguf package warns of what it leaves out of a file; we check the result instead.
for _name in ("gguf", "metadata"):
    logging.getLogger(_name).addHandler(logging.NullHandler())

CARD = "README.md"
_JSON = ("config.json", "generation_config.json")
MAX_CARD = 4 << 20

_TEXTS = (
    *("name", "author", "version", "organization", "description", "finetune", "basename"),
    *("size_label", "url", "doi", "uuid", "repo_url", "license", "license_name", "license_link"),
    *("model_name", "model_author", "model_creator", "model_version", "model_organization"),
    *("model_description", "model_finetune", "model_basename", "model_type", "model_size_label"),
    *("model_url", "model_doi", "model_uuid", "model_repo_url", "pipeline_tag"),
)
_LISTS = ("license", "tags", "pipeline_tag", "languages", "language")
_SOURCES = (
    *("base_model", "base_models", "base_model_sources"),
    *("datasets", "dataset", "dataset_sources"),
)
"""Keys that the gguf package reads: one text, several, and models or data sets; others it passes
over (gguf/metadata.py, apply_metadata_heuristic)."""

_SURROGATES = re.compile("[\ud800-\udfff]")
"""YAML can spell them, and no UTF-8 can hold them."""

_DAMAGED = (ValueError, TypeError, AttributeError, LookupError, OSError, RecursionError)
"""What reading files of any content raises; of the card's header, YAML's errors come as well."""


@dataclass(frozen=True, slots=True)
class Card:
    """What the checkpoint says of itself, for one file with so many parameters.

    Attributes:
        warnings: parts of its model card that are left out.
        source: the hash that all files made of it have.
    """

    metadata: gguf.Metadata
    licence: Licence
    warnings: tuple[Finding, ...]
    source: str
    adapters: tuple[str, ...] = ()

    def notice(self, version: str) -> str:
        """What every file made from the checkpoint says of its origin and terms."""
        return notice(self.licence, version, self.adapters)


def read_card(checkpoint: Checkpoint, parameters: int, called: tuple[str, ...]) -> Card:
    """Read model card, generation config and folder name into `general.*` values.

    Args:
        checkpoint: an opened checkpoint.
        parameters: numbers in all tensors of the file, for its size label.
        called: the user's names of the model and its source, such as `google/medgemma-4b-it`.

    Raises:
        CheckpointError: config.json or generation_config.json is damaged.
    """
    card, warnings = _usable_card(checkpoint.folder)
    try:
        marked = any(is_marked(checkpoint.folder / name) for name in _JSON)
        found = _loaded(checkpoint, card if warnings or marked else None, parameters)
    except (*_DAMAGED, yaml.YAMLError):
        raise CheckpointError(
            "config.json or generation_config.json can't be read.",
            "Copy or download it again; generation_config.json may be left out.",
        ) from None
    # gguf 0.19 doesn't know this name yet; llama.cpp's own copy does.
    repetition = checkpoint.json("generation_config.json").get("repetition_penalty")
    found.sampling_penalty_repeat = found.sampling_penalty_repeat or repetition
    found.name = found.name or checkpoint.folder.name
    found.size_label = found.size_label or gguf.size_label(parameters, parameters, 0, 0)
    bases = [str(value) for base in found.base_models or [] for value in base.values()]
    names = [found.license, found.license_name, found.name, checkpoint.folder.name, *bases, *called]
    licence = find_licence([str(text) for text in names if text])
    adapters = tuple(name for name, _ in checkpoint.merged)
    if adapters:
        found.name = called[0]
    return Card(found, licence, warnings, fingerprint(checkpoint), adapters)


def _usable_card(folder: Path) -> tuple[dict[str, Any], tuple[Finding, ...]]:
    """The header of the model card without what isn't text, and what that was."""
    path = folder / CARD
    try:
        if path.is_file() and path.stat().st_size > MAX_CARD:
            return {}, _left_out("it is far too large")
        if is_marked(path):
            return {}, _left_out("it begins with a byte-order mark")
        card = gguf.Metadata.load_model_card(folder)
    except (*_DAMAGED, yaml.YAMLError) as error:
        utf8 = isinstance(error, UnicodeDecodeError)
        return {}, _left_out("it isn't UTF-8" if utf8 else "its header isn't YAML")
    usable = {key: value for key, value in card.items() if _is_usable(key, value)}
    dropped = [str(key) for key in card if key not in usable]
    text = f"{CARD}: what it says of {listed(dropped, 9)} isn't text, and is left out."
    return usable, (Finding("model_card", text),) if dropped else ()


def _left_out(reason: str) -> tuple[Finding, ...]:
    return (
        Finding("model_card", f"{CARD} is left out: {reason}. Only its name and terms are lost."),
    )


def _is_usable(key: object, value: object) -> bool:
    """Whether gguf can write what a key of the card says; what it passes over may be anything."""
    if value is None or key not in (*_TEXTS, *_LISTS, *_SOURCES):
        return True
    if key in _TEXTS and _is_text(value):
        return True
    items = value if isinstance(value, list) else [value]
    if key in _LISTS:
        return all(map(_is_text, items))
    return key in _SOURCES and all(
        _is_text(item) or (isinstance(item, Mapping) and all(map(_is_text, item.values())))
        for item in items
    )


def _is_text(value: object) -> bool:
    return isinstance(value, str) and not _SURROGATES.search(value)


def _loaded(checkpoint: Checkpoint, card: dict[str, Any] | None, parameters: int) -> gguf.Metadata:
    """The values by gguf's rules, with another model card if one is given."""
    if card is None:
        return gguf.Metadata.load(None, checkpoint.folder, None, parameters)
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made) / checkpoint.folder.name  # whose name gguf reads as well
        folder.mkdir()
        header = yaml.safe_dump(card, allow_unicode=True)
        (folder / CARD).write_text(f"---\n{header}---\n", "utf-8")
        for name in _JSON:
            if (path := checkpoint.folder / name).is_file():
                (folder / name).write_text(json.dumps(json.loads(path.read_bytes())), "utf-8")
        return gguf.Metadata.load(None, folder, None, parameters)
