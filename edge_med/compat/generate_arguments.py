"""The arguments of `generate`: what they mean here, and those that can't be had."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edge_med.compat import seeds
from edge_med.compat.arguments import refuse_unknown, say
from edge_med.compat.generation_config import (
    KNOWN,
    LENGTHS,
    SAMPLING,
    WITHOUT_EFFECT,
    present,
    refuse_impossible,
    said,
)
from edge_med.compat.stopping import StoppingCriteriaList, as_criteria
from edge_med.compat.tensors import as_lists
from edge_med.config import Options, is_whole
from edge_med.errors import UsageError

NEW_TOKENS = 20
"""Of an answer whose length nobody says (transformers: GenerationConfig.max_length)."""

SAMPLED = {"temperature": 1.0, "top_k": 50}
"""Where neither the call nor the model's `generation_config` says (transformers:
GenerationConfig._get_default_generation_params); nothing else leaves a token out then."""


@dataclass(frozen=True, slots=True)
class Generation:
    """How a prompt is continued.

    Attributes:
        options: of the engine; greedy unless `do_sample` is asked for.
        stop_strings: texts that end it, and are part of it.
        criteria: that end it.
        streamer: gets the prompt's ids, each token, and the end.
    """

    options: Options
    stop_strings: tuple[str, ...]
    criteria: StoppingCriteriaList
    streamer: Any


def read_arguments(given: Mapping[str, Any], prompt: int, config: Any) -> Generation:
    """What the arguments of `generate` ask for.

    Args:
        given: the arguments; None is as good as none.
        prompt: its length in tokens.
        config: what isn't given, neither as an argument nor in its `generation_config`.

    Raises:
        UsageError: one is unknown, or can't be had.
    """
    refuse_unknown("generate", given, KNOWN)
    asked = {**said(given.get("generation_config")), **present(given)}
    refuse_impossible(asked)
    say(WITHOUT_EFFECT & asked.keys(), "the engine keeps its own cache, and nothing is padded")
    told = {**said(config), **asked}
    if not told.get("do_sample"):
        idle = asked.keys() & {*SAMPLING, "seed"}
        say(idle, "without do_sample=True the most probable token is taken")
    options = Options(
        max_new_tokens=_new_tokens(told, prompt),
        stop_ids=_ends(told.get("eos_token_id")),
        stop_loops=False,
        fit="stretch",
        adapters=told.get("adapters", {}),
        **(_sampling(told) if told.get("do_sample") else {}),
    )
    return Generation(
        options,
        _as_tuple(told.get("stop_strings")),
        as_criteria(told.get("stopping_criteria")),
        _streamer(told.get("streamer")),
    )


def _new_tokens(asked: Mapping[str, Any], prompt: int) -> int:
    name = "max_length" if asked.keys() & {*LENGTHS} == {"max_length"} else "max_new_tokens"
    count = asked.get(name, NEW_TOKENS)
    if not is_whole(count):
        raise UsageError(f"{name} is {count!r}.", "It is a whole number.")
    if name == "max_new_tokens":
        return int(count)
    if count <= prompt:
        raise UsageError(
            f"The prompt has {prompt} tokens, and max_length is {count}.",
            "Raise it, or give max_new_tokens instead.",
        )
    return int(count) - prompt


def _ends(given: Any) -> tuple[int, ...]:
    ids = _as_tuple(as_lists(given))
    if not all(map(is_whole, ids)):
        raise UsageError(f"eos_token_id is {given!r}.", "Give the id of a token, or several.")
    return ids


def _streamer(given: Any) -> Any:
    if given is not None and not (hasattr(given, "put") and hasattr(given, "end")):
        raise UsageError(
            f"A value of type {type(given).__name__} is no streamer: it has no put and no end.",
            "Give a TextStreamer(tokenizer) or TextIteratorStreamer(tokenizer).",
        )
    return given


def _sampling(told: Mapping[str, Any]) -> dict[str, Any]:
    """How tokens are drawn; the seed too, if nobody says one."""
    drawing = {**SAMPLED, **{name: told[name] for name in SAMPLING if name in told}}
    return drawing | {"seed": told["seed"] if "seed" in told else seeds.drawn()}


def _as_tuple(value: Any) -> tuple[Any, ...]:
    if value is None:
        return ()
    return tuple(value) if isinstance(value, Sequence) and not isinstance(value, str) else (value,)
