"""How much memory a model takes, from the headers of its files, before anything is loaded.

Sources, all of llama.cpp 0.5.0: llama-context.cpp (padding, rows of logits),
llama-kv-cache-iswa.cpp and llama-kv-cache.cpp (the KV cache), and what it logs of the buffers that
it reserves for its graphs.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

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

OUTPUTS = 32
"""Rows of logits that the engine asks for at most."""

SCORES = 1 << 30
"""Bytes of attention scores up to which a context does without flash attention on the CPU."""

_F16, _F32 = 2, 4  # bytes of a number


@dataclass(frozen=True, slots=True)
class Plan:
    """Bytes that a model takes once it has been loaded and has seen its first image.

    Attributes:
        weights: of the text model.
        projector: its weights.
        kv: the cache of all that was read.
        compute: what text model and projector compute in, and the rows of logits.
        adapters: all that are loaded, applied or not.
    """

    weights: int
    projector: int
    kv: int
    compute: int
    adapters: int = 0

    @property
    def total(self) -> int:
        """All of them together."""
        return self.weights + self.projector + self.kv + self.compute + self.adapters


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
    if rule == "ignore" or available is None or planned.total <= available:
        return
    message = (
        f"The model needs {_gb(planned.total)} of memory, and {_gb(available)} are free: "
        f"weights {_gb(planned.weights)}, projector {_gb(planned.projector)}, "
        f"KV cache {_gb(planned.kv)}, computing {_gb(planned.compute)}"
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
    logits, cells = row * min(tokens, OUTPUTS), sum(_cells(text, options))
    if flash_attention(text, options):
        return max(block, logits) + _F16 * tokens * cells + row * OUTPUTS
    scores = _scores(text, options)
    beside = 4 * queries + 3 * _number(text, "embedding_length")
    attention = scores + _F32 * tokens * beside
    return max(block + scores // 2, logits, attention) + _F32 * tokens * cells + row * OUTPUTS


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
