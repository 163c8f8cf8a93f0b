"""How much memory a model takes, from the headers of its files, before anything is loaded.

Sources, all of llama.cpp 0.5.0: llama-context.cpp (padding, rows of logits),
llama-kv-cache-iswa.cpp and llama-kv-cache.cpp (the KV cache), ggml-cpu/repack.cpp (weights that are
copied), and what it logs of the buffers that it reserves for its graphs.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from edge_med import _platform
from edge_med.artifacts.adapter import Adapter
from edge_med.artifacts.gguf import Header, pad
from edge_med.artifacts.tensor_types import BY_NAME
from edge_med.config import LoadOptions, MemoryRule
from edge_med.errors import ArtifactError, MemoryShortError

LOGGER = logging.getLogger(__name__)

CELLS = 256
"""llama.cpp makes a cache of a multiple of this many cells."""

PATTERN = 6
"""Every so many layers, the last one is global; the others see the window alone (gemma3.cpp)."""

SCORES = 1 << 30
"""Bytes of attention scores up to which a context does without flash attention on the CPU."""

_X86 = frozenset({"Q4_0", "Q4_K", "IQ4_NL", "MXFP4"})
_ARM = _X86 | {"Q5_K", "Q6_K", "Q8_0"}
REPACKED = {"x86_64": _X86, "amd64": _X86, "aarch64": _ARM, "arm64": _ARM}
"""Types of which llama.cpp makes a copy with rows interleaved, by the processor's family.

