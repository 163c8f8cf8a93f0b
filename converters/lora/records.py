"""Findings and manifest records of adapters: the tensors that they change, and their strength."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from converters.findings import listed
from edge_med.artifacts.adapters.find_folder import more_adapters
from edge_med.artifacts.adapters.peft_adapter import OpenedAdapter, TensorUpdate
from edge_med.artifacts.adapters.peft_folder import CONFIG, merge_command
from edge_med.artifacts.adapters.runtime_part import Division
from edge_med.artifacts.manifest import ChangedTensor, Finding, MergedAdapter, SourceFile
from edge_med.artifacts.tensor_names import PLACE_WORDS, counted, place

_FOUR_BITS = re.compile(r"[-_](?:unsloth[-_])?(?:bnb[-_])?4bit$", re.IGNORECASE)
"""How the names of bases end that were trained in four bits, as unsloth publishes them."""


def record(adapter: OpenedAdapter, sha256: str) -> MergedAdapter:
    """What the manifest says of a merged adapter."""
    parts = adapter.parts.items()
    counts = Counter(place(name) for name, _ in parts)
    return MergedAdapter(
        name=adapter.name,
        base=adapter.settings.base_id,
        sha256=sha256,
        strength=adapter.strength,
        **{kind: counts[kind] for kind in PLACE_WORDS},
        tensors=tuple(ChangedTensor(name, _how(part), part.scale) for name, part in parts),
    )


def _how(part: TensorUpdate) -> str:
    kinds = {
        "whole": part.whole is not None,
        "lora": part.down is not None and part.magnitude is None,
        "dora": part.magnitude is not None,
        "bias": part.bias is not None,
        "rows": part.rows is not None,
    }
    return "+".join(kind for kind, there in kinds.items() if there) or "made"


def adapter_warnings(adapter: OpenedAdapter, base: str) -> list[Finding]:
    """What the user should know of an adapter.

    Args:
        adapter: adapter that is merged.
        base: name of the checkpoint that it is merged into.
    """
    strength = "" if adapter.strength == 1 else f", {adapter.strength:g} times as strong"
    text = f"The adapter {adapter.name} is merged{strength}: {counted(adapter.parts)}."
    if any(not part.stored for part in adapter.parts.values()):
        text += " The head is now a tensor of its own, with the base's numbers."
    found = [Finding("adapter", text)]
    trained_on = adapter.settings.base_name
    plain = _FOUR_BITS.sub("", trained_on)
    if plain != trained_on:
        text = (
            f"{adapter.name} was trained on a base of four bits ({trained_on}). It is merged into "
            "the full weights, whose answers may differ a little from those in training."
        )
        found.append(Finding("adapter_four_bits", text))
    if plain and plain.lower() != base.lower():
        text = f"{adapter.name} names {plain} as its base, and is merged into {base}."
        found.append(Finding("adapter_base", text))
    if others := more_adapters(adapter.folder):
        text = f"{adapter.name} holds more adapters, which aren't merged: {listed(others)}."
        found.append(Finding("adapters_beside", text))
    found += _patterns(adapter)
    if adapter.settings.early:
        found += _early(adapter)
    return found


def _patterns(adapter: OpenedAdapter) -> list[Finding]:
    """That several patterns fit a module: PEFT sorts them by name when it saves."""
    alphas = {part.module: adapter.settings.alphas_of(part.module) for part in _pairs(adapter)}
    several = [module for module, values in alphas.items() if len(values) > 1]
    if not several:
        return []
    values = " and ".join(f"{value:g}" for value in alphas[several[0]])
    text = (
        f"In {adapter.name}, alpha_pattern has several values for {len(several)} modules, such as "
        f"{values} for {several[0]}. The first counts, as where PEFT loads it; but PEFT sorts them "
        "when it saves, and in training another one may have been the first."
    )
    return [Finding("adapter_patterns", text)]


def _pairs(adapter: OpenedAdapter) -> list[TensorUpdate]:
    return [part for part in adapter.parts.values() if part.down]


def left_out(file: str, division: Division, folder: Path) -> list[Finding]:
    """What a GGUF adapter hasn't got of the adapter that it is made of."""
    if not division.left:
        return []
    tensors = counted(one.name for one in division.left)
    sentences = [f"Left out of {file}: what is changed in {tensors}."]
    if text := [one for one in division.left if one.of_text]:
        many = f"{len(text)} of them, such as " if len(text) > 1 else ""
        sentences.append(
            f"Answers about texts differ without {many}that of {text[0].name}: {text[0].reason}."
        )
    sentences.append(f"All of it is merged by: {merge_command(folder)}")
    return [Finding("adapter_left_out", " ".join(sentences))]


def _early(adapter: OpenedAdapter) -> list[Finding]:
    """What PEFT before 0.18 did otherwise with Gemma's embedding, whose rows count √width times."""
    parts = adapter.parts.values()
    embedding = adapter.parts.get("token_embd.weight")
    if embedding and embedding.embedding:
        text = (
            f"{adapter.name} was trained by PEFT before 0.18, which added its LoRA of the "
            "embedding after Gemma's factor: it is merged as trained, and not as PEFT merges it."
        )
    elif any(part.rows for part in parts):
        text = (
            f"{adapter.name} was trained by PEFT before 0.18, which left Gemma's factor out where "
            "rows of tokens were trained: with that factor the model may answer otherwise."
        )
    else:
        return []
    return [Finding("adapter_early", text)]


def files(adapters: Sequence[OpenedAdapter]) -> dict[str, Path]:
    """The files of adapters, by the names that the manifest lists them under."""
    return {
        f"adapter-{number}/{path.name}": path
        for number, adapter in enumerate(adapters, 1)
        for path in (adapter.folder / CONFIG, adapter.shard.path)
    }


def records(
    adapters: Sequence[OpenedAdapter], sources: Sequence[SourceFile]
) -> tuple[MergedAdapter, ...]:
    """What the manifest says of merged adapters, with the hashes of their files."""
    hashes = {file.path: file.sha256 for file in sources}
    return tuple(
        record(adapter, hashes.get(f"adapter-{number}/{adapter.shard.path.name}", ""))
        for number, adapter in enumerate(adapters, 1)
    )
