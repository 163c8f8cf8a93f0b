"""Which tensors of a conversion some adapters change, and whether everything of them fits.

Embedding and head that the base has as one stay one only if the adapter says so
(`ensure_weight_tying`), or trained nothing but rows of tokens, which PEFT then gives to both. Else
each had a layer of its own while the adapter was trained, so that the model gets a head of its own:
PEFT's `merge_and_unload` changes both instead where the two are one tensor in memory.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from converters.checkpoint import Checkpoint
from converters.entries import Entry
from converters.lora.adapter_ends import with_ends
from converters.lora.adapter_tokenizer import unnamed_warnings, with_tokenizer
from converters.lora.arithmetic import AdapterChange, changes_nothing, same_change
from converters.lora.records import adapter_warnings, files
from converters.lora.shape_checks import check, own_base
from edge_med.artifacts import tensor_names as names
from edge_med.artifacts.adapters.peft_adapter import OpenedAdapter, StoredTensor, TensorUpdate
from edge_med.artifacts.hparams import ModelParams, TextParams
from edge_med.artifacts.manifest import Finding
from edge_med.artifacts.safetensors import SourceTensor
from edge_med.artifacts.tensor_names import EMBEDDING
from edge_med.errors import CheckpointError

Changes = dict[str, list[TensorUpdate]]
Again = tuple[tuple[Path, SourceTensor], ...]


@dataclass(frozen=True, slots=True)
class MergePlan:
    """A model with its adapters: its settings, and the tensors of its two files.

    Attributes:
        again: files that are read after the checkpoint, by name, with their paths.
        adapters: adapters with the parts of each that are applied; a new head is among them.
        more: number of tokens that the base lacks.
    """

    params: ModelParams
    text: list[Entry]
    projector: list[Entry]
    again: Again = ()
    adapters: tuple[OpenedAdapter, ...] = ()
    more: int = 0


def merge(
    checkpoint: Checkpoint,
    params: ModelParams,
    text: list[Entry],
    projector: list[Entry],
    adapters: Sequence[OpenedAdapter],
) -> MergePlan:
    """Give each tensor what the adapters make of it, one after the other.

    Raises:
        CheckpointError: something of an adapter has no tensor, doesn't fit it, or does nothing.
    """
    applied, parted = _applied(adapters, tied=params.text.tied)
    changes, known = _changes(applied), params.text.vocabulary
    again: Again = ()
    if parted:
        head = _head_of(text)
        params = _with_text(params, dataclasses.replace(params.text, tied=False))
        again = ((checkpoint.path_of(_embedding(text).source), head.source),)
        text = [*text, head]
    text, changes, grown = _resized(text, changes)
    if grown:
        again = (*(pair for pair in again if pair[1].name not in grown), *grown.values())
        size = _embedding(text).shape[0]
        params = _with_text(params, dataclasses.replace(params.text, vocabulary=size))
    entries = {entry.name: entry for entry in (*text, *projector)}
    for name, parts in changes.items():
        for part in parts:
            check(part, entries.get(name), own_base(adapters))
    _refuse_idle(checkpoint, adapters, entries)
    text, projector = (_with(checkpoint, part, changes) for part in (text, projector))
    return MergePlan(params, text, projector, again, applied, params.text.vocabulary - known)


def with_adapters(
    checkpoint: Checkpoint, merged: MergePlan, base: str
) -> tuple[Checkpoint, tuple[Finding, ...]]:
    """The checkpoint with the files of the adapters, and findings about them.

    Args:
        checkpoint: checkpoint that they are merged into.
        merged: result of the merge.
        base: name of the checkpoint's model.

    Raises:
        CheckpointError: an adapter's folder has the tokenizer of another model.
    """
    adapters, size = merged.adapters, merged.params.text.vocabulary
    if not adapters:
        return checkpoint, ()
    checkpoint = dataclasses.replace(
        checkpoint,
        again=merged.again,
        adapter_files=files(adapters),
        merged=tuple((adapter.name, adapter.strength) for adapter in adapters),
    )
    findings = tuple(one for adapter in adapters for one in adapter_warnings(adapter, base))
    checkpoint, more = with_tokenizer(checkpoint, adapters, size)
    checkpoint, ends = with_ends(checkpoint, adapters)
    grown = [adapter for adapter in adapters if merged.more > 0 and _rows(adapter) == size]
    return checkpoint, (*findings, *more, *ends, *unnamed_warnings(grown, merged.more))


def _rows(adapter: OpenedAdapter) -> int:
    """Of the embedding that an adapter has whole."""
    part = adapter.parts.get(EMBEDDING)
    return part.whole.tensor.shape[0] if part and part.whole else 0


def _with(checkpoint: Checkpoint, entries: list[Entry], changes: Changes) -> list[Entry]:
    return [
        dataclasses.replace(entry, change=_change(checkpoint, entry, tuple(parts)))
        if (parts := changes.get(entry.name))
        else entry
        for entry in entries
    ]


def _change(checkpoint: Checkpoint, entry: Entry, parts: tuple[TensorUpdate, ...]) -> AdapterChange:
    base = _stored(checkpoint, entry)
    if base is None and any(part.turns_columns for part in parts):
        raise CheckpointError(
            f"The adapter has DoRA of {parts[0].module}, and more tokens than the base.",
            "Merge it with PEFT, and convert that: docs/guide/adapters.md shows how.",
        )
    return AdapterChange(parts, base)


def _with_text(params: ModelParams, text: TextParams) -> ModelParams:
    return dataclasses.replace(params, text=text)


def _applied(
    adapters: Sequence[OpenedAdapter], *, tied: bool
) -> tuple[tuple[OpenedAdapter, ...], bool]:
    """Adapters with what each really changes, and whether the head must become one of its own."""
    parting = [tied and _parts_head(adapter) for adapter in adapters]
    first = parting.index(True) if any(parting) else None
    head = names.Target("text", names.HEAD)
    applied = []
    for at, adapter in enumerate(adapters):
        parts = dict(adapter.parts)
        if tied and not parting[at]:
            parts.pop(names.HEAD, None)  # the embedding's once more
            if first is not None and (embedding := parts.get(EMBEDDING)):
                parts[names.HEAD] = dataclasses.replace(embedding, target=head)
        if at == first:
            parts.setdefault(names.HEAD, TensorUpdate("lm_head", head))
        applied.append(dataclasses.replace(adapter, parts=parts))
    return tuple(applied), first is not None


def _changes(adapters: Sequence[OpenedAdapter]) -> Changes:
    """What is changed, in the adapters' order; a head that is only made is changed by nothing."""
    changes: Changes = {}
    for adapter in adapters:
        for name, part in adapter.parts.items():
            if part.stored:
                changes.setdefault(name, []).append(part)
    return changes


