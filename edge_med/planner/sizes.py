"""The sizes of a model's parts in memory, each from its header and a formula of llama.cpp's.

Sources, all of llama.cpp 0.5.0: llama-context.cpp (padding, rows of logits),
llama-kv-cache-iswa.cpp and llama-kv-cache.cpp (the KV cache), ggml-cpu/repack.cpp (weights that are
copied), llama-model.cpp (which tensors go with a layer), and what it logs of the buffers that it
reserves for its graphs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from edge_med import _platform
from edge_med.artifacts.gguf import GgufTensor, Header, pad
from edge_med.artifacts.shapes import WINDOW_PATTERN
from edge_med.artifacts.tensor_types import BY_NAME
from edge_med.config import LoadOptions
from edge_med.errors import ArtifactError, UsageError
from edge_med.units import GIB

CELLS = 256
"""llama.cpp makes a cache of a multiple of this many cells."""

SCORES = GIB
"""Bytes of attention scores up to which a context uses no flash attention on the CPU."""

REPACKING, AMX = "CPU_REPACK", "AMX"
"""ggml's names of the buffer types that llama.cpp copies weights into on the CPU."""

ROWS = {REPACKING: 8, AMX: 32}
"""A matrix is copied if its rows are a multiple of this (some of ARM's: of four)."""

_X86 = frozenset({"Q4_0", "Q4_K", "IQ4_NL", "MXFP4"})
_ARM = _X86 | {"Q5_K", "Q6_K", "Q8_0"}
REPACKED = {"x86_64": _X86, "amd64": _X86, "aarch64": _ARM, "arm64": _ARM}
"""Types whose rows are interleaved in the copy, by the processor's family.

llama.cpp looks for AVX2, or for dot products of NEON, which all but very old processors have.
"""

PACKED = {"F16": 0, "Q4_0": 0, "Q4_1": 0, "Q8_0": 4, "Q4_K": 4, "Q5_K": 4, "Q6_K": 0, "IQ4_XS": 2}
"""Types that are packed for AMX's tiles, and the bytes that this adds to each of their blocks
(ggml-cpu/amx/mmq.cpp, get_row_size)."""

_F16, _F32 = 2, 4  # bytes of a number
_LAYER = re.compile(r"blk\.(\d+)\.")
_EMBEDDING, _HEAD = "token_embd.weight", ("output_norm.weight", "output.weight")


@dataclass(frozen=True, slots=True)
class Layer:
    """The sizes of one layer in bytes; llama.cpp counts the output head as the last layer.

    Attributes:
        weights: size of its tensors.
        kv: size of its part of the KV cache.
        excess: additional size of the copies of its weights on the CPU.
        largest: size of its largest matrix.
    """

    weights: int
    kv: int
    excess: int
    largest: int


def layers(text: Header, options: LoadOptions) -> tuple[Layer, ...]:
    """Every layer, and then the output head; a head that is the embedding is counted here."""
    count = _number(text, "block_count")
    parts: list[list[GgufTensor]] = [[] for _ in range(count + 1)]
    for tensor in text.tensors:
        if (found := _LAYER.match(tensor.name)) and int(found[1]) < count:
            parts[int(found[1])].append(tensor)
        elif tensor.name in _HEAD:
            parts[-1].append(tensor)
    if is_tied(text):
        parts[-1] += [tensor for tensor in text.tensors if tensor.name == _EMBEDDING]
    kv = [*_layers_kv(text, options), 0]
    return tuple(_layer(part, cells, options) for part, cells in zip(parts, kv, strict=True))


def is_tied(text: Header) -> bool:
    """Whether the embedding is the output head too."""
    return all(tensor.name != "output.weight" for tensor in text.tensors)


def embedding_bytes(text: Header) -> int:
    """The size of the embedding, which always stays on the CPU."""
    return sum(tensor.size for tensor in text.tensors if tensor.name == _EMBEDDING)


def tensor_bytes(header: Header) -> int:
    """The size of all tensors of a file."""
    return sum(tensor.size for tensor in header.tensors)


def _layer(tensors: list[GgufTensor], kv: int, options: LoadOptions) -> Layer:
    copied = _copied(tensors, options)
    return Layer(
        weights=sum(tensor.size for tensor in tensors),
        kv=kv,
        excess=copied.size - copied.originals,
        largest=max((tensor.size for tensor in tensors), default=0),
    )


