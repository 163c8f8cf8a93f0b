"""What a user can set: how a model is loaded, and how an answer is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from edge_med.errors import UsageError

Fit = Literal["pad", "stretch"]
KV = Literal["f16", "q8_0"]
MemoryRule = Literal["plan", "warn", "ignore"]

LONGEST_ANSWER = 8192
"""Tokens that MedGemma may write (model card); a prompt may have 131,072."""

LONGEST_CONTEXT = 131_072 + LONGEST_ANSWER


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadOptions:
    """How a model is loaded.

    Attributes:
        context: tokens that prompt and answer may have together.
        kv: type of the KV cache.
        threads: that compute; as many as there are usable performance cores if None.
        memory: what happens if the plan says that the memory won't do: `plan` refuses, `warn` says
            so in the log, `ignore` loads.
        batch: tokens that are read at once; an image block must fit into one batch.
        checkpoint_bytes: memory for window checkpoints, so that an earlier turn can be taken back.
        embedding_bytes: memory for embeddings of images that were seen.
    """

    context: int = 8192
    kv: KV = "f16"
    threads: int | None = None
    memory: MemoryRule = "plan"
    batch: int = 512
    checkpoint_bytes: int = 512 << 20
    embedding_bytes: int = 256 << 20

    def __post_init__(self) -> None:
        if self.kv not in ("f16", "q8_0"):
            raise UsageError(f"'{self.kv}' isn't a type of KV cache.", "Use f16 or q8_0.")
        _within("context", self.context, 16, LONGEST_CONTEXT)
        _within("batch", self.batch, 16, 4096)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How one answer is written; greedily, if nothing else is said.

    Attributes:
        max_new_tokens: after which the answer is cut off.
        temperature: 0 takes the most probable token each time; else the logits are divided by it.
        top_k: only that many of the most probable tokens are chosen from; 0 for all.
        top_p: only the most probable tokens are, that together have this probability.
        min_p: only tokens are, that have this share of the best one's probability.
        seed: of the choice; a fresh one if None, which `provenance.seed` then tells.
        stop: texts that end the answer, and aren't part of it.
        stop_ids: tokens that end it, besides the model's own.
        logit_bias: added to the logit of a token; -inf bans it.
        logprobs: how many of each position's best tokens are told; 0 for none.
        stop_loops: whether an answer that repeats itself is ended.
        schema: JSON schema that the answer fits, as a mapping or as JSON; the model is told it, and
            `Answer.parsed` has the value.
        grammar: GBNF that the answer fits, with its rule `root`; one of the two.
        fit: how images come into the model's square.
    """

    max_new_tokens: int = 1024
    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    seed: int | None = None
    stop: tuple[str, ...] = ()
    stop_ids: tuple[int, ...] = ()
    logit_bias: Mapping[int, float] = field(default_factory=dict)
    logprobs: int = 0
    stop_loops: bool = True
    schema: Mapping[str, Any] | str | None = None
    grammar: str | None = None
    fit: Fit = "pad"

    def __post_init__(self) -> None:
        for name, (low, high) in _RANGES.items():
            _within(name, getattr(self, name), low, high)
        if self.fit not in ("pad", "stretch"):
            raise UsageError(f"'{self.fit}' isn't a fit.", "Use pad or stretch.")
        if "" in self.stop:
            raise UsageError("An empty text can't end an answer.", "Leave it out of stop.")
        if self.schema is not None and self.grammar is not None:
            raise UsageError("An answer can't have a schema and a grammar.", "Give one of them.")


_RANGES: dict[str, tuple[float, float]] = {
    "max_new_tokens": (1, LONGEST_ANSWER),
    "temperature": (0.0, 100.0),
    "top_k": (0, 1 << 20),
    "top_p": (0.0, 1.0),
    "min_p": (0.0, 1.0),
    "logprobs": (0, 1000),
}


def _within(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise UsageError(f"{name} is {value}.", f"It can be anything from {low:g} to {high:g}.")
