"""The tokenizer and the chat template in an adapter's folder, where they aren't the base's.

TRL, unsloth and others save both beside the adapter. They count where they say something else: a
model that was trained with tokens of its own, or with other turns, must be asked with these.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from converters.checkpoint import Checkpoint
from converters.small import TOKENIZER, SmallFiles, chat_template
from converters.told import Told
from converters.vocabulary import Vocabulary, read_vocabulary
from edge_med.artifacts.peft.adapter import Adapter
from edge_med.artifacts.section import short
from edge_med.errors import CheckpointError

_OTHER = 0.01
"""So many tokens may be others; beyond, it is the tokenizer of another model."""


def with_tokenizer(
    checkpoint: Checkpoint, adapters: Sequence[Adapter], size: int
) -> tuple[Checkpoint, tuple[Told, ...]]:
    """A checkpoint with the tokenizer and the template of the last adapter that has its own.

    Args:
        checkpoint: the base.
        adapters: in their order.
        size: of the vocabulary, in tokens.

    Raises:
        CheckpointError: a tokenizer is damaged, or another model's.
    """
    small, told = checkpoint.small, list[Told]()
    for adapter in adapters:
        small, more = _with_tokens(checkpoint, small, adapter.folder, size)
        told += more
        small, more = _with_template(small, adapter.folder)
        told += more
    return dataclasses.replace(checkpoint, small=small), tuple(told)


def _with_tokens(
    checkpoint: Checkpoint, small: SmallFiles, folder: Path, size: int
) -> tuple[SmallFiles, list[Told]]:
    if not any((folder / name).is_file() for name in TOKENIZER.one_of):
        return small, []
    there = {n: ("adapter", folder / n) for n in (*TOKENIZER.one_of, *TOKENIZER.with_it)}
    template = small.template or chat_template(small)
    fresh = SmallFiles(small.folder, {**small.elsewhere, **there}, template)
    ours, theirs = (
        read_vocabulary(dataclasses.replace(checkpoint, small=files), size)
        for files in (small, fresh)
    )
    differ = _different(ours, theirs)
    if not differ:
        return small, []
    token = short(theirs.tokens[differ[0]])
    text = f"{len(differ)} of {size} tokens, such as {differ[0]}: {token}."
    if len(differ) > size * _OTHER:
        raise CheckpointError(
            f"The tokenizer in {folder.resolve().name} differs from the base's in {text}",
            "Give the adapter's own base model, or take the tokenizer out of the adapter's folder.",
        )
    return fresh, [
        Told("adapter_tokenizer", f"{folder.resolve().name} has a tokenizer with other {text}")
    ]


def _different(ours: Vocabulary, theirs: Vocabulary) -> list[int]:
    pairs = enumerate(zip(ours.tokens, theirs.tokens, strict=True))
    return [at for at, (one, other) in pairs if one != other]


def template_told(base: SmallFiles, folder: Path) -> list[Told]:
    """That an adapter's own chat template counts for nothing where it isn't merged."""
    _, told = _with_template(base, folder)
    if not told or chat_template(base) is None:
        return []
    text = (
        f"{folder.resolve().name} was trained with another chat template than its base's. A model "
        "that it is applied to is asked in its own turns; a merge takes the adapter's template."
    )
    return [Told("adapter_template", text)]


def _with_template(small: SmallFiles, folder: Path) -> tuple[SmallFiles, list[Told]]:
    own, base = chat_template(SmallFiles(folder)), small.template or chat_template(small)
    if own is None or (base is not None and own.strip() == base.strip()):
        return small, []
    text = f"The chat template is the one in {folder.resolve().name}, which isn't the base's."
    return dataclasses.replace(small, template=own), [Told("adapter_template", text)]
