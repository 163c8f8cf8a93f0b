"""Whether an adapter's file has what its config says was trained: a part may be lost in saving.

Only modules that every Gemma 3 has are asked for: PEFT passes over names of a list that its model
lacks, and lists of several models' names are common. A regular expression promises nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from edge_med.artifacts import tensor_names as names
from edge_med.artifacts.adapters.adapter_config import Settings
from edge_med.artifacts.adapters.peft_folder import CONFIG
from edge_med.errors import CheckpointError

_SOURCES = (*names.TEXT, *names.VISION, *names.PROJECTOR, "multi_modal_projector.weight")
_KNOWN = frozenset(
    word for source in _SOURCES for word in source.removesuffix(".weight").split(".")
) | {"lm_head"}
_LINEAR = frozenset(word for word in _KNOWN if word.endswith("_proj")) - {"out_proj"}
"""Of the text model, which no base is without."""

_ONE = ("embed_tokens", "lm_head")
"""Two names of one matrix, where it is tied."""


def refuse_missing(modules: Mapping[str, tuple[str, ...]], settings: Settings) -> None:
    """Refuse an adapter whose file lacks something that its config promises.

    Args:
        modules: names of modules in the file, by what there is for them: `down`, `embedding`,
            `whole`, `rows`, `bias`; `vision` has those of the vision tower once more.
        settings: settings of its config.

    Raises:
        CheckpointError: it does; the message names what is missing.
    """
    for key, missing in _missing(modules, settings):
        raise CheckpointError(
            f"{CONFIG} has {key}, and the adapter's file has nothing of {missing}.",
            "It was saved without, or is of another training: save it again with save_pretrained "
            f"of PEFT. If it was never trained, take it out of {key.split()[0]}.",
        )


def _ending(words: set[str], ends: tuple[str, ...]) -> set[str]:
    """Names that a name fits as PEFT compares them: by their ends, wherever these begin."""
    return {word for word in words if word.endswith(ends)}


def _missing(
    modules: Mapping[str, tuple[str, ...]], settings: Settings
) -> Iterator[tuple[str, str]]:
    """Keys with their values, and what is missing of them."""
    every = [module for kind in modules.values() for module in kind]
    words = {word for module in every for word in module.split(".")}
    tied = {_ONE[1]: _ONE[0], _ONE[0]: _ONE[1]} if settings.tying else {}
    for name in settings.saved:
        last = name.rpartition(".")[2]
        wanted = (last, tied.get(last, last))
        there = words.intersection(wanted) if "." in name else _ending(words, wanted)
        if last in _KNOWN and not there:
            yield f"modules_to_save {name}", name
    for name in settings.targets:
        last = name.rpartition(".")[2]
        if last in _LINEAR | {*_ONE} and not {last, tied.get(last, last)} & words:
            yield f"target_modules {name}", name
    for name, indices in settings.tokens.items():
        if indices and not modules["rows"]:
            yield f"trainable_token_indices {list(indices)[:4]}", name or "the rows of these tokens"
    biases = modules["bias"]
    without = [module for module in modules["down"] if module not in biases]
    if settings.lora_bias and without:
        yield "lora_bias true", f"the bias of {without[0]}"
    if settings.all_biases and modules["vision"] and not biases:
        yield "bias all", "biases of the vision tower, which has them in every layer"
