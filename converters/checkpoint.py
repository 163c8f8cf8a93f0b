"""Open a Hugging Face checkpoint folder: its JSON files, and where every tensor's bytes lie.

Only safetensors are read. Nothing is unpickled, imported or run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from converters.findings import listed
from converters.small_files import SmallFiles
from converters.weights import find_weights
from edge_med.artifacts.adapters.peft_folder import PICKLED, WEIGHTS, peft_adapter
from edge_med.artifacts.json_file import read_json
from edge_med.artifacts.json_section import short
from edge_med.artifacts.manifest import Finding
from edge_med.artifacts.safetensors import Shard, SourceTensor
from edge_med.errors import CheckpointError


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """An opened checkpoint; tensors are described, not read.

    Attributes:
        warnings: findings about the folder.
        again: files that are read again at the end, by name, with their paths.
        adapter_files: files of adapters, by the names that the records have.
        merged: names of these adapters, with the factors of their effect.
    """

    folder: Path
    config: Mapping[str, Any]
    shards: tuple[Shard, ...]
    small: SmallFiles
    warnings: tuple[Finding, ...] = field(default=())
    again: tuple[tuple[Path, SourceTensor], ...] = field(default=())
    adapter_files: Mapping[str, Path] = field(default_factory=dict)
    merged: tuple[tuple[str, float], ...] = field(default=())

    @property
    def tensors(self) -> dict[str, SourceTensor]:
        """Every tensor by its name."""
        return {tensor.name: tensor for shard in self.shards for tensor in shard.tensors}

    def path_of(self, tensor: SourceTensor) -> Path:
        """The file that a tensor lies in."""
        return next(shard.path for shard in self.shards if tensor in shard.tensors)

    @property
    def size(self) -> int:
        """Bytes of all shards."""
        return sum(shard.size for shard in self.shards)

    @property
    def data_size(self) -> int:
        """Bytes of all tensors."""
        once = sum(shard.size - shard.data_start for shard in self.shards)
        return once + sum(tensor.size for _, tensor in self.again)

    def json(self, name: str) -> dict[str, Any]:
        """A JSON file of the checkpoint, or an empty dict if it isn't there."""
        return self.small.json(name)


def open_checkpoint(folder: Path) -> Checkpoint:
    """Open a checkpoint folder as it comes from the hub.

    Raises:
        CheckpointError: it isn't one, is incomplete or damaged, or holds already quantized weights.
    """
    refuse_what_is_none(folder)
    config = read_json(folder / "config.json")
    shards, warnings = find_weights(folder)
    return Checkpoint(folder, config, shards, SmallFiles(folder), warnings)


def snapshot(folder: Path) -> Path:
    """The checkpoint in a folder of the hub's cache; any other folder as it is, by a name.

    Raises:
        CheckpointError: the cache holds several revisions, and doesn't name the main one.
    """
    if folder.name in ("", ".."):  # given as `.`, say: models are called by their folders
        folder = folder.resolve()
    inside = folder / "snapshots"
    if (folder / "config.json").is_file() or not inside.is_dir():
        return folder
    revisions = sorted(path for path in inside.iterdir() if path.is_dir())
    main = folder / "refs" / "main"
    revision = main.read_text("utf-8", "replace").strip() if main.is_file() else ""
    if revision:
        return _main(folder, revision, revisions)
    if len(revisions) == 1:
        return revisions[0]
    raise CheckpointError(
        f"{folder.resolve().name} is a folder of the hub's cache with {len(revisions)} revisions.",
        "Give the folder of one: snapshots/REVISION inside it."
        if revisions
        else "Download the model first: hf download OWNER/NAME",
    )


def _main(folder: Path, revision: str, revisions: list[Path]) -> Path:
    """The main revision, which must have been downloaded: an older one isn't taken for it."""
    there = [path for path in revisions if path.name == revision]
    if there:
        return there[0]
    name = folder.resolve().name
    others = f", only {listed([path.name for path in revisions])}" if revisions else ""
    raise CheckpointError(
        f"{name} is a folder of the hub's cache, whose refs/main is {short(revision)}: that "
        f"revision isn't there{others}.",
        "Download it: hf download OWNER/NAME"
        + ("; or give the folder of one revision: snapshots/REVISION." if others else ""),
    )


def adapter_among_weights(folder: Path, adapters: Iterable[Path]) -> tuple[Finding, ...]:
    """A warning of an adapter in the folder of whole weights: merged already, or not at all.

    Args:
        folder: folder of the checkpoint.
        adapters: folders of the adapters that are merged now.
    """
    there = [name for name in (WEIGHTS, PICKLED) if (folder / name).is_file()]
    if not there or folder.resolve() in [path.resolve() for path in adapters]:
        return ()
    text = (
        f"The folder has an adapter too ({listed(there)}), which isn't merged now. If the weights "
        "are those of its base, give --adapter with this folder; if it is merged already, nothing "
        "is to be done."
    )
    return (Finding("adapter_beside", text),)


def refuse_what_is_none(folder: Path) -> None:
    """Refuse a path that is no checkpoint's folder, as what it is.

    Raises:
        CheckpointError: it is something else, or nothing.
    """
    if folder.suffix == ".gguf" and folder.is_file():
        raise CheckpointError(
            f"{folder.name} is a converted model already.",
            "Give the folder of the original checkpoint: config.json and *.safetensors.",
        )
    adapter = peft_adapter(folder)
    whole = folder.is_dir() and any(folder.glob("model*.safetensors"))
    if adapter and not whole:
        raise CheckpointError(adapter.words, adapter.ways)
    if (folder / "config.json").is_file():
        return
    if not folder.exists():
        raise CheckpointError(
            f"There is no folder {folder}.",
            "Give a checkpoint's folder; from the hub: "
            "hf download google/medgemma-4b-it --local-dir medgemma-4b-it",
        )
    inside = sorted(p.name for p in folder.glob("*.gguf")) if folder.is_dir() else []
    raise CheckpointError(
        f"{folder.resolve().name} isn't a checkpoint: it has no config.json.",
        f"It holds {inside[0]}, which is converted already; give the original checkpoint's folder."
        if inside
        else "Give a folder as on the Hugging Face hub: config.json and *.safetensors.",
    )
