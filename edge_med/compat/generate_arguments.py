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
    settings_of,
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
        options: options of the answer; greedy unless `do_sample` is true.
        stop_strings: texts that end it, and are part of it.
        criteria: the stopping criteria.
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
        config: the source of what neither the arguments nor their `generation_config` has.

    Raises:
        UsageError: one is unknown, or can't be had.
    """
    refuse_unknown("generate", given, KNOWN)
    asked = {**settings_of(given.get("generation_config")), **present(given)}
    refuse_impossible(asked)
    say(WITHOUT_EFFECT & asked.keys(), "the engine keeps its own cache, and nothing is padded")
    settings = {**settings_of(config), **asked}
    if not settings.get("do_sample"):
        idle = asked.keys() & {*SAMPLING, "seed"}
        say(idle, "without do_sample=True the most probable token is taken")
    options = Options(
        max_new_tokens=_new_tokens(settings, prompt),
        stop_ids=_ends(settings.get("eos_token_id")),
        stop_loops=False,
        fit="stretch",
        adapters=settings.get("adapters", {}),
        **(_sampling(settings) if settings.get("do_sample") else {}),
    )
    return Generation(
        options,
        _as_tuple(settings.get("stop_strings")),
        as_criteria(settings.get("stopping_criteria")),
        _streamer(settings.get("streamer")),
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


def _sampling(settings: Mapping[str, Any]) -> dict[str, Any]:
    """How tokens are drawn; the seed too, if nobody says one."""
    drawing = {**SAMPLED, **{name: settings[name] for name in SAMPLING if name in settings}}
    return drawing | {"seed": settings["seed"] if "seed" in settings else seeds.drawn()}


def _as_tuple(value: Any) -> tuple[Any, ...]:
    if value is None:
        return ()
    return tuple(value) if isinstance(value, Sequence) and not isinstance(value, str) else (value,)
