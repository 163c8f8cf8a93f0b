"""What is in an adapter's folder, for people: settings, what is changed, and what can be done."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from edge_med.artifacts import tensor_names as names
from edge_med.artifacts.adapters.peft_adapter import OpenedAdapter, TensorUpdate, open_adapter
from edge_med.artifacts.adapters.peft_folder import PICKLED, WEIGHTS, PeftAdapter
from edge_med.artifacts.adapters.runtime_part import LeftOut, divide
from edge_med.artifacts.file_names import called
from edge_med.errors import ArtifactError, CheckpointError

_Number = TypeVar("_Number", int, float)


@dataclass(frozen=True, slots=True)
class PeftFacts:
    """What an adapter's folder holds; of one that can't be merged, what can be said all the same.

    Attributes:
        folder: name of the folder.
        kind: the `peft_type`.
        base: name of its base model, as its config says; empty if it doesn't.
        peft_version: version of PEFT that saved it; empty if it isn't known.
        size: bytes of its weights.
        sha256: hash of the file with the weights.
        mergeable: whether `convert --adapter` merges it into its base.
        problem: why not.
        ranks: ranks of its pairs, each once, in rising order; likewise `alphas` and `scales`.
        text: tensors of the text model that it changes; so with the other three.
        whole: GGUF names of tensors that it replaces whole.
        trained_tokens: rows of the embedding that were trained alone.
        gguf: tensors that a GGUF adapter holds for llama.cpp.
        left_out: tensors that a GGUF adapter can't hold, with reasons.
        changes: numbers of changed tensors of each part, in words.
        files: names of GGUF files in the folder.
    """

    folder: str
    kind: str
    base: str
    peft_version: str
    size: int
    sha256: str
    mergeable: bool
    problem: str | None = None
    ranks: tuple[int, ...] = ()
    alphas: tuple[float, ...] = ()
    scales: tuple[float, ...] = ()
    rslora: bool = False
    dora: bool = False
    text: int = 0
    head: int = 0
    vision: int = 0
    projector: int = 0
    whole: tuple[str, ...] = ()
    trained_tokens: int = 0
    gguf: int = 0
    left_out: tuple[LeftOut, ...] = ()
    changes: str = ""
    files: tuple[str, ...] = ()


def peft_facts(found: PeftAdapter) -> PeftFacts:
    """Look at an adapter's folder; of its numbers nothing but their hash is made.

    Raises:
        ArtifactError: its weights can't be read at all.
    """
    size, sha256 = _weights(found.folder)
    plain = PeftFacts(
        folder=called(found.folder),
        kind=found.kind,
        base=found.base,
        peft_version=found.version,
        size=size,
        sha256=sha256,
        mergeable=False,
        files=tuple(sorted(path.name for path in found.folder.glob("*.gguf"))),
    )
    try:
        adapter = open_adapter(found.folder)
    except CheckpointError as error:
        return replace(plain, problem=f"{error.message} {error.hint}")
    return replace(plain, mergeable=True, **_of(adapter))


def _of(adapter: OpenedAdapter) -> dict[str, Any]:
    parts, settings = adapter.parts, adapter.settings
    pairs = [part for part in parts.values() if part.down]
    counts, division = Counter(map(names.place, parts)), divide(adapter)
    return {
        "ranks": _each(part.down.tensor.shape[0] for part in pairs if part.down),
        "alphas": _each(settings.alpha_of(part.module) for part in pairs),
        "scales": _each(part.scale for part in pairs),
        "rslora": settings.rslora,
        "dora": settings.dora,
        **{kind: counts[kind] for kind in names.PLACE_WORDS},
        "whole": tuple(name for name, part in parts.items() if part.whole),
        "trained_tokens": max(map(_rows, parts.values()), default=0),
        "gguf": len(division.tensors),
        "left_out": division.left,
        "changes": names.counted(parts),
    }


def _each(values: Iterable[_Number]) -> tuple[_Number, ...]:
    return tuple(sorted(set(values)))


def _rows(part: TensorUpdate) -> int:
    return len(part.indices)


def _weights(folder: Path) -> tuple[int, str]:
    """Size and hash of the weights; 0 and nothing where there are none."""
    path = next((folder / name for name in (WEIGHTS, PICKLED) if (folder / name).is_file()), None)
    if path is None:
        return 0, ""
    try:
        with path.open("rb") as file:
            return path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ArtifactError(
            f"{path.name} can't be read: {error.strerror}.", "Copy it again."
        ) from None
