"""Errors of files, folders and names that are no model, with hints where one may be."""

from __future__ import annotations

import contextlib
import difflib
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path

from edge_med.artifacts.adapters.gguf_adapter import is_adapter
from edge_med.artifacts.gguf import Header, read_header
from edge_med.errors import ArtifactError, UsageError

TEXT, PROJECTOR = "gemma3", "clip"
"""The `general.architecture` of a text model and of a projector."""

DEPTH, MOST_FOLDERS, MOST_NAMED = 3, 500, 5
"""How deep below a folder models are looked for, in how many folders, and how many are named."""


def check_text(path: Path, header: Header) -> None:
    """Refuse a file that is no text model, by its kind.

    Raises:
        ArtifactError: so it is.
    """
    architecture = header.text("general.architecture")
    if is_adapter(header):
        raise ArtifactError(
            f"{path.name} is an adapter, not a text model.",
            "Give it as an adapter, and its base model's file as the model.",
        )
    if architecture == PROJECTOR:
        raise ArtifactError(
            f"{path.name} is a projector, not a text model.",
            "Name the text model's file, or the folder: the projector in the same folder is found "
            "automatically.",
        )
    if architecture != TEXT:
        raise ArtifactError(
            f"{path.name} holds a model of architecture {architecture}, not {TEXT}.",
            "Give a MedGemma or Gemma 3 text model.",
        )
    if any(tensor.name.startswith(("v.", "mm.")) for tensor in header.tensors):
        raise ArtifactError(
            f"{path.name} contains text model and projector in one file, which only Ollama can "
            "run.",
            "Get it as two GGUF files, or convert the original checkpoint.",
        )


def no_text_model(folder: Path) -> ArtifactError:
    """A folder has no text model; those below it are named."""
    name, below = folder.resolve().name, list(itertools.islice(_below(folder), MOST_NAMED))
    message = f"{name} has no Gemma 3 text model."
    if below:
        shown = ", ".join(str(folder / path) for path in below)
        return ArtifactError(f"{message} Folders below it have one: {shown}.", "Name one of them.")
    return ArtifactError(
        message, "Make one with edge-med convert; if it should be there, edge-med verify its file."
    )


def no_model(name: str, stored: Sequence[str]) -> UsageError:
    """There is no model of a name: it may be one that isn't here yet, or be misspelt."""
    from edge_med.library.registry import known, registry

    message = f"There is no model '{name}'."
    if one := known(name):
        return UsageError(
            f"{one.id} isn't on this machine yet.",
            f"Download {one.hub}, and convert it: edge-med convert FOLDER --out DIR --quant Q4_K_M;"
            " a GGUF file that you have is named by its path."
            if one.hub
            else f'It comes with edge-med, and is made by: edge-med ask "…" --model {one.id}',
        )
    names = sorted({*stored, *registry()})
    close = difflib.get_close_matches(name.lower(), names, n=2, cutoff=0.8)
    if close:
        return UsageError(message, f"Did you mean {' or '.join(sorted(close))}?")
    return UsageError(
        message,
        f"Give a path or one of these names: {', '.join(stored)}."
        if stored
        else "Give the path of a GGUF file or of its folder; edge-med convert makes one.",
    )


def _below(folder: Path) -> Iterator[Path]:
    """Folders below with a text model in them, as paths from this one."""
    level, seen = [folder], 0
    for _ in range(DEPTH):
        inner = []
        for one in level:
            with contextlib.suppress(OSError):
                inner += sorted(p for p in one.iterdir() if p.is_dir() and not p.is_symlink())
        level = inner[: MOST_FOLDERS - seen]
        seen += len(level)
        yield from (one.relative_to(folder) for one in level if _holds_text(one))


def _holds_text(folder: Path) -> bool:
    for path in folder.glob("*.gguf"):
        with contextlib.suppress(ArtifactError, OSError):
            if read_header(path).text("general.architecture") == TEXT:
                return True
    return False
