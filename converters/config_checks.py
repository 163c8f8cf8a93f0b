"""What a model is, by its tensors: config.json is compared with them, and they decide.

Whoever merges, exports or cuts a model often leaves a config.json that speaks of another form of
it. Where the tensors are plain, they are taken, and the contradiction is reported; what they can't
say, such as the number of heads, is config.json's alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from converters.checkpoint import Checkpoint
from converters.findings import listed
from converters.same_numbers import same_numbers
from edge_med.artifacts import tensor_names as names
from edge_med.artifacts.hparams import (
    MULTIMODAL,
    TEXT_ALONE,
    TEXT_KEYS,
    VOCABULARY,
    architecture,
    check_architecture,
    text_section,
)
from edge_med.artifacts.manifest import Finding
from edge_med.artifacts.safetensors import SourceTensor
from edge_med.errors import CheckpointError

Config = dict[str, Any]


@dataclass(frozen=True, slots=True)
class CheckedConfig:
    """A config.json that says what the tensors are, and what of the original it contradicts.

    Attributes:
        sees: whether there is a vision tower.
    """

    config: Config
    sees: bool
    warnings: tuple[Finding, ...]


def check_config(checkpoint: Checkpoint) -> CheckedConfig:
    """Compare config.json with the tensors.

    Raises:
        CheckpointError: it is no Gemma 3, by config.json or by a tensor, or the two contradict
            each other.
    """
    if (declared := architecture(checkpoint.config)) is not None:
        check_architecture(declared)  # of another model no tensor is known
    tensors = list(checkpoint.tensors.values())
    sees = any(names.target(t.name, tied=True).part == "projector" for t in tensors)
    config: Config = dict(checkpoint.config)
    warnings = [*_names(tensors), *_quantized(config), *_architecture(config, sees=sees)]
    warnings += _outside(config)
    embedding = _find(tensors, "token_embd.weight")
    if architecture(config) is not None and embedding:
        warnings += _vocabulary(config, embedding)
        warnings += _head(config, checkpoint, embedding)
    return CheckedConfig(config, sees, tuple(warnings))


def _find(tensors: Iterable[SourceTensor], name: str) -> SourceTensor | None:
    return next((t for t in tensors if names.target(t.name, tied=False).name == name), None)


def _names(tensors: Iterable[SourceTensor]) -> Iterable[Finding]:
    """Names that are read in another form, and tensors that are in no model."""
    buffers = [t.name for t in tensors if names.is_buffer(t.name)]
    if buffers:
        text = f"Tensors that are computed, not read: {listed(buffers)}."
        yield Finding("buffers", text)
    wrapped = [t.name for t in tensors if names.unwrapped(t.name) != t.name]
    if wrapped:
        yield Finding(
            "names",
            f"Names are read without what a wrapper has put into them: {listed(wrapped, 1)} "
            f"as {names.unwrapped(wrapped[0])}.",
        )


def _quantized(config: Config) -> Iterable[Finding]:
    inner = config.get("text_config")
    for part in (config, inner if isinstance(inner, Mapping) else {}):
        declared = part.get("quantization_config")
        if declared is not None:
            method = declared.get("quant_method") if isinstance(declared, Mapping) else None
            yield Finding(
                "quantization_config",
                f"config.json has a quantization_config ({method or 'of no method'}), and no "
                "tensor is quantized: it is ignored.",
            )


def _architecture(config: Config, *, sees: bool) -> Iterable[Finding]:
    """What the model is; `config` is changed to say so."""
    declared, is_one = architecture(config), MULTIMODAL if sees else TEXT_ALONE
    if declared is None and not (config.get("text_config") or config.get("vision_config")):
        return
    if sees and not isinstance(config.get("vision_config"), Mapping):
        raise CheckpointError(
            "The weights have a vision tower, and config.json has no vision_config.",
            "Copy config.json of the base model into the folder of the weights.",
        )
    named = bool(config.get("architectures"))
    config["architectures"] = [is_one]
    text_section(config)  # whatever it is, it is looked at before it is spoken of
    if declared == MULTIMODAL and not sees:
        yield Finding(
            "no_vision",
            "config.json describes a vision tower, and the weights have none: the text model is "
            "converted alone, without a projector.",
        )
    elif declared == TEXT_ALONE and (sees or config.get("text_config")):
        yield Finding(
            "architecture",
            f"config.json says {declared}, and has its settings in text_config: "
            f"by the weights it is {is_one}.",
        )
    elif not named:
        yield Finding(
            "architecture",
            f"config.json names no architecture: by its model_type and the weights it is {is_one}.",
        )


def _outside(config: Config) -> Iterable[Finding]:
    """Settings of the text model that stand outside of it, where transformers doesn't look."""
    if not isinstance(config.get("text_config"), Mapping):
        return
    text = text_section(config)
    outside = [
        key for key in TEXT_KEYS if config.get(key) is not None and config[key] != text.get(key)
    ]
    if outside:
        yield Finding(
            "outside",
            f"config.json has {listed(outside, 9)} at its top, and not the same in text_config, "
            "which alone counts, as for transformers.",
        )


