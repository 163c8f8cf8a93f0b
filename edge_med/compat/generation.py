"""The arguments of `generate`: what they mean here, and those that can't be had."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from edge_med.compat.backend import as_lists
from edge_med.compat.ignored import DOCS, refuse_unknown, say
from edge_med.config import Options, is_whole
from edge_med.errors import UsageError

NEW_TOKENS = 20
"""Of an answer whose length nobody says (transformers: GenerationConfig.max_length)."""

SAMPLING = ("temperature", "top_k", "top_p", "min_p")
"""What `do_sample` follows."""

_LENGTHS = ("max_new_tokens", "max_length")

USED = frozenset((*_LENGTHS, "do_sample", "eos_token_id", "stop_strings", "streamer"))

WITHOUT_EFFECT = frozenset(
    [
        "use_cache",
        "cache_implementation",
        "pad_token_id",
        "bos_token_id",
        "tokenizer",
        "processor",
        "synced_gpus",
        "disable_compile",
    ]
)

NEUTRAL: dict[str, tuple[Any, ...]] = {
    "num_beams": (1,),
    "num_return_sequences": (1,),
    "repetition_penalty": (1.0,),
    "length_penalty": (1.0,),
    "no_repeat_ngram_size": (0,),
    "min_length": (0,),
    "min_new_tokens": (0,),
    "early_stopping": (False,),
    "return_dict_in_generate": (False,),
    "output_scores": (False,),
    "output_logits": (False,),
    "output_attentions": (False,),
    "output_hidden_states": (False,),
}
"""Arguments that can have no other value than these, besides None."""

KNOWN = USED | WITHOUT_EFFECT | {*SAMPLING} | NEUTRAL.keys()


@dataclass(slots=True)
class GenerationConfig:
    """What `generate` does where a call doesn't say: a model's `generation_config`, to be changed.

    Attributes:
        do_sample: MedGemma's generation_config.json says true; here answers are greedy.
        max_new_tokens: None for 20, of a pipeline 256.
        temperature: with `do_sample`, as the next three.
        top_k: that of Gemma 3's generation_config.json.
        top_p: the same.
        min_p: of the most probable token's probability.
        eos_token_id: one or several ids that end an answer; None for the model's own.
        pad_token_id: without effect, since nothing is padded.
    """

    do_sample: bool = False
    max_new_tokens: int | None = None
    temperature: float | None = 1.0
    top_k: int | None = 64
    top_p: float | None = 0.95
    min_p: float | None = 0.0
    eos_token_id: Any = None
    pad_token_id: Any = None


@dataclass(frozen=True, slots=True)
class Generation:
    """How a prompt is continued.

    Attributes:
        options: of the engine; greedy unless `do_sample` is asked for.
        stop_strings: texts that end it, and are part of it.
        streamer: gets the prompt's ids, each token, and the end.
    """

    options: Options
    stop_strings: tuple[str, ...]
    streamer: Any


def read_arguments(given: Mapping[str, Any], prompt: int, config: GenerationConfig) -> Generation:
    """What the arguments of `generate` ask for.

    Args:
        given: the arguments; None is as good as none.
        prompt: its length in tokens.
        config: what isn't given.

    Raises:
        UsageError: one is unknown, or can't be had.
    """
    refuse_unknown("generate", given, KNOWN)
    asked = {name: value for name, value in given.items() if value is not None}
    for name, possible in NEUTRAL.items():
        if asked.get(name, possible[0]) not in possible:
            raise UsageError(f"{name} can't be {asked[name]!r} here.", f"Leave it out. {DOCS}")
    say(WITHOUT_EFFECT & asked.keys(), "the engine keeps its own cache, and nothing is padded")
    unsaid = {name: value for name, value in asdict(config).items() if value is not None}
    if not (unsaid | asked).get("do_sample"):
        say(asked.keys() & {*SAMPLING}, "without do_sample=True the most probable token is taken")
    asked = unsaid | asked
    options = Options(
        max_new_tokens=_new_tokens(asked, prompt),
        stop_ids=_ends(asked.get("eos_token_id")),
        stop_loops=False,
        fit="stretch",
        **(_sampling(asked) if asked.get("do_sample") else {}),
    )
    return Generation(options, _as_tuple(asked.get("stop_strings")), asked.get("streamer"))


def _new_tokens(asked: Mapping[str, Any], prompt: int) -> int:
    name = "max_length" if asked.keys() & {*_LENGTHS} == {"max_length"} else "max_new_tokens"
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


def _sampling(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Without a temperature it is 1; the others then leave no token out."""
    return {"temperature": 1.0} | {name: asked[name] for name in SAMPLING if name in asked}


def _as_tuple(value: Any) -> tuple[Any, ...]:
    if value is None:
        return ()
    return tuple(value) if isinstance(value, Sequence) and not isinstance(value, str) else (value,)
