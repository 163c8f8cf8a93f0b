"""A LoRA adapter as PEFT saves it: what it adds to which tensor of its base model.

Tensor names: `get_peft_model_state_dict` of PEFT 0.21 (utils/save_and_load.py). Modules are found
by their GGUF names, so that an adapter and a base from different versions of transformers fit.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from edge_med.artifacts import tensor_names as names
from edge_med.artifacts.adapters.adapter_config import Settings, settings_of
from edge_med.artifacts.adapters.completeness import refuse_missing
from edge_med.artifacts.adapters.find_folder import find
from edge_med.artifacts.adapters.peft_folder import CONFIG, WEIGHTS
from edge_med.artifacts.file_names import called
from edge_med.artifacts.safetensors import Shard, SourceTensor, read_shard
from edge_med.errors import CheckpointError

_SUFFIXES: Mapping[str, tuple[str, str]] = {
    ".lora_A.weight": ("down", ".weight"),
    ".lora_B.weight": ("up", ".weight"),
    ".lora_embedding_A": ("down", ".weight"),
    ".lora_embedding_B": ("up", ".weight"),
    ".lora_magnitude_vector": ("magnitude", ".weight"),
    ".lora_magnitude_vector.weight": ("magnitude", ".weight"),
    ".lora_B.bias": ("bias", ".bias"),
    ".token_adapter.trainable_tokens_delta": ("rows", ".weight"),
    ".token_adapter.base_layer.weight": ("whole", ".weight"),
    ".base_layer.weight": ("whole", ".weight"),
    ".base_layer.bias": ("whole", ".bias"),
    ".modules_to_save.weight": ("whole", ".weight"),
}
"""The end of a tensor's name, what it is, and the end of the name of the tensor that it changes."""

_NAMED = re.compile(
    r"(?<=\.)(lora_(?:embedding_)?[AB]|lora_magnitude_vector|modules_to_save|trainable_tokens_delta)"
    r"\.(?!weight$|bias$)[^.]+(?=\.weight$|\.bias$|$)"
)
"""The name of an adapter, which PEFT leaves out when it saves. It stands in files that were made of
a model's `state_dict`, as training over several machines leaves them."""

_EMBEDDING = re.compile(r"\.lora_embedding_[AB](?:\.|$)")


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """A tensor of the adapter, and the file that it lies in."""

    path: Path
    tensor: SourceTensor


@dataclass(frozen=True, slots=True)
class TensorUpdate:
    """All that an adapter has for one tensor of the base.

    Attributes:
        module: name in the adapter's file, without PEFT's prefix.
        target: target of the tensor.
        down: A, of rank by inputs; of an embedding rank by tokens.
        up: B, of outputs by rank.
        scale: factor of their product, or of the bias.
        magnitude: magnitudes of DoRA's rows.
        whole: takes the tensor's place.
        rows: take the place of these rows of it.
        indices: numbers of those rows.
        bias: bias that is added to the tensor.
        embedding: whether the product is turned, as of an embedding.
    """

    module: str
    target: names.Target
    down: StoredTensor | None = None
    up: StoredTensor | None = None
    scale: float = 1.0
    magnitude: StoredTensor | None = None
    whole: StoredTensor | None = None
    rows: StoredTensor | None = None
    indices: tuple[int, ...] = ()
    bias: StoredTensor | None = None
    embedding: bool = False

    @property
    def turns_columns(self) -> bool:
        """Whether it is DoRA of an embedding, which PEFT turns by its columns, not by its rows."""
        return self.embedding and self.magnitude is not None

    @property
    def stored(self) -> tuple[StoredTensor, ...]:
        """All of its tensors."""
        parts = (self.down, self.up, self.magnitude, self.whole, self.rows, self.bias)
        return tuple(part for part in parts if part is not None)


