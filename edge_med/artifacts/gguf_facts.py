"""The facts of a GGUF file, from its header alone."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from edge_med.artifacts.adapters.gguf_adapter import ALPHA, KIND, STRENGTH, is_adapter
from edge_med.artifacts.adapters.peft_folder import refuse_peft
from edge_med.artifacts.chat_template import TEMPLATE, Turns, turns_of
from edge_med.artifacts.file_names import FILE_TYPES
from edge_med.artifacts.gguf import Header
from edge_med.artifacts.split import read_model
from edge_med.artifacts.vision_facts import image_size, image_tokens
from edge_med.errors import ArtifactError


@dataclass(frozen=True, slots=True)
class TypeTotal:
    """How many tensors a file stores in one type, and their bytes."""

    type: str
    tensors: int
    bytes: int


GEMMA_3_TEMPLATE = "7de1c58e208eda46e9c7f86397df37ec49883aeece39fb961e0a6b24088dd3c4"
"""SHA-256 of Gemma 3's chat template, which MedGemma shares (its tokenizer_config.json)."""

TOY_TAG = "toy"

_ROLES = {"mmproj": "projector", KIND: KIND}
"""What a file is by its `general.type`; anything else is a text model."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a GGUF file is; fields that don't apply to it are None.

    Attributes:
        role: `text`, `projector` or `adapter`.
        quant: the name of its `general.file_type`.
        parameters: numbers in all tensors.
        hidden: width of the text model; of a projector: of the text model that it fits.
        rank: rank of an adapter's largest pair.
        alpha: alpha of an adapter.
        strength: factor with which an adapter of ours was multiplied when it was made.
        template_sha256: hash of the chat template, which is never run.
        template_known: whether it is Gemma 3's own, to the letter.
        turns: kind of turns that the model gets: `gemma`, `foreign`, `assumed` or `none`.
        toy: whether it calls itself one.
    """

    file: str
    size: int
    role: str
    architecture: str | None
    name: str | None
    quant: str | None
    parameters: int
    layers: int | None
    hidden: int | None
    heads: int | None
    key_value_heads: int | None
    vocabulary: int | None
    context: int | None
    window: int | None
    image_size: int | None
    image_tokens: int | None
    rank: int | None
    alpha: float | None
    strength: float | None
    template_sha256: str | None
    template_known: bool | None
    turns: Turns | None
    toy: bool
    license: str | None
    notice: str | None
    types: tuple[TypeTotal, ...]


def inspect(path: Path) -> Facts:
    """Read the facts of a GGUF file.

    Raises:
        ArtifactError: its header is damaged, or it is a folder, or an adapter as PEFT saves it.
    """
    refuse_peft(path)
    refuse_folder(path)
    header, _ = read_model(path)
    return facts(path.name, header)


def refuse_folder(path: Path) -> None:
    """Say what a folder is, where a file was wanted.

    Raises:
        ArtifactError: it is a folder.
    """
    if path.is_dir():
        inside = sorted(one.name for one in path.glob("*.gguf"))
        name = path.resolve().name
        if not inside and (path / "config.json").is_file() and any(path.glob("*.safetensors")):
            raise ArtifactError(
                f"{name} is a folder with a checkpoint as Hugging Face has it.",
                f"Convert it, and look at what comes of it: edge-med convert {path} "
                "--out models/NAME --quant Q4_K_M",
            )
        holds = f"It holds {', '.join(inside)}." if inside else "It holds no GGUF file."
        raise ArtifactError(f"{name} is a folder. {holds}", "Give one file.")


def facts(file: str, header: Header) -> Facts:
    """The facts of a file whose header has been read."""
    role = _ROLES.get(header.text("general.type") or "", "text")
    numbers = _projector_numbers(header) if role == "projector" else _text_numbers(header)
    file_type = header.integer("general.file_type")
    return Facts(
        file=file,
        size=header.file_size,
        role=role,
        architecture=header.text("general.architecture"),
        name=header.text("general.name"),
        quant=next((name for name, number in FILE_TYPES.items() if number == file_type), None),
        parameters=sum(math.prod(tensor.shape) for tensor in header.tensors),
        rank=_rank(header) if is_adapter(header) else None,
        alpha=header.single(ALPHA),
        strength=header.single(STRENGTH),
        template_sha256=(template := template_sha256(header)),
        template_known=None if template is None else template == GEMMA_3_TEMPLATE,
        turns=turns_of(header) if role == "text" else None,
        toy=is_toy(header),
        license=header.text("general.license.name") or header.text("general.license"),
        notice=header.text("edge_med.notice"),
        types=_type_totals(header),
        **numbers,
    )


def template_sha256(header: Header) -> str | None:
    """The hash of the chat template in the file, in hexadecimal; None if there is none."""
    template = header.text(TEMPLATE)
    return None if template is None else hashlib.sha256(template.encode()).hexdigest()


def is_toy(header: Header) -> bool:
    """Whether a file has the tag `toy`, as every file has that any converter makes of micro.

    Converters take `general.tags` from the model card, and quantizers keep them; so it doesn't
    matter what the file is called, or where it lies.
    """
    tags = header.array("general.tags")
    return tags is not None and TOY_TAG in tags.values()


def _text_numbers(header: Header) -> dict[str, int | None]:
    prefix = header.text("general.architecture")
    tokens = header.array("tokenizer.ggml.tokens")
    keys = {
        "layers": "block_count",
        "hidden": "embedding_length",
        "heads": "attention.head_count",
        "key_value_heads": "attention.head_count_kv",
        "context": "context_length",
        "window": "attention.sliding_window",
    }
    numbers = {name: header.integer(f"{prefix}.{key}") for name, key in keys.items()}
    return numbers | {
        "vocabulary": tokens.count if tokens else None,
        "image_size": None,
        "image_tokens": None,
    }


def _projector_numbers(header: Header) -> dict[str, int | None]:
    return {
        "layers": header.integer("clip.vision.block_count"),
        "hidden": header.integer("clip.vision.projection_dim"),
        "heads": header.integer("clip.vision.attention.head_count"),
        "key_value_heads": None,
        "vocabulary": None,
        "context": None,
        "window": None,
        "image_size": image_size(header),
        "image_tokens": image_tokens(header),
    }


def _rank(header: Header) -> int | None:
    ranks = [t.shape[0] for t in header.tensors if t.name.endswith(".lora_a")]
    return max(ranks, default=None)


def _type_totals(header: Header) -> tuple[TypeTotal, ...]:
    count: Counter[str] = Counter()
    size: Counter[str] = Counter()
    for tensor in header.tensors:
        count[tensor.type.name] += 1
        size[tensor.type.name] += tensor.size
    return tuple(TypeTotal(name, count[name], size[name]) for name, _ in size.most_common())
