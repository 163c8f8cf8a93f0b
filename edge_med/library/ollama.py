"""Models that Ollama has pulled: which of its blobs belong together.

Ollama keeps files by their hashes in `blobs`. The folder `manifests` next to it has a JSON file for
each model's tag, which lists its layers (ollama: manifest/layer.go, manifest/paths.go).
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edge_med.errors import ArtifactError

BLOBS, MANIFESTS = "blobs", "manifests"
TEXT, PROJECTOR = "application/vnd.ollama.image.model", "application/vnd.ollama.image.projector"

MAX_MANIFEST = 1 << 20
"""Bytes; one of ten layers has about two thousand."""

_BLOB = re.compile(r"sha256-[0-9a-f]{64}")
_DIGEST = re.compile(r"sha256[:-]([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class OllamaModel:
    """The blobs of a model; the projector is None for one that has none of its own."""

    text: Path
    projector: Path | None


def is_blob(path: Path) -> bool:
    """Whether a file is called as Ollama calls its blobs."""
    return bool(_BLOB.fullmatch(path.name))


def digest(path: Path) -> str | None:
    """The hash that a blob is called by; None for any other file."""
    return path.name.removeprefix("sha256-") if is_blob(path) else None


def pulled(path: Path) -> OllamaModel | None:
    """The model of a manifest, or that a blob is the text model of; None for any other file.

    Raises:
        ArtifactError: a manifest lists no text model, or one that isn't there.
    """
    if not path.is_file():
        return None
    path = path.absolute()  # a blob may be a link to a file of another name
    if is_blob(path):
        return _with_text(path)
    root = _root(path)
    return None if root is None else _read(path, root)


def _with_text(blob: Path) -> OllamaModel | None:
    """The model that a blob belongs to by any manifest beside the blobs."""
    manifests = blob.parent.parent / MANIFESTS
    if blob.parent.name != BLOBS or not manifests.is_dir():
        return None
    found = None
    for path in sorted(manifests.rglob("*")):
        with contextlib.suppress(ArtifactError):
            one = _read(path, manifests.parent) if path.is_file() else None
            if one and one.text == blob and (found is None or one.projector):
                found = one
    return found or OllamaModel(blob, None)


def _root(path: Path) -> Path | None:
    """The folder that has both `manifests`, with this file in it, and `blobs`."""
    for folder in path.parents:
        if folder.name == MANIFESTS and (folder.parent / BLOBS).is_dir():
            return folder.parent
    return None


def _read(path: Path, root: Path) -> OllamaModel:
    layers = dict(_layers(path, root))
    text, projector = layers.get(TEXT), layers.get(PROJECTOR)
    if text is None or not text.is_file():
        raise ArtifactError(
            f"Ollama's manifest {path.parent.name}:{path.name} has no text model here.",
            "Pull the model again, or give the path of a GGUF file.",
        )
    return OllamaModel(text, projector if projector and projector.is_file() else None)


def _layers(path: Path, root: Path) -> Iterator[tuple[str, Path]]:
    """The kind of each layer, and its blob."""
    try:
        if path.stat().st_size > MAX_MANIFEST:
            return
        manifest = json.loads(path.read_text("utf-8"))
        layers = [(str(one["mediaType"]), str(one["digest"])) for one in manifest["layers"]]
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return
    for kind, digest in layers:
        if found := _DIGEST.fullmatch(digest):
            yield kind, root / BLOBS / f"sha256-{found[1]}"