@dataclass(frozen=True, slots=True)
class OpenedAdapter:
    """An opened adapter; its tensors are described, not read.

    Attributes:
        strength: factor of its effect, from the user.
        parts: parts by the GGUF name of the tensor that they change.
    """

    folder: Path
    settings: Settings
    strength: float
    shard: Shard
    parts: Mapping[str, TensorUpdate] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Its folder's, or its own on the hub where it lies in the hub's cache."""
        return called(self.folder)


def open_adapter(folder: Path, strength: float = 1.0) -> OpenedAdapter:
    """Open an adapter's folder, and find out what each of its tensors changes.

    Args:
        folder: folder as PEFT's `save_pretrained` writes it, or any path that `find_folder` takes.
        strength: factor of its effect; 1 as it was trained.

    Raises:
        CheckpointError: it isn't one, is damaged, or has what can't be merged here.
    """
    folder = find(folder)
    settings = settings_of(folder)
    shard = read_shard(folder / WEIGHTS)
    found: dict[str, dict[str, StoredTensor]] = {}
    targets: dict[str, tuple[str, names.Target]] = {}
    for tensor in shard.tensors:
        kind, module, target = _place(tensor)
        mine = found.setdefault(target.name, {})
        if kind in mine:
            raise CheckpointError(
                f"{WEIGHTS} changes {module} twice.",
                "Copy the adapter's folder again; of several adapters in one file, save one alone.",
            )
        mine[kind] = StoredTensor(shard.path, tensor)
        targets[target.name] = (module, target)
    parts = {
        name: _part(*targets[name], stored, settings, strength) for name, stored in found.items()
    }
    if not parts:
        raise CheckpointError(f"{WEIGHTS} holds no tensors.", "Copy the adapter's folder again.")
    refuse_missing(_modules(parts), settings)
    return OpenedAdapter(folder, settings, strength, shard, parts)


def _modules(parts: Mapping[str, TensorUpdate]) -> dict[str, tuple[str, ...]]:
    """The modules of an adapter, by what it has for them."""
    kinds: dict[str, Callable[[TensorUpdate], bool]] = {
        "down": lambda part: part.down is not None and not part.embedding,
        "embedding": lambda part: part.embedding,
        "whole": lambda part: part.whole is not None,
        "rows": lambda part: part.rows is not None,
        "bias": lambda part: part.target.name.endswith(".bias"),
        "vision": lambda part: names.place(part.target.name) == "vision",
    }
    return {
        kind: tuple(part.module for part in parts.values() if applies(part))
        for kind, applies in kinds.items()
    }


def _place(tensor: SourceTensor) -> tuple[str, str, names.Target]:
    """What a tensor is, of which module, and what it changes."""
    if not tensor.shape:
        raise CheckpointError(
            f"{tensor.name} of the adapter is a single number.", "Copy the adapter's folder again."
        )
    name = _NAMED.sub(r"\1", names.unwrapped(tensor.name))
    for suffix, (kind, end) in _SUFFIXES.items():
        if name.endswith(suffix):
            module = name.removesuffix(suffix)
            return kind, module, _target(tensor, module + end)
    return "whole", name, _target(tensor, name)


def _target(tensor: SourceTensor, name: str) -> names.Target:
    try:
        found = names.target(name, tied=False)
    except CheckpointError:
        found = names.Target("unused", name)
    if found.part == "unused" and name.endswith(".bias"):
        raise CheckpointError(
            f"The adapter adds a bias to {name.removesuffix('.bias')}, and Gemma 3 has none there.",
            "Train it without lora_bias: neither PEFT nor llama.cpp has a place for it.",
        )
    if found.part == "unused":
        raise CheckpointError(
            f"{tensor.name} of the adapter has no place in a Gemma 3 model.",
            "Was it trained for another model? Nothing of an adapter is left out.",
        )
    return found


def _part(
    module: str,
    target: names.Target,
    stored: Mapping[str, StoredTensor],
    settings: Settings,
    strength: float,
) -> TensorUpdate:
    """What an adapter has for one tensor, checked for what belongs together."""
    down, up = stored.get("down"), stored.get("up")
    if (down is None) != (up is None):
        raise CheckpointError(
            f"{WEIGHTS} has one of A and B for {module} alone.", "Copy the adapter's folder again."
        )
    magnitude = stored.get("magnitude")
    if (magnitude is not None) != (settings.dora and down is not None):
        raise CheckpointError(
            f"{CONFIG} says use_dora {str(settings.dora).lower()}, and {module} has "
            f"{'a' if magnitude else 'no'} magnitude.",
            "The two are of different adapters: copy both from the same training.",
        )
    scaled = down is not None or "bias" in stored
    if strength != 1 and (magnitude or not scaled):
        raise CheckpointError(
            f"The adapter replaces {module}: its effect can't be multiplied with {strength:g}.",
            "Give the adapter without a scale.",
        )
    return TensorUpdate(
        module=module,
        target=target,
        down=down,
        up=up,
        scale=strength * _scale(module, target, stored, settings),
        magnitude=magnitude,
        whole=stored.get("whole"),
        rows=stored.get("rows"),
        indices=_indices(module, stored, settings),
        bias=stored.get("bias"),
        embedding=_is_embedding(stored),
    )


def _is_embedding(stored: Mapping[str, StoredTensor]) -> bool:
    return "down" in stored and _EMBEDDING.search(stored["down"].tensor.name) is not None


def _scale(
    module: str, target: names.Target, stored: Mapping[str, StoredTensor], settings: Settings
) -> float:
    if "down" in stored:
        scale = settings.scale(module, stored["down"].tensor.shape[0])
        if settings.early and _is_embedding(stored) and target.name == names.EMBEDDING:
            scale /= _factor(module, stored)
        return scale
    if "bias" in stored:  # of a layer whose product stands under the weight's name
        return settings.scale(module, settings.rank_of(module))
    return 1.0


def _factor(module: str, stored: Mapping[str, StoredTensor]) -> float:
    """What Gemma multiplies rows of its embedding with: √width."""
    if "magnitude" in stored:
        raise CheckpointError(
            f"PEFT before 0.18 has trained {module} by DoRA, and mixed up its norms.",
            "Train it again with PEFT 0.18 or newer: no merge gives back what was trained.",
        )
    return math.sqrt(stored["up"].tensor.shape[0])


def _indices(
    module: str, stored: Mapping[str, StoredTensor], settings: Settings
) -> tuple[int, ...]:
    """Which rows were trained alone; PEFT keeps their order."""
    if "rows" not in stored:
        return ()
    fitting: Iterable[tuple[int, ...]] = (
        rows
        for name, rows in settings.tokens.items()
        if not name or re.fullmatch(rf"(?:.*\.)?{re.escape(name)}", module)
    )
    found = next(iter(fitting), ())
    if len(found) != stored["rows"].tensor.shape[0]:
        raise CheckpointError(
            f"{CONFIG} names {len(found)} trainable tokens, and {WEIGHTS} has "
            f"{stored['rows'].tensor.shape[0]} rows for them.",
            "The two are of different adapters: copy both from the same training.",
        )
    return found
