"""The settings of `generate`: those that count, those that change nothing, `GenerationConfig`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edge_med.compat import hub
from edge_med.compat.arguments import DOCS, Few, refuse_unknown
from edge_med.errors import UsageError

SAMPLING = ("temperature", "top_k", "top_p", "min_p")
"""What `do_sample` follows, besides the seed."""

LENGTHS = ("max_new_tokens", "max_length")

SETTINGS = frozenset((*LENGTHS, *SAMPLING, "do_sample", "eos_token_id", "stop_strings", "seed"))
"""What a `GenerationConfig` may say and `generate` heeds; `seed` is edge-med's own."""

USED = SETTINGS | {"streamer", "stopping_criteria", "generation_config", "adapters"}

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
        "max_cache_len",
        "prefill_chunk_size",
        "low_memory",
    ]
)

NEUTRAL: dict[str, tuple[Any, ...]] = {
    "num_beams": (1,),
    "num_beam_groups": (1,),
    "num_return_sequences": (1,),
    "diversity_penalty": (0.0,),
    "repetition_penalty": (1.0,),
    "encoder_repetition_penalty": (1.0,),
    "length_penalty": (1.0,),
    "no_repeat_ngram_size": (0,),
    "encoder_no_repeat_ngram_size": (0,),
    "min_length": (0,),
    "min_new_tokens": (0,),
    "typical_p": (1.0,),
    "epsilon_cutoff": (0.0,),
    "eta_cutoff": (0.0,),
    "guidance_scale": (1.0,),
    "early_stopping": (False,),
    "renormalize_logits": (False,),
    "remove_invalid_values": (False,),
    "return_dict_in_generate": (False,),
    "output_scores": (False,),
    "output_logits": (False,),
    "output_attentions": (False,),
    "output_hidden_states": (False,),
    "use_mtp": (False,),
}
"""Arguments that can have no other value than these, besides None."""

KNOWN = USED | WITHOUT_EFFECT | NEUTRAL.keys()

CONFIGURABLE = SETTINGS | WITHOUT_EFFECT | NEUTRAL.keys()


class GenerationConfig(Few):
    """What `generate` does where a call doesn't say: a model's `generation_config`, or one given.

    Its attributes are the arguments of `generate` that are settings; None counts as absent. A
    value that can't be had is refused where it is set.
    """

    called = "A GenerationConfig"

    def __init__(self, **settings: Any) -> None:
        """Of settings by name.

        Raises:
            UsageError: one is unknown, or can't be had.
        """
        refuse_unknown("GenerationConfig", settings, CONFIGURABLE)
        for name, value in settings.items():
            setattr(self, name, value)

    @classmethod
    def from_pretrained(cls, name: str | Path, **settings: Any) -> GenerationConfig:
        """A model's, with other settings.

        Raises:
            UsageError: there is no such model here; or as when it is made.
        """
        hub.find(name)
        return cls(**{**OF_A_MODEL, **settings})

    def to_dict(self) -> dict[str, Any]:
        """What it says, by name."""
        return dict(vars(self))

    def update(self, **settings: Any) -> dict[str, Any]:
        """Say something else; gives back what it doesn't know, as transformers does."""
        known = settings.keys() & CONFIGURABLE
        for name in known:
            setattr(self, name, settings[name])
        return {name: value for name, value in settings.items() if name not in known}

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in CONFIGURABLE:
            super().__getattr__(name)
        refuse_impossible({name: value})
        super().__setattr__(name, value)

    def __getattr__(self, name: str) -> Any:
        if name not in CONFIGURABLE:
            return super().__getattr__(name)
        return NEUTRAL[name][0] if name in NEUTRAL else None

    def __repr__(self) -> str:
        parts = ", ".join(f"{name}={value!r}" for name, value in vars(self).items())
        return f"GenerationConfig({parts})"


OF_A_MODEL = {"do_sample": False, "temperature": 1.0, "top_k": 64, "top_p": 0.95, "min_p": 0.0}
"""Gemma 3's generation_config.json, but that MedGemma's says `do_sample: true`; here answers are
greedy."""


_OF_THE_FILE = ("transformers_version", "_from_model_config")
"""What transformers writes besides settings."""


def settings_of(config: Any) -> dict[str, Any]:
    """What a `GenerationConfig` says, ours or transformers', which also has its own version.

    Raises:
        UsageError: the value is none, or has a setting that can't be had.
    """
    if config is None:
        return {}
    if not hasattr(config, "to_dict"):
        raise UsageError(
            f"A value of type {type(config).__name__} is no generation_config.",
            "Give a GenerationConfig(max_new_tokens=…).",
        )
    written = present(getattr(config, "to_diff_dict", config.to_dict)())
    settings = {name: value for name, value in written.items() if name not in _OF_THE_FILE}
    refuse_unknown("generation_config", settings, CONFIGURABLE)
    return settings


def refuse_impossible(given: Mapping[str, Any]) -> None:
    """Refuse what only transformers can do, by its name and value.

    Raises:
        UsageError: there is one.
    """
    for name in sorted(given.keys() & NEUTRAL.keys()):
        if given[name] is not None and given[name] not in NEUTRAL[name]:
            raise UsageError(f"{name} can't be {given[name]!r} here.", f"Leave it out. {DOCS}")


def present(given: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments without those that are None."""
    return {name: value for name, value in given.items() if value is not None}
