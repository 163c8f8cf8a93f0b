"""The choice of a folder's weights, where more than one set of files is possible.

transformers takes `model.safetensors` if it is there, whatever the index says; an index is left
behind where a model is saved in one file over an earlier one in shards, and a base model's shards
come along where its small files are copied without care. So nothing is chosen between two sets.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from converters.findings import listed
from edge_med.artifacts import tensor_names as names
from edge_med.artifacts.file_names import is_bare_file_name
from edge_med.artifacts.json_file import DAMAGED, read_json
from edge_med.artifacts.manifest import Finding
from edge_med.artifacts.safetensors import Shard, read_shard
from edge_med.errors import CheckpointError

INDEX = "model.safetensors.index.json"
SINGLE = "model.safetensors"

_NUMBERED = re.compile(r"model-\d+-of-(\d+)\.safetensors")
_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
_PICKLED = re.compile(r"(?:pytorch_model|model|consolidated)[\w.-]*\.(?:bin|pth?|ckpt)")
"""Weights as older programs save them; what a trainer keeps for itself has other names."""

Found = tuple[tuple[Shard, ...], tuple[Finding, ...]]


def find_weights(folder: Path) -> Found:
    """The weights of a checkpoint folder, with findings about the choice.

    Raises:
        CheckpointError: there are none, or two sets; a shard is missing or damaged.
    """
    shards, warnings = _chosen(folder)
    return shards, (*warnings, *_unused_weights(folder, {shard.path.name for shard in shards}))


def _unused_weights(folder: Path, taken: set[str]) -> tuple[Finding, ...]:
    """Other weights than those that are read; an adapter has its own finding."""
    there = sorted(path.name for path in folder.iterdir() if path.is_file())
    # macOS leaves ._model.safetensors next to a file on another system's disk.
    other = [n for n in there if n not in taken and not n.startswith(("adapter", "."))]
    others = [n for n in other if n.endswith(".safetensors") or _PICKLED.fullmatch(n)]
    if not others:
        return ()
    text = (
        f"Not read: {_dated(folder, others)}. The weights are {_dated(folder, sorted(taken))}, as "
        "transformers takes them."
    )
    return (Finding("other_weights", text),)


def _chosen(folder: Path) -> Found:
    index = read_json(folder / INDEX) if (folder / INDEX).is_file() else None
    indexed = _named(index) if index is not None else []
    there = [name for name in indexed if (folder / name).is_file()]
    numbered = sorted(p.name for p in folder.glob("model-*") if _NUMBERED.fullmatch(p.name))
    if (folder / SINGLE).is_file():
        _refuse_two_sets(folder, [SINGLE], sorted({*there, *numbered} - {SINGLE}))
        single = _plain(folder, [SINGLE])
        warnings = _stale(indexed, [SINGLE]) if indexed != [SINGLE] else _other_names(index, single)
        return single, warnings
    if index is None or not there:
        paths = numbered or sorted(p.name for p in folder.glob("model*.safetensors"))
        _refuse_none(folder, paths, indexed)
        _refuse_gaps(folder, paths)
        return _plain(folder, paths), _stale(indexed, paths)
    _refuse_missing(folder, [name for name in indexed if name not in there])
    _refuse_two_sets(folder, there, [name for name in numbered if name not in indexed])
    return _indexed(folder, there, index["weight_map"]), ()


def _named(index: Mapping[str, Any]) -> list[str]:
    """The shards that an index names."""
    weight_map = index.get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise CheckpointError(f"{INDEX} has no weight_map.", DAMAGED)
    found = sorted(set(map(str, weight_map.values())))
    for name in found:
        if not is_bare_file_name(name) or not name.endswith(".safetensors"):
            raise CheckpointError(f"{INDEX} names the shard '{name}' outside the folder.", DAMAGED)
    return found


def _stale(indexed: list[str], taken: list[str]) -> tuple[Finding, ...]:
    if not indexed:
        return ()
    how = "is taken, as transformers does" if taken == [SINGLE] else "are taken by their names"
    text = f"{INDEX} names {listed(indexed)}, and none of them is there: {listed(taken)} {how}."
    return (Finding("stale_index", text),)


def _other_names(index: Mapping[str, Any] | None, shards: tuple[Shard, ...]) -> tuple[Finding, ...]:
    """An index of one file, that transformers doesn't look at, may be of another save."""
    found = _differing(index["weight_map"], shards) if index is not None else None
    if found is None:
        return ()
    text = f"{INDEX} lists other tensors than {SINGLE} has, such as {found}: the file is taken, as "
    return (Finding("stale_index", text + "transformers does."),)