def matching(text: Header, overrides: Sequence[tuple[str, str]]) -> list[tuple[int, int, str]]:
    """Layer, bytes and device of each tensor that an override matches.

    Raises:
        UsageError: a pattern matches no tensor, or one that belongs to no layer.
    """
    found, used = [], set()
    for tensor in text.tensors:
        hits = (one for one in overrides if re.search(one[0], tensor.name))
        if (hit := next(hits, None)) is None:
            continue
        layer = _LAYER.match(tensor.name)
        if layer is None:
            raise UsageError(
                f"'{hit[0]}' matches {tensor.name}, which stays where it is.",
                r"Override tensors of layers: begin with blk\.",
            )
        used.add(hit)
        found.append((int(layer[1]), tensor.size, hit[1]))
    if idle := [pattern for pattern, device in overrides if (pattern, device) not in used]:
        raise UsageError(
            f"'{idle[0]}' matches no tensor, or only tensors that an earlier pattern matches too.",
            "edge-med inspect FILE --json lists tensors.",
        )
    return found


@dataclass(frozen=True, slots=True)
class Copies:
    """Copies of weights that llama.cpp makes on the CPU, in the order that it reads fastest.

    The pages of the file that they come from stay mapped, until the system needs the memory.

    Attributes:
        size: size of the copies in bytes.
        originals: size of the copied weights in bytes.
    """

    size: int
    originals: int


def copies(text: Header, options: LoadOptions) -> Copies:
    """The copies in the buffer types of the options, or in those of a common build.

    An embedding that isn't the output head too is only looked up, and never copied.
    """
    tied = is_tied(text)
    return _copied((t for t in text.tensors if tied or t.name != _EMBEDDING), options)


def _copied(tensors: Iterable[GgufTensor], options: LoadOptions) -> Copies:
    into = (REPACKING,) if options.copies is None else options.copies
    copied = [(t, size) for t in tensors if (size := _copy_bytes(t, into)) is not None]
    return Copies(sum(size for _, size in copied), sum(t.size for t, _ in copied))


