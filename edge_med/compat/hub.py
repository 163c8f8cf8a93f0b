"""A hub id to a model on this machine; nothing is downloaded."""

from __future__ import annotations

import contextlib
import re
import threading
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from edge_med.api import MedGemma
from edge_med.artifacts import manifest as manifests
from edge_med.artifacts.adapters.peft_folder import peft_adapter
from edge_med.artifacts.chat_template import Turns, turns_of
from edge_med.compat.arguments import ModelWarning, warn
from edge_med.errors import ArtifactError, UsageError
from edge_med.library import store

Value = TypeVar("Value")

_HUB_ID = re.compile(r"\w[\w.-]*/\w[\w.-]*")
"""Owner and name; a relative path may look the same."""


@dataclass(frozen=True, slots=True)
class Local:
    """A model on this machine.

    Attributes:
        name: the name that it was asked for by.
        text: the text model's file.
        sees: whether it has a projector.
        side: side of its square, in pixels.
        image_tokens: number of tokens that an image takes.
        turns: the kind of its chat template; `none` of a base model.
    """

    name: str
    text: Path
    sees: bool
    side: int
    image_tokens: int
    turns: Turns = "gemma"


def find(name: str | Path) -> Local:
    """The model that a hub id, a folder's name or a path means.

    Of an id, the folder whose manifest names it as its source; else a path that holds a GGUF file,
    since a checkpoint may lie under the same name; else the folder that is called like its last
    part.

    Raises:
        UsageError: there is none, or several could be meant.
        ArtifactError: a file is damaged.
    """
    found = store.find(_located(name) if isinstance(name, str) else name)
    return Local(
        name=str(name),
        text=found.text,
        sees=found.projector is not None,
        side=found.vision.side,
        image_tokens=found.vision.tokens,
        turns=turns_of(found.header),
    )


def load(local: Local, adapters: Mapping[str, Path] | None = None, **options: Any) -> MedGemma:
    """The loaded model, one for everybody who wants the same; it goes with its last user.

    Args:
        local: the model.
        adapters: files of LoRA adapters by name.
        options: options of `MedGemma.load`.

    Raises:
        UsageError: an option can't be had.
        MemoryShortError: the plan doesn't fit this machine.
        EngineError: llama.cpp can't load it.
    """
    files = {name: str(path.resolve()) for name, path in (adapters or {}).items()}
    key = (str(local.text.resolve()), *sorted(files.items()), *sorted(options.items()))
    return shared(_models, key, lambda: _loaded(local, files, options))


def _loaded(local: Local, files: Mapping[str, str], options: Mapping[str, Any]) -> MedGemma:
    loaded = MedGemma.load(local.text, adapters=files, **options)
    for notice in loaded.info.notices:
        warn(f"{local.name}: {notice.text}", ModelWarning)
    return loaded


def shared(
    kept: weakref.WeakValueDictionary[Any, Value], key: Any, make: Callable[[], Value]
) -> Value:
    """The value of a key, made if nobody has it."""
    with _making:
        value = kept.get(key)
        if value is None:
            kept[key] = value = make()
        return value


_models: weakref.WeakValueDictionary[Any, MedGemma] = weakref.WeakValueDictionary()
_making = threading.Lock()


def _located(name: str) -> str | Path:
    home = store.models_folder()
    short = name.rpartition("/")[2]
    if name == short or (not _HUB_ID.fullmatch(name) and Path(name).exists()):
        return name
    converted = [folder for folder in _folders(home) if _source(folder) == name]
    if len(converted) > 1:
        names = ", ".join(folder.name for folder in converted)
        raise UsageError(f"Several models come from '{name}': {names}.", "Name one of them.")
    if converted:
        return converted[0]
    if _holds_gguf(Path(name)) or peft_adapter(Path(name)):  # the latter is refused as what it is
        return name
    if short in {folder.name for folder in _folders(home)}:
        return home / short
    raise UsageError(
        f"There is no converted model of '{name}' on this machine.",
        f"Download it where there is a network, then run: edge-med convert FOLDER "
        f"--quant Q4_K_M --source-id {name} --out {home / short}",
    )


def _holds_gguf(path: Path) -> bool:
    return path.is_file() or any(path.glob("*.gguf"))


def _folders(home: Path) -> list[Path]:
    return sorted(path for path in home.glob("*") if path.is_dir())


def _source(folder: Path) -> str | None:
    """What a folder's manifest calls its source; a damaged one is another model's matter."""
    with contextlib.suppress(ArtifactError):
        manifest = manifests.load(folder)
        return manifest.source.id if manifest else None
    return None