def _refuse_two_sets(folder: Path, one: list[str], other: list[str]) -> None:
    if other:
        raise CheckpointError(
            f"{folder.resolve().name} holds two sets of weights: {_dated(folder, one)} and "
            f"{_dated(folder, other)}.",
            f"Remove the set that you don't need, and {INDEX} if that belongs to it.",
        )


def _dated(folder: Path, files: list[str]) -> str:
    """Names of files, and when the youngest of them was written."""
    written = max((folder / name).stat().st_mtime for name in files)
    date = datetime.datetime.fromtimestamp(written).astimezone()
    return f"{listed(files, 2)} (written {date:%Y-%m-%d %H:%M})"


def _refuse_missing(folder: Path, missing: list[str]) -> None:
    if missing:
        several = len(missing) > 1
        raise CheckpointError(
            f"The shard{'s' if several else ''} {listed(missing)} {'are' if several else 'is'} "
            f"missing, which {INDEX} names.",
            f"Copy or download the missing files into {folder.name}.",
        )


def _refuse_gaps(folder: Path, paths: list[str]) -> None:
    """Without an index, the names themselves say how many there should be."""
    totals = {int(found[1]) for name in paths if (found := _NUMBERED.fullmatch(name))}
    if len(totals) > 1:
        total = f"of-{max(totals):05d}"
        part = [name for name in paths if total in name]
        _refuse_two_sets(folder, part, [name for name in paths if name not in part])
    if totals and len(paths) != (total_count := totals.pop()):
        raise CheckpointError(
            f"{folder.resolve().name} has {len(paths)} of {total_count} shards: {listed(paths)}.",
            f"Copy or download the missing files into {folder.name}.",
        )


def _refuse_none(folder: Path, paths: list[str], indexed: list[str]) -> None:
    if paths:
        return
    _refuse_missing(folder, indexed)
    name = folder.resolve().name
    if others := sorted(p.name for p in folder.glob("*.safetensors")):
        raise CheckpointError(
            f"{name} has no weights called model*.safetensors, only {listed(others)}.",
            f"If {others[0]} is the whole model, call it {SINGLE}.",
        )
    pickled = sorted(p.name for p in folder.iterdir() if p.suffix in _PICKLES)
    raise CheckpointError(
        f"{name} has no safetensors"
        + (f", and {pickled[0]} could run code when it is opened." if pickled else "."),
        "Save the model as safetensors, as save_pretrained of transformers does by default."
        if pickled
        else "Copy or download the *.safetensors files of the checkpoint.",
    )


def _plain(folder: Path, files: list[str]) -> tuple[Shard, ...]:
    shards = tuple(read_shard(folder / name) for name in files)
    _refuse_doubles(shards)
    return shards


def _indexed(folder: Path, files: list[str], weight_map: Mapping[str, Any]) -> tuple[Shard, ...]:
    """Shards that hold what the index says."""
    shards = _plain(folder, files)
    name = _differing(weight_map, shards)
    if name is not None:
        shard_of = {t.name: shard.path.name for shard in shards for t in shard.tensors}
        raise CheckpointError(
            f"{INDEX} says that {name} is in {weight_map.get(name, 'no shard')}, "
            f"but it is in {shard_of.get(name) or 'no shard'}.",
            "The index or a shard is of another save: copy the checkpoint again.",
        )
    return shards


def _differing(weight_map: Mapping[str, Any], shards: tuple[Shard, ...]) -> str | None:
    """A tensor that an index has elsewhere than it is; heads and buffers may be in one alone."""
    shard_of = {t.name: shard.path.name for shard in shards for t in shard.tensors}
    for name in [*weight_map, *shard_of]:
        alone = name not in weight_map or name not in shard_of
        if alone and (names.is_head(name) or names.is_buffer(name)):
            continue
        if weight_map.get(name) != shard_of.get(name):
            return name
    return None


def _refuse_doubles(shards: Iterable[Shard]) -> None:
    seen: dict[str, str] = {}
    for shard in shards:
        for tensor in shard.tensors:
            if tensor.name in seen:
                raise CheckpointError(
                    f"{tensor.name} is both in {seen[tensor.name]} and in {shard.path.name}.",
                    "Remove the files that don't belong to the checkpoint.",
                )
            seen[tensor.name] = shard.path.name