It looks for AVX2, or for dot products of NEON, which all but very old processors have.
"""

ROWS = 8
"""A matrix is copied if its rows are a multiple of this (some of ARM's: of four)."""

NOTED = 0.05, 32 << 20
"""Share and bytes from which on a plan that was wrong is worth a warning."""

_F16, _F32 = 2, 4  # bytes of a number


@dataclass(frozen=True, slots=True)
class Plan:
    """Bytes that a model takes once it has been loaded and has seen its first image.

    Attributes:
        weights: of the text model.
        projector: its weights.
        kv: the cache of all that was read.
        compute: what text model and projector compute in, and the rows of logits.
        repacked: copies of weights, in the order in which this processor reads them fastest.
        kept: budgets of what is kept for later: the window's checkpoints, embeddings of images.
        adapters: all that are loaded, applied or not.
    """

    weights: int
    projector: int
    kv: int
    compute: int
    repacked: int = 0
    kept: int = 0
    adapters: int = 0

    @property
    def total(self) -> int:
        """All of them together."""
        used = self.weights + self.repacked + self.projector + self.kv + self.compute
        return used + self.kept + self.adapters

    @property
    def needed(self) -> int:
        """What must be free: of weights that were copied the file's own pages may be dropped."""
        return self.total - self.repacked


def plan(
    text: Header,
    options: LoadOptions,
    projector: Header | None = None,
    adapters: Sequence[Adapter] = (),
) -> Plan:
    """What a model will take.

    Args:
        text: the header of the text model.
        options: its context, batch and type of cache.
        projector: its header; None if no image will be seen.
        adapters: that are loaded with the model.

    Raises:
        ArtifactError: a header doesn't tell enough.
    """
    return Plan(
        weights=_tensor_bytes(text),
        projector=_tensor_bytes(projector) if projector else 0,
        kv=kv_bytes(text, options),
        compute=text_compute_bytes(text, options)
        + work_bytes(text, options)
        + (image_compute_bytes(projector) if projector else 0),
        repacked=repacked_bytes(text),
        kept=kept_bytes(text, options, sees=projector is not None),
        adapters=sum(adapter.size for adapter in adapters),
    )


def check(planned: Plan, rule: MemoryRule, available: int | None) -> None:
    """Compare a plan with the memory that there is, and do what the rule says if it is too small.

    Args:
        planned: what will be taken.
        rule: `plan` refuses, `warn` says so in the log, `ignore` does nothing.
        available: bytes; None if nobody knows, and then nothing is done.

    Raises:
        MemoryShortError: the rule is `plan`, and the memory doesn't suffice.
    """
    if rule == "ignore" or available is None or planned.needed <= available:
        return
    message = (
        f"The model needs {_gb(planned.needed)} of memory, and {_gb(available)} are free: "
        f"weights {_gb(planned.weights)}, projector {_gb(planned.projector)}, "
        f"KV cache {_gb(planned.kv)}, computing {_gb(planned.compute)}, "
        f"kept for later turns {_gb(planned.kept)}"
        + (f", adapters {_gb(planned.adapters)}." if planned.adapters else ".")
    )
    if rule == "warn":
        LOGGER.warning("%s", message)
        return
    raise MemoryShortError(
        message,
        "Use a smaller --context, --kv q8_0 or a smaller quant, or close other programs; "
        "--memory ignore tries it all the same.",
    )


def compare(text: Header, options: LoadOptions, taken: int) -> None:
    """Warn if a text model and its context have taken much more or less than was planned.

    Args:
        text: the header of the text model.
        options: that it was loaded with.
        taken: bytes of all buffers that llama.cpp made for both.
    """
    more = options.outputs - 1  # rows of logits; their buffer begins with one
    planned = _tensor_bytes(text) + repacked_bytes(text) + kv_bytes(text, options)
    planned += text_compute_bytes(text, options) - _F32 * _vocabulary(text) * more
    share, size = NOTED
    if abs(taken - planned) > max(share * planned, size):
        LOGGER.warning("%s of memory were planned, and %s taken.", _gb(planned), _gb(taken))


def repacked_bytes(text: Header) -> int:
    """Copies of weights, which llama.cpp makes of matrices of some types on the CPU.

    The pages of the file that they come from stay mapped, until the system needs the room.
    """
    types = REPACKED.get(_platform.MACHINE, frozenset())
    matrices = [tensor for tensor in text.tensors if len(tensor.shape) == 2]
    return sum(
        tensor.size
        for tensor in matrices
        if tensor.type.name in types and tensor.shape[0] % ROWS == 0
    )


def kept_bytes(text: Header, options: LoadOptions, *, sees: bool) -> int:
    """What may be kept for later, at the most; a window that holds everything needs nothing."""
    everything, window = _cells(text, options)
    checkpoints = options.checkpoint_bytes if window < everything else 0
    return checkpoints + (options.embedding_bytes if sees else 0)


def kv_bytes(text: Header, options: LoadOptions) -> int:
    """The KV cache: keys and values of every layer for each cell that the layer has."""
    kind = BY_NAME[options.kv.upper()]
    heads = _number(text, "attention.head_count_kv")
    sides = (_number(text, f"attention.{side}_length") for side in ("key", "value"))
    cell = sum(kind.row_bytes(heads * side) for side in sides)
    layers = _number(text, "block_count")
    everything, window = _cells(text, options)
    return cell * (layers // PATTERN * everything + (layers - layers // PATTERN) * window)


def text_compute_bytes(text: Header, options: LoadOptions) -> int:
    """What the text model computes a batch in, within 6 % of what llama.cpp reserves for it.

    The most is alive in a feed-forward block (both its branches and their product, the residual,
    its norm and the input), or where the logits are. The masks stay alive all along, and the
    logits are copied once they are known.
    """
    tokens = min(options.batch, options.context)
    queries = _number(text, "attention.head_count") * _number(text, "attention.key_length")
    wide = 3 * _number(text, "feed_forward_length") + 3 * _number(text, "embedding_length")
    block = _F32 * tokens * (wide + 2 * queries)
    row = _F32 * _vocabulary(text)
    logits, copied = row * min(tokens, options.outputs), row * options.outputs
    cells = sum(_cells(text, options))
    if flash_attention(text, options):
        return max(block, logits) + _F16 * tokens * cells + copied
    scores = _scores(text, options)
    beside = 4 * queries + 3 * _number(text, "embedding_length")
    attention = scores + _F32 * tokens * beside
    return max(block + scores // 2, logits, attention) + _F32 * tokens * cells + copied


def work_bytes(text: Header, options: LoadOptions) -> int:
    """What the CPU backend keeps beside its graph: probabilities in F16, to meet F16 values."""
    return 0 if flash_attention(text, options) else _scores(text, options) * _F16 // _F32


def flash_attention(text: Header, options: LoadOptions) -> bool:
    """Whether a context uses flash attention on the CPU.

    There llama.cpp's adds up in half precision: over 12,000 tokens the divergence from float32 was
    forty times that of plain attention, which is no slower (docs/fidelity.md). It is used where a
    quantized cache asks for it, and where the scores of plain attention would take too much memory.
    """
    return options.kv != "f16" or _scores(text, options) > SCORES


def _scores(text: Header, options: LoadOptions) -> int:
    """Bytes of the attention scores of a batch in a global layer, which sees every cell."""
    cells, _window = _cells(text, options)
    tokens = min(options.batch, options.context)
    return _F32 * _number(text, "attention.head_count") * tokens * cells


def image_compute_bytes(projector: Header) -> int:
    """What the projector computes an image in: a feed-forward block over all its patches.

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
    return everything, pad(min(everything, window + options.batch), CELLS)


def _tensor_bytes(header: Header) -> int:
    return sum(tensor.size for tensor in header.tensors)


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
        f"The file's header doesn't tell {key}.", "Convert the original checkpoint again."
    )


def _gb(size: int) -> str:
    return f"{size / 1e9:.2f} GB"
