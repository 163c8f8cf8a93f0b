"""Settings of answers in generation_config.json: ends are kept, other settings are reported."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from converters.checkpoint import Checkpoint
from converters.findings import listed
from converters.vocabulary import Vocabulary
from edge_med.artifacts.chat_template import END
from edge_med.artifacts.json_section import short
from edge_med.artifacts.manifest import Finding

FILE = "generation_config.json"

_NOTHING: Mapping[str, object] = {
    "suppress_tokens": [],
    "begin_suppress_tokens": [],
    "bad_words_ids": [],
    "force_words_ids": [],
    "sequence_bias": {},
    "forced_bos_token_id": None,
    "forced_eos_token_id": None,
    "stop_strings": [],
    "min_length": 0,
    "min_new_tokens": 0,
    "no_repeat_ngram_size": 0,
    "repetition_penalty": 1.0,
    "exponential_decay_length_penalty": None,
}
"""Settings of transformers that change which tokens an answer may have, and where they change none.

Names and defaults: https://huggingface.co/docs/transformers/main_classes/text_generation
"""


_FOUND = (END, "<eos>", "<|im_end|>", "<|eot_id|>", "<|endoftext|>")
"""Ends that llama.cpp knows by their names (llama-vocab.cpp), as far as fine-tunes have them. It
knows `</s>` as well, which Gemma's vocabulary has for the end of struck text."""


def configured_ends(checkpoint: Checkpoint) -> list[int]:
    """Ids that end an answer, in transformers' order: without the file config.json counts."""
    if checkpoint.small.path(FILE).is_file():
        places = [checkpoint.json(FILE)]
    else:
        inner = checkpoint.config.get("text_config")
        places = [dict(checkpoint.config), dict(inner) if isinstance(inner, Mapping) else {}]
    value: Any = next((p["eos_token_id"] for p in places if p.get("eos_token_id") is not None), [])
    return [n for n in (value if isinstance(value, list) else [value]) if type(n) is int and n >= 0]


def more_ends(checkpoint: Checkpoint, vocabulary: Vocabulary, eos: int | None) -> list[int]:
    """Those ends that llama.cpp doesn't find: it takes one as `eos`, and knows some by name."""
    ends = [n for n in dict.fromkeys(configured_ends(checkpoint)) if n < len(vocabulary)]
    return [n for n in ends if n != eos and vocabulary.tokens[n] not in _FOUND]


def generation_warnings(
    checkpoint: Checkpoint, vocabulary: Vocabulary, ends: list[int]
) -> list[Finding]:
    """What of an answer's settings only edge-med carries out, and what it doesn't.

    Args:
        checkpoint: checkpoint with the settings.
        vocabulary: vocabulary of the model.
        ends: result of `more_ends`.
    """
    warnings = []
    if ends:
        names = [f"{short(vocabulary.tokens[n])} ({n})" for n in ends]
        text = f"Answers end with {listed(names)} as well, as the checkpoint says: edge-med keeps "
        warnings.append(Finding("ends", text + "to it, other programs that run the file don't."))
    if beyond := [str(n) for n in configured_ends(checkpoint) if n >= len(vocabulary)]:
        text = f"Answers are to end with {listed(beyond)}, which the vocabulary hasn't got."
        warnings.append(Finding("ends", text))
    settings = checkpoint.json(FILE)
    asked = [k for k, default in _NOTHING.items() if settings.get(k) not in (None, default)]
    if asked:
        text = f"{FILE} has {listed(asked, 9)}, which answers don't follow here."
        warnings.append(Finding("generation", text))
    return warnings