def _copy_bytes(tensor: GgufTensor, into: Sequence[str]) -> int | None:
    """Bytes of a matrix's copy in the first buffer type that takes it; None if none does."""
    if len(tensor.shape) != 2:
        return None
    for buffer in into:
        if tensor.shape[0] % ROWS.get(buffer, 1):
            continue
        kind = tensor.type
        if buffer == AMX and kind.name in PACKED:
            return tensor.size + PACKED[kind.name] * (tensor.size // kind.block_bytes)
        if buffer == REPACKING and kind.name in REPACKED.get(_platform.MACHINE, ()):
            return tensor.size
    return None


def cache_budget_bytes(text: Header, options: LoadOptions, *, sees: bool) -> int:
    """The upper bound of the caches that grow with use, in bytes.

    A window as large as the context needs no checkpoints.
    """
    everything, window = _cells(text, options)
    checkpoints = options.checkpoint_bytes if window < everything else 0
    return checkpoints + (options.embedding_bytes if sees else 0)


def kv_bytes(text: Header, options: LoadOptions) -> int:
    """The size of the KV cache: keys and values of every layer for each of its cells."""
    return sum(_layers_kv(text, options))


def _layers_kv(text: Header, options: LoadOptions) -> list[int]:
    kind = BY_NAME[options.kv.upper()]
    heads = _number(text, "attention.head_count_kv")
    sides = (_number(text, f"attention.{side}_length") for side in ("key", "value"))
    cell = sum(kind.row_bytes(heads * side) for side in sides)
    everything, window = _cells(text, options)
    return [
        cell * (window if (layer + 1) % WINDOW_PATTERN else everything)
        for layer in range(_number(text, "block_count"))
    ]


def text_compute_bytes(text: Header, options: LoadOptions) -> int:
    """The size of the text model's compute buffers on the CPU, with the rows of logits."""
    flash = flash_attention(text, options)
    return graph_bytes(text, options, flash=flash) + output_bytes(text, options)


def output_bytes(text: Header, options: LoadOptions) -> int:
    """The size of the rows of logits, which are copied into the CPU's memory."""
    return logit_bytes(text) * options.outputs


def logit_bytes(text: Header) -> int:
    """The size of one row of logits."""
    return _F32 * _vocabulary(text)


def graph_bytes(
    text: Header, options: LoadOptions, *, flash: bool, blocks: bool = True, head: bool = True
) -> int:
    """The size of one device's compute buffer, within 6 % of what llama.cpp reserves on the CPU.

    The most is alive in a feed-forward block (both its branches and their product, the residual,
    its norm and the input), where attention has scores, or where the logits are. The masks stay
    alive until the last layer is done. A device that has neither layers nor head takes the embedded
    tokens and their scaled copy from one to the other.

    Args:
        text: the header of the text model.
        options: its context, batch and type of cache.
        flash: whether flash attention is used.
        blocks: whether the device has any of the layers.
        head: whether it has the output head.
    """
    tokens = min(options.batch, options.context)
    hidden = _number(text, "embedding_length")
    queries = _number(text, "attention.head_count") * _number(text, "attention.key_length")
    scores = 0 if flash else _scores(text, options)
    masks = (_F16 if flash else _F32) * tokens * sum(_cells(text, options))
    alive = [2 * _F32 * tokens * hidden + masks]
    if head:
        logits = logit_bytes(text) * min(tokens, options.outputs)
        alive.append(logits + _F32 * tokens * hidden)
    if blocks:
        branch = _F32 * tokens * _number(text, "feed_forward_length")
        block = 3 * branch + _F32 * tokens * (3 * hidden + 2 * queries)
        hole = scores // 2 if scores < branch else 0  # what scores leave is too small for a branch
        alive.append(block + hole + masks)
        alive.append(scores + _F32 * tokens * (4 * queries + 3 * hidden) + masks)
    return max(alive)


def work_bytes(text: Header, options: LoadOptions) -> int:
    """The CPU backend's buffer besides its graph: probabilities in F16, as the values are F16."""
    return 0 if flash_attention(text, options) else _scores(text, options) * _F16 // _F32


def flash_attention(text: Header, options: LoadOptions) -> bool:
    """Whether a context uses flash attention on the CPU.

    There llama.cpp's adds up in half precision: over 12,000 tokens the divergence from float32 was
    forty times that of plain attention, which is no slower (docs/evidence/fidelity.md). It is
    used where a quantized cache asks for it, and where the scores of plain attention would take too
    much memory.
    """
    return options.kv != "f16" or _scores(text, options) > SCORES


def _scores(text: Header, options: LoadOptions) -> int:
    """Bytes of the attention scores of a batch in a global layer, which sees every cell."""
    cells, _window = _cells(text, options)
    tokens = min(options.batch, options.context)
    return _F32 * _number(text, "attention.head_count") * tokens * cells


def image_compute_bytes(projector: Header) -> int:
    """The size of the projector's compute buffer: a feed-forward block over all its patches.

    Flash attention is on, or the scores would take 1 GiB more.
    """
    size, patch, width, wide = (
        _number(projector, key, "clip.vision")
        for key in ("image_size", "patch_size", "embedding_length", "feed_forward_length")
    )
    return _F32 * (size // patch) ** 2 * (wide + 3 * width)


def _cells(text: Header, options: LoadOptions) -> tuple[int, int]:
    """Cells of a layer that sees everything, and of one that sees the window."""
    everything = pad(options.context, CELLS)
    window = text.integer("gemma3.attention.sliding_window")
    if not window:
        return everything, everything
    cells = window * options.parallel + options.batch
    return everything, pad(min(everything, cells), CELLS)


def _vocabulary(text: Header) -> int:
    tokens = text.array("tokenizer.ggml.tokens")
    if tokens is None:
        raise _lacking("tokenizer.ggml.tokens")
    return tokens.count


def _number(header: Header, key: str, prefix: str = "gemma3") -> int:
    value = header.integer(f"{prefix}.{key}")
    if value is None or value < 1:
        raise _lacking(f"{prefix}.{key}")
    return value


def _lacking(key: str) -> ArtifactError:
    return ArtifactError(
        f"The file's header lacks {key}.", "Convert the original checkpoint again."
    )