def _parts_head(adapter: OpenedAdapter) -> bool:
    """Whether head and embedding of a base that has them as one differ after an adapter."""
    embedding, head = adapter.parts.get(EMBEDDING), adapter.parts.get(names.HEAD)
    if embedding is None:
        return head is not None
    if head is not None:
        return not same_change(embedding, head)
    if adapter.settings.tying:
        return False
    return embedding.down is not None or embedding.whole is not None


def _embedding(text: list[Entry]) -> Entry:
    return next(entry for entry in text if entry.name == EMBEDDING)


def _head_of(text: list[Entry]) -> Entry:
    """A head of its own, which begins as the embedding and is read after all."""
    embedding = _embedding(text)
    source = dataclasses.replace(embedding.source, name="lm_head.weight")
    return dataclasses.replace(embedding, name=names.HEAD, source=source)


def _resized(
    text: list[Entry], changes: Changes
) -> tuple[list[Entry], Changes, dict[str, tuple[Path, SourceTensor]]]:
    """Embedding and head as an adapter stores them, if it has another number of rows for them.

    Their places in memory are the adapter's file then: nothing of the base's is left of them. By
    the names of the base's tensors that they take the place of.
    """
    grown: dict[str, tuple[Path, SourceTensor]] = {}
    others, fresh = [], []
    changes = dict(changes)
    for entry in text:
        parts = changes.get(entry.name, [])
        last = max((at for at, part in enumerate(parts) if part.whole), default=None)
        whole = parts[last].whole if last is not None else None
        if entry.name not in (EMBEDDING, names.HEAD) or whole is None:
            others.append(entry)
            continue
        rows, width = whole.tensor.shape[0], whole.tensor.shape[1:]
        if rows == entry.source.shape[0] or width != entry.shape[1:]:
            others.append(entry)
            continue
        assert last is not None
        source = dataclasses.replace(whole.tensor, name=f"{whole.path.parent.name}/{entry.name}")
        grown[entry.source.name] = (whole.path, source)
        fresh.append(dataclasses.replace(entry, source=source, shape=whole.tensor.shape))
        rest = dataclasses.replace(parts[last], whole=None)
        changes[entry.name] = [*([rest] if rest.stored else []), *parts[last + 1 :]]
    _refuse_one_grown(text, fresh)
    return [*others, *fresh], changes, grown


def _refuse_one_grown(text: list[Entry], fresh: list[Entry]) -> None:
    """Embedding and head have as many rows as there are tokens, both of them."""
    there = {entry.name for entry in text} & {EMBEDDING, names.HEAD}
    sizes = {entry.shape[0] for entry in fresh}
    if fresh and (len(fresh) != len(there) or len(sizes) > 1):
        raise CheckpointError(
            f"The adapter has {' and '.join(map(str, sorted(sizes)))} tokens for "
            f"{fresh[0].name} alone.",
            "Save it again with save_embedding_layers=True: both were resized in training.",
        )


def _refuse_idle(
    checkpoint: Checkpoint, adapters: Sequence[OpenedAdapter], entries: dict[str, Entry]
) -> None:
    """Refuse an adapter that leaves all as it was."""
    for adapter in adapters:
        if all(
            changes_nothing(part, _stored(checkpoint, entries.get(name)))
            for name, part in adapter.parts.items()
        ):
            raise CheckpointError(
                f"The adapter {adapter.name} changes nothing: it adds only zeros, or numbers that "
                "are lost by rounding to the base's type.",
                "Give the folder that was saved after training.",
            )


def _stored(checkpoint: Checkpoint, entry: Entry | None) -> StoredTensor | None:
    """The base's tensor; None if an adapter's has taken its place."""
    if entry is None or entry.source not in checkpoint.tensors.values():
        return None
    return StoredTensor(checkpoint.path_of(entry.source), entry.source)
