"""Ends of answers that an adapter brings: transformers saves generation_config.json with it.

Its file counts where it has an end that the base hasn't. Fewer ends than the base's are no other
training: trainers write the tokenizer's one end into it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from converters.checkpoint import Checkpoint
from converters.generation_settings import FILE, configured_ends
from converters.lora.adapter_files import blamed, folder_with
from edge_med.artifacts.adapters.peft_adapter import OpenedAdapter
from edge_med.artifacts.file_names import called
from edge_med.artifacts.manifest import Finding


def with_ends(
    checkpoint: Checkpoint, adapters: Sequence[OpenedAdapter]
) -> tuple[Checkpoint, tuple[Finding, ...]]:
    """A checkpoint that ends its answers as the last adapter that has ends of its own.

    Raises:
        CheckpointError: a generation_config.json is damaged.
    """
    base, taken, warnings = set(configured_ends(checkpoint)), checkpoint, list[Finding]()
    for where in filter(None, (folder_with(a.folder, [FILE]) for a in adapters)):
        files = {**checkpoint.small.elsewhere, FILE: ("adapter", where / FILE)}
        small = dataclasses.replace(checkpoint.small, elsewhere=files)
        theirs = dataclasses.replace(checkpoint, small=small)
        with blamed(FILE, where):
            more = [end for end in configured_ends(theirs) if end not in base]
        if more:
            taken = theirs
            text = f"Answers end with {_tokens(more)}, as {FILE} in {called(where)} says."
            warnings.append(Finding("adapter_ends", text))
    return taken, tuple(warnings)


def _tokens(ends: list[int]) -> str:
    noun = "the token" if len(ends) == 1 else "the tokens"
    return f"{noun} {', '.join(map(str, ends))}"
