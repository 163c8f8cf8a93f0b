"""What adapter_config.json says of a LoRA adapter: every setting that changes the result, or none.

Keys and their meaning: PEFT 0.21, `LoraConfig` and `PeftConfig`.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_med.artifacts.adapters.peft_folder import CONFIG
from edge_med.artifacts.file_names import cached
from edge_med.artifacts.json_file import read_json
from edge_med.errors import CheckpointError

WITHOUT_EFFECT = frozenset(
    (
        *("base_model_name_or_path", "revision", "task_type", "inference_mode", "peft_version"),
        *("auto_mapping", "peft_type", "lora_dropout", "exclude_modules"),
        *("layers_to_transform", "layers_pattern", "runtime_config"),
        *("megatron_config", "megatron_core", "loftq_config", "eva_config", "corda_config"),
        *("lora_ga_config", "qalora_group_size", "fan_in_fan_out"),
    )
)
"""Of training and of loading: which tensors there are stands in the adapter's file. Linear layers,
which are all that Gemma 3 has, are never stored the other way round: PEFT itself passes
`fan_in_fan_out` over there."""

READ = frozenset(
    (
        *("r", "lora_alpha", "rank_pattern", "alpha_pattern", "use_rslora", "use_dora"),
        *("lora_bias", "init_lora_weights", "trainable_token_indices", "ensure_weight_tying"),
        *("target_modules", "modules_to_save", "bias"),  # promises: promised.py
    )
)

_STARTS = ("pissa", "olora", "corda", "loftq", "lora_ga")
"""What changes the base when training begins: a plain base isn't what these were trained on, unless
the adapter was converted, and then its config.json names no such start any more."""

_KEEPING = ("true", "false", "gaussian", "eva", "orthogonal", "mica")
"""Starts that leave the base as it is: `update_layer` in tuners/lora/layer.py. No more is known."""

_NEVER_MERGED = frozenset(
    (
        *("PROMPT_TUNING", "MULTITASK_PROMPT_TUNING", "P_TUNING", "PREFIX_TUNING"),
        *("ADAPTION_PROMPT", "CPT", "CARTRIDGE", "POLY", "XLORA"),
    )
)
"""Methods that PEFT itself can't merge: their effect is more than a change of weights."""

_ID = re.compile(r"[\w.-]+(/[\w.-]+)?")
"""What models are called on the hub."""

_PLAIN: tuple[object, ...] = (None, False, "", [], {})


@dataclass(frozen=True, slots=True)
class Settings:
    """How an adapter's tensors are added to its base's.

    Attributes:
        rank: rank of modules that match no pattern.
        alpha: the same.
        ranks: ranks by regular expressions of module names; the first match counts.
        alphas: the same.
        rslora: whether the scale is alpha / √rank, and not alpha / rank.
        dora: whether rows are brought to a magnitude of their own.
        tying: whether embedding and head stayed one where the base has them as one.
        tokens: rows that were trained alone, by module; under "" those of the embedding.
        base: the model that it was trained on, as its config names it.
        saved: modules that were trained whole.
        targets: modules with LoRA, where they are listed by name and none is excluded.
        lora_bias: whether each B has a bias.
        all_biases: whether the base's biases were trained, all of them.
        early: whether PEFT before 0.18 has trained it, which says no version of itself. What it
            added to an embedding it added after Gemma's factor √width, and not before.
    """

    rank: int
    alpha: float
    ranks: Mapping[str, int]
    alphas: Mapping[str, float]
    rslora: bool
    dora: bool
    tying: bool
    tokens: Mapping[str, tuple[int, ...]]
    base: str
    saved: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    lora_bias: bool = False
    all_biases: bool = False
    early: bool = False

    @property
    def base_id(self) -> str:
        """The same as on the hub; of a folder its name alone, for its path is nobody's business."""
        if _ID.fullmatch(self.base):
            return self.base
        folder = self.base.rstrip("/\\").replace("\\", "/")
        return cached(Path(folder)).id or folder.rpartition("/")[2]

    @property
    def base_name(self) -> str:
        """The same without its owner."""
        return self.base_id.rpartition("/")[2]

    def rank_of(self, module: str) -> int:
        """Of a module, by its name as in the adapter's file."""
        return int(_by_pattern(self.ranks, module, self.rank))

    def alpha_of(self, module: str) -> float:
        """The same."""
        return float(_by_pattern(self.alphas, module, self.alpha))

    def alphas_of(self, module: str) -> tuple[float, ...]:
        """All values that patterns have for a module, each once; the first counts."""
        return tuple(dict.fromkeys(_fitting(self.alphas, module)))

    def scale(self, module: str, rank: int) -> float:
        """What a module's product is multiplied with.

        Args:
            module: name of the module, as in the adapter's file.
            rank: rank of its tensors.

        Raises:
            CheckpointError: its config says no such rank.
        """
        ranks = _fitting(self.ranks, module) or [self.rank]
        if rank not in ranks:  # where several fit: PEFT sorts them by name when it saves
            raise CheckpointError(
                f"{CONFIG} has rank {ranks[0]} for {module}, and its tensors have {rank}.",
                "The two are of different adapters: copy both from the same training.",
            )
        alpha = self.alpha_of(module)
        return alpha / math.sqrt(rank) if self.rslora else alpha / rank


