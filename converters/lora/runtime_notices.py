"""What the user should know of an adapter that is applied while a model runs, and isn't merged."""

from __future__ import annotations

from converters.checkpoint import Checkpoint
from converters.lora.adapter_ends import with_ends
from converters.lora.adapter_processor import with_processor
from converters.lora.adapter_tokenizer import template_warnings, with_tokenizer
from converters.lora.records import adapter_warnings
from converters.small_files import PROCESSOR, TOKENIZER
from edge_med.artifacts.adapters.peft_adapter import OpenedAdapter
from edge_med.artifacts.manifest import Finding
from edge_med.artifacts.tensor_names import EMBEDDING
from edge_med.errors import CheckpointError

_WORDS = {
    "adapter_base": "{name} names {base} as its base, and becomes a file for {called}.",
    "adapter_four_bits": (
        "{name} was trained on a base of four bits ({base}). With a base of other bits its answers "
        "may differ a little from those in training."
    ),
    "adapter_patterns": "{text}",
}
"""Findings that a merge has too, in words for an adapter's own file."""


def applied_warnings(
    adapter: OpenedAdapter, base: Checkpoint, called: str, size: int
) -> list[Finding]:
    """What differs between the base of an adapter and the model that it will be applied to.

    Args:
        adapter: adapter that becomes a file of its own.
        base: small files of the base.
        called: name of the base.
        size: size of the base's vocabulary, in tokens.
    """
    words = {"name": adapter.name, "base": adapter.settings.base_name, "called": called}
    found = [
        Finding(one.code, _WORDS[one.code].format(text=one.text, **words))
        for one in adapter_warnings(adapter, called)
        if one.code in _WORDS
    ]
    own = (*_tokenizer(adapter, base, size), *template_warnings(base.small, adapter.folder))
    return [*found, *own, *_pictures(adapter, base), *_ends(adapter, base)]


def _ends(adapter: OpenedAdapter, base: Checkpoint) -> list[Finding]:
    """That it was trained to end its answers otherwise."""
    rest = "A model that it is applied to doesn't; a merge does."
    return [Finding(one.code, f"{one.text} {rest}") for one in with_ends(base, [adapter])[1]]


def _pictures(adapter: OpenedAdapter, base: Checkpoint) -> list[Finding]:
    """That it was trained on pictures that were prepared otherwise."""
    if not any((base.folder / name).is_file() for name in PROCESSOR.one_of):
        return []
    try:
        _, findings = with_processor(base, [adapter])
    except CheckpointError as error:
        return [Finding("adapter_processor", error.message)]
    text = (
        f"{adapter.name} was trained on images that were prepared otherwise than its base's. A "
        "model that it is applied to sees them as its base does; a merge takes the adapter's way."
    )
    return [Finding(one.code, text) for one in findings]


def _tokenizer(adapter: OpenedAdapter, base: Checkpoint, size: int) -> list[Finding]:
    """That tokens of its own are no tokens of the model."""
    if not any((base.folder / name).is_file() for name in TOKENIZER.one_of):
        return []
    embedding = adapter.parts.get(EMBEDDING)
    if embedding and embedding.whole:
        size = max(size, embedding.whole.tensor.shape[0])
    try:
        _, findings = with_tokenizer(base, [adapter], size)
    except CheckpointError as error:
        return [Finding("adapter_tokenizer", error.message)]
    rest = "A model that it is applied to keeps its own tokens; a merge takes the adapter's."
    return [
        Finding(one.code, f"{one.text} {rest}")
        for one in findings
        if one.code == "adapter_tokenizer"
    ]
