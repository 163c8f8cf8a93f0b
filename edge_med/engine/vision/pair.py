"""What can be seen of a text model and a projector that weren't made together, without encoding.

Files of one conversion have their hashes in one manifest. Of any others nothing says that they
belong together, and a projector whose weights are lost makes a model answer of images that it
hasn't seen, fluently.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from edge_med.answers import Notice
from edge_med.artifacts.file_names import SOURCE
from edge_med.artifacts.gguf import GgufTensor, Header
from edge_med.engine.llama.arrays import Floats
from edge_med.errors import ArtifactError, PairingError

SAMPLE = 64 << 10
"""Bytes of a tensor that are looked at; all of it, where these hold nothing but zeros."""

EMBEDDINGS = 256
"""Rows of the text model's embedding that are looked at, spread over all of it."""

RATIO = 256.0
"""How many times longer or shorter than a token's row an image's may be.

The text model reads both side by side. Trained micro's are 0.38 times as long, and those of
transformers' initial weights 0.67 times; what a wrong scale or type leaves is off by thousands.
"""

PROJECTION, NORM, EMBEDDING = (
    "mm.input_projection.weight",
    "mm.soft_emb_norm.weight",
    "token_embd.weight",
)


def check(text: Path, text_header: Header, projector: Path, header: Header) -> tuple[Notice, ...]:
    """Look at the weights of a projector, and hold them against the text model's.

    Args:
        text: the text model's file, in whose first part its embedding is.
        text_header: its header.
        projector: the projector's file.
        header: its header.

    Returns:
        What speaks against the pair, and isn't certain.

    Raises:
        ArtifactError: weights of the projector are lost.
        PairingError: its projection has another size than the two models.
    """
    _check_size(text_header, header, projector.name)
    with projector.open("rb", buffering=0) as file:
        for tensor in header.tensors:
            _check_weights(file, tensor, projector.name)
        projection = _length_of_images(file, header)
    with text.open("rb", buffering=0) as file:
        embedding = _length_of_tokens(file, text_header)
    return tuple(
        notice
        for notice in (_of_origin(text_header, header), _of_length(projection, embedding))
        if notice
    )


def _check_size(text: Header, projector: Header, name: str) -> None:
    tensor = _tensor(projector, PROJECTION)
    wanted = (
        projector.integer("clip.vision.embedding_length"),
        text.integer("gemma3.embedding_length"),
    )
    if tensor is not None and tensor.shape != wanted:
        raise PairingError(
            f"The projection of {name} is {list(tensor.shape)}, and between the two models it has "
            f"to be {list(wanted)}.",
            "Use text model and projector of the same conversion.",
        )


def _check_weights(file: BinaryIO, tensor: GgufTensor, name: str) -> None:
    """Refuse values that aren't numbers, and weights that are all zero; biases may be."""
    hint = "Copy or download it again, or convert the original checkpoint."
    whole = tensor.name in (PROJECTION, NORM)
    looked_at = list(_parts(file, tensor) if whole else _sample(file, tensor))
    if not all(np.isfinite(found).all() for found in looked_at):
        raise ArtifactError(
            f"The tensor {tensor.name} of {name} holds values that aren't numbers.", hint
        )
    empty = looked_at and not any(found.any() for found in looked_at)
    if (
        empty
        and tensor.name.endswith(".weight")
        and not any(part.any() for part in _parts(file, tensor))
    ):
        raise ArtifactError(f"The tensor {tensor.name} of {name} holds nothing but zeros.", hint)


def _of_origin(text: Header, projector: Header) -> Notice | None:
    """That the two files say themselves that they come from different checkpoints."""
    sources = [header.text(SOURCE) for header in (text, projector)]
    names = [header.text("general.name") or "" for header in (text, projector)]
    plain = ["".join(filter(str.isalnum, name.lower())) for name in names]
    known = sources if all(sources) else plain if all(plain) else []
    if len(set(known)) < 2:
        return None
    whose = f": '{names[0]}' and '{names[1]}'" if plain[0] != plain[1] else ""
    return Notice(
        "pair",
        f"Text model and projector come from different checkpoints{whose}. If one of them was "
        "fine-tuned on images, the other doesn't know what it learned.",
    )


def _of_length(image: float | None, token: float | None) -> Notice | None:
    if not image or not token or not np.isfinite(token) or 1 / RATIO <= image / token <= RATIO:
        return None
    return Notice(
        "projection",
        f"The projector's rows of an image are about {image / token:.3g} times as long as the "
        "text model's rows of tokens: they can't have been trained together.",
    )


def _length_of_images(file: BinaryIO, header: Header) -> float | None:
    """Of a row that the projector gives: its rows are normalized, weighted and projected."""
    weight, norm = _tensor(header, PROJECTION), _tensor(header, NORM)
    if weight is None or norm is None:
        return None
    lengths = [(rows.astype(np.float64) ** 2).sum(1) for rows in _parts(file, weight)]
    scales = [rows.astype(np.float64).ravel() ** 2 for rows in _parts(file, norm)]
    if not lengths or not scales:
        return None
    return float(np.sqrt(np.concatenate(lengths) @ np.concatenate(scales)))


def _length_of_tokens(file: BinaryIO, header: Header) -> float | None:
    """Of a token's row, which Gemma 3 multiplies by the root of its width; the median."""
    tensor = _tensor(header, EMBEDDING)
    if tensor is None or tensor.part:
        return None
    count, width = tensor.shape
    places = np.unique(np.linspace(0, count - 1, EMBEDDINGS).astype(int))
    size = tensor.type.row_bytes(width)
    raw = b"".join(_bytes(file, tensor.offset + int(place) * size, size) for place in places)
    rows = _decoded(raw, tensor)
    return None if rows is None else float(np.median(np.linalg.norm(rows, axis=1)) * width**0.5)


def _tensor(header: Header, name: str) -> GgufTensor | None:
    return next((tensor for tensor in header.tensors if tensor.name == name), None)


def _sample(file: BinaryIO, tensor: GgufTensor) -> Iterator[Floats]:
    """Rows in the middle of a tensor; none for a type that isn't known here."""
    row = tensor.type.row_bytes(tensor.shape[-1])
    count = max(1, min(tensor.size, SAMPLE) // row)
    start = (tensor.size // row - count) // 2
    rows = _decoded(_bytes(file, tensor.offset + start * row, count * row), tensor)
    if rows is not None:
        yield rows


def _parts(file: BinaryIO, tensor: GgufTensor) -> Iterator[Floats]:
    """All rows of a tensor, some at a time."""
    row = tensor.type.row_bytes(tensor.shape[-1])
    step = max(1, (1 << 20) // row) * row
    for at in range(0, tensor.size, step):
        rows = _decoded(_bytes(file, tensor.offset + at, min(step, tensor.size - at)), tensor)
        if rows is not None:
            yield rows


def _bytes(file: BinaryIO, offset: int, size: int) -> bytes:
    file.seek(offset, os.SEEK_SET)
    return file.read(size)


def _decoded(raw: bytes, tensor: GgufTensor) -> Floats | None:
    """Rows of a tensor as numbers; None for a type that the gguf package doesn't decode."""
    from gguf import GGMLQuantizationType
    from gguf.quants import dequantize

    rows = np.frombuffer(raw, np.uint8).reshape(-1, tensor.type.row_bytes(tensor.shape[-1]))
    try:
        found: Floats = dequantize(rows, GGMLQuantizationType(tensor.type.id))
    except (NotImplementedError, ValueError):
        return None
    return found