def _vocabulary(config: Config, embedding: SourceTensor) -> Iterable[Finding]:
    """The rows of the embedding count; config.json may have fewer tokens, but not more."""
    rows, declared = (
        embedding.shape[0] if embedding.shape else 0,
        text_section(config).get("vocab_size"),
    )
    if declared is None:
        _set_text(config, "vocab_size", rows)
        if rows != VOCABULARY:
            yield Finding("vocabulary", f"config.json has no vocab_size: the {rows} rows count.")
    elif type(declared) is int and declared > rows:
        _set_text(config, "vocab_size", rows)
        yield Finding(
            "vocabulary",
            f"config.json says vocab_size {declared}, and the embedding has {rows} rows, which "
            "count.",
        )
    elif type(declared) is int and 0 < declared < rows:
        yield Finding(
            "vocabulary",
            f"config.json says vocab_size {declared}, and the embedding has {rows} rows: the rows "
            "beyond it are left out.",
        )


def _head(config: Config, checkpoint: Checkpoint, embedding: SourceTensor) -> Iterable[Finding]:
    """A head of its own is kept whatever config.json says, as transformers 5 and llama.cpp do."""
    text = text_section(config)
    declared = config.get("tie_word_embeddings")
    tied = text.flag("tie_word_embeddings", True) if declared is None else bool(declared)
    rows = min(text.integer("vocab_size", VOCABULARY), embedding.shape[0])
    head = _only_head(checkpoint, rows)
    if head is None:
        if not tied:
            raise CheckpointError(
                "config.json says tie_word_embeddings false, and the weights have no lm_head.",
                "If the embedding is the head as well, set it to true; else copy the shard that "
                "holds lm_head.weight.",
            )
        if not text.flag("tie_word_embeddings", True):
            yield Finding(
                "tied",
                "config.json says tie_word_embeddings true, and false in text_config. The weights "
                "have no lm_head: the embedding is the head.",
            )
        return
    if not tied:
        return
    config["tie_word_embeddings"] = same_numbers(checkpoint, head, embedding, rows)
    if not config["tie_word_embeddings"]:
        yield Finding(
            "head",
            f"config.json says tie_word_embeddings, and {head.name} isn't the embedding: it is "
            "written as output.weight, as transformers 5 and llama.cpp do.",
        )


def _only_head(checkpoint: Checkpoint, rows: int) -> SourceTensor | None:
    """The output head; where several names hold one, they must hold the same.

    Raises:
        CheckpointError: two differ, and nothing says which of them was trained.
    """
    heads = [t for t in checkpoint.tensors.values() if names.is_head(t.name)]
    for other in heads[1:]:
        if not same_numbers(checkpoint, heads[0], other, rows):
            raise CheckpointError(
                f"The weights have two output heads that differ: {heads[0].name} in "
                f"{checkpoint.path_of(heads[0]).name} and {other.name} in "
                f"{checkpoint.path_of(other).name}.",
                "Save the model once more with the head that was trained alone.",
            )
    return heads[0] if heads else None


def _set_text(config: Config, key: str, value: object) -> None:
    """Set a value of the text model in a copy, wherever its settings stand."""
    inner = config.get("text_config")
    if isinstance(inner, Mapping):
        config["text_config"] = {**inner, key: value}
    else:
        config[key] = value