def read_settings(config: Mapping[str, Any]) -> Settings:
    """The settings in an adapter_config.json.

    Raises:
        CheckpointError: a value can't be, or a setting changes the result in a way that isn't
            carried out here; it is named.
    """
    kind = config.get("peft_type")
    if kind != "LORA":
        raise _other_method(kind)
    for key in sorted(config.keys() - WITHOUT_EFFECT - READ):
        if config[key] not in _PLAIN:
            raise _refused(key, config[key], "That isn't merged here.")
    _refuse_start(config.get("init_lora_weights", True))
    base = config.get("base_model_name_or_path")
    return Settings(
        rank=_number(config, "r", int),
        alpha=_number(config, "lora_alpha", (int, float)),
        ranks=_patterns(config, "rank_pattern", int),
        alphas=_patterns(config, "alpha_pattern", (int, float)),
        rslora=_flag(config, "use_rslora"),
        dora=_flag(config, "use_dora"),
        tying=_flag(config, "ensure_weight_tying"),
        tokens=_tokens(config.get("trainable_token_indices")),
        base=base if isinstance(base, str) else "",
        saved=_listed(config.get("modules_to_save")),
        targets=() if config.get("exclude_modules") else _listed(config.get("target_modules")),
        lora_bias=_flag(config, "lora_bias"),
        all_biases=config.get("bias") == "all",
        early=not config.get("peft_version"),
    )


def _other_method(kind: object) -> CheckpointError:
    if isinstance(kind, str) and kind in _NEVER_MERGED:
        return CheckpointError(
            f"The adapter was trained with peft_type = {kind}, which can't be part of a model's "
            "weights: neither here nor by PEFT.",
            "Train a LoRA, or run the model with transformers and PEFT.",
        )
    return _refused("peft_type", kind, "Only LoRA is merged.")


def _refuse_start(start: object) -> None:
    """Refuse a start that may have changed the base: the plain one wouldn't be what it fits."""
    if not isinstance(start, str) or start.lower() in _KEEPING:
        return
    known = start.lower().startswith(_STARTS)
    why = "Such a start changes the base model" if known else "Such a start may change the base"
    raise _refused("init_lora_weights", start, f"{why}, so that the plain one doesn't fit.")


def _flag(config: Mapping[str, Any], key: str) -> bool:
    value = config.get(key)
    if value is not None and not isinstance(value, bool):
        raise CheckpointError(
            f"{CONFIG} says {key} {json.dumps(value)[:40]}, which is neither true nor false.",
            f"Write {key}: true, or false, as the adapter was trained.",
        )
    return value is True


def _listed(given: Any) -> tuple[str, ...]:
    """Names of modules; none where they are a regular expression, or no list at all."""
    return tuple(name for name in given if isinstance(name, str)) if isinstance(given, list) else ()


def _number(config: Mapping[str, Any], key: str, kind: Any) -> Any:
    return _sound(key, config.get(key), kind)


def _sound(key: str, value: Any, kind: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, kind) or not 0 < value < 1e6:
        raise CheckpointError(
            f"{CONFIG} says {key} {str(value)[:40]}, which can't be.", "Copy the file again."
        )
    return value


def _patterns(config: Mapping[str, Any], key: str, kind: Any) -> dict[str, Any]:
    given = config.get(key) or {}
    if not isinstance(given, Mapping):
        raise CheckpointError(f"{CONFIG} has a {key} that is no table.", "Copy the file again.")
    for pattern, value in given.items():
        _sound(key, value, kind)
        if not _is_simple(pattern):
            raise CheckpointError(
                f"{CONFIG} has a {key} that isn't a short regular expression: {pattern[:80]}.",
                "Write the names of the modules in its place, each with its value.",
            )
    return dict(given)


_REPEATED = re.compile(r"\)[*+?{]|[*+}]")
"""A group that is repeated, and what may take any number of letters: both cost time."""


def _is_simple(pattern: str) -> bool:
    """Whether a pattern is tried in a moment, whoever wrote it: Python's `re` knows no limit."""
    repeated = _REPEATED.findall(pattern)
    if len(pattern) > _LONGEST or len(repeated) > _MOST or any(r[0] == ")" for r in repeated):
        return False
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError):
        return False
    return True


_LONGEST = 500
_MOST = 3
"""Repetitions; over a name of 80 letters they are tried in half a million steps at the most."""


def _by_pattern(patterns: Mapping[str, Any], module: str, otherwise: Any) -> Any:
    """As `get_pattern_key` of PEFT's utils/other.py: the end of the name from a dot on."""
    return next(iter(_fitting(patterns, module)), otherwise)


def _fitting(patterns: Mapping[str, Any], module: str) -> list[Any]:
    """The values of all patterns that fit, in their order."""
    return [
        value
        for pattern, value in patterns.items()
        if re.fullmatch(rf"(?:.*\.)?(?:{pattern})", module)
    ]


def _tokens(given: Any) -> dict[str, tuple[int, ...]]:
    """Rows by module; a list alone is of the embedding."""
    if given in _PLAIN:
        return {}
    named = given if isinstance(given, Mapping) else {"": given}
    for rows in named.values():
        if not isinstance(rows, list) or not all(type(row) is int and row >= 0 for row in rows):
            raise CheckpointError(
                f"{CONFIG} has trainable_token_indices that are no numbers of tokens.",
                "Copy the file again.",
            )
    return {name: tuple(rows) for name, rows in named.items()}


def _refused(key: str, value: object, why: str) -> CheckpointError:
    return CheckpointError(
        f"The adapter was trained with {key} = {str(value)[:40]}. {why}",
        "Merge it with PEFT: model.merge_and_unload().save_pretrained(FOLDER), and convert that.",
    )


def settings_of(folder: Any) -> Settings:
    """The settings of an adapter's folder."""
    return read_settings(read_json(folder / CONFIG))
