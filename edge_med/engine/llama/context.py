"""llama.cpp's context: what was read lies in its KV cache, position by position.

Everything that llama.cpp would abort the process for (too large a batch, too many outputs, a
position that is taken) is checked or made impossible here.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from edge_med import _platform
from edge_med.config import LoadOptions
from edge_med.engine.llama.arrays import Floats
from edge_med.engine.llama.bindings import llama_cpp
from edge_med.engine.llama.model import Model
from edge_med.engine.llama.offload import attention
from edge_med.errors import CancelledError, EngineError
from edge_med.models.shares import Placement

Stop = Callable[[], bool]

NEVER: Stop = lambda: False  # noqa: E731 - a name for the default

_KV_TYPES = {"f16": "GGML_TYPE_F16", "q8_0": "GGML_TYPE_Q8_0"}
_ABORTED = 2  # llama_decode's answer after its abort callback said so (llama.h)
_SEQUENCE = 0
_WINDOW_ONLY = 1  # LLAMA_STATE_SEQ_FLAGS_PARTIAL_ONLY (llama.h): the window layers' cells alone


class Context:
    """One sequence of tokens and image rows, as far as the model has read them."""

    def __init__(
        self, model: Model, options: LoadOptions, placement: Placement | None = None
    ) -> None:
        """Make an empty context, with its cache where the model's layers are.

        Raises:
            EngineError: llama.cpp can't make it.
        """
        self._api = llama_cpp()
        self._model = model
        self._size = options.context
        self._batch_size = options.batch
        self._outputs = options.outputs
        self._should_stop: Stop = NEVER
        self._abort = self._api.ggml_abort_callback(lambda _: self._should_stop())
        self._no_abort = self._asked = self._api.ggml_abort_callback()
        self._context = self._api.llama_init_from_model(
            model.handle, _params(self._api, model, options, placement)
        )
        if not self._context:
            raise EngineError(
                f"llama.cpp can't make a context of {options.context} tokens.",
                "Use a smaller --context.",
            )
        self._memory = self._api.llama_get_memory(self._context)
        self._tokens = _Batch(self._api, options.batch, 0)
        self._rows = _Batch(self._api, options.batch, model.width)

    def close(self) -> None:
        """Free everything; harmless when done twice."""
        if self._context:
            self._tokens.free()
            self._rows.free()
            self._api.llama_free(self._context)
            self._context = None

    @property
    def oldest(self) -> int:
        """The first position that every layer still holds; 0 as long as no window has moved on."""
        return max(0, int(self._api.llama_memory_seq_pos_min(self._memory, _SEQUENCE)))

    def decode(
        self, ids: Sequence[int], position: int, stop: Stop = NEVER, *, logits: bool = True
    ) -> None:
        """Read at most a batch of tokens.

        Args:
            ids: tokens, at most `options.batch`.
            position: of the first; everything before it has been read.
            stop: asked often while several are read; true ends it.
            logits: whether `logits` shall speak of what follows the last; computing them reads the
                whole output head, a fifth of the weights.

        Raises:
            CancelledError: `stop` became true; nothing of the batch was read.
            EngineError: llama.cpp failed.
        """
        self._tokens.fill(position, len(ids) - 1 if logits else None, ids=ids)
        self._run(self._tokens, position, NEVER if len(ids) == 1 else stop)

    def decode_image(
        self, rows: Floats, position: int, stop: Stop = NEVER, *, logits: bool = True
    ) -> None:
        """Read one image block, whose rows see each other and all before them.

        Args:
            rows: embeddings, F32 of shape (image tokens, width).
            position: of the first.
            stop: asked often; true ends it.
            logits: whether `logits` shall speak of what follows it.

        Raises:
            CancelledError: `stop` became true; nothing of the block was read.
            EngineError: llama.cpp failed.
        """
        self._rows.fill(position, len(rows) - 1 if logits else None, rows=rows)
        self._api.llama_set_causal_attn(self._context, False)
        try:
            self._run(self._rows, position, stop)
        finally:
            self._api.llama_set_causal_attn(self._context, True)

    def logits(self) -> Floats:
        """One F32 for each token of the vocabulary: llama.cpp's own memory, until the next call."""
        return self._row(-1)

    def rows(self, ids: Sequence[int], position: int, stop: Stop = NEVER) -> Iterator[Floats]:
        """Read tokens and yield the logits after each, in llama.cpp's own memory.

        Raises:
            CancelledError: `stop` became true.
            EngineError: llama.cpp failed.
        """
        size = min(self._outputs, self._batch_size)
        for start in range(0, len(ids), size):
            yield from self.batch_rows(ids[start : start + size], position + start, stop)

    def batch_rows(
        self, ids: Sequence[int], position: int, stop: Stop = NEVER, *, skip: int = 0
    ) -> Iterator[Floats]:
        """Read one batch and yield the logits after each token, but for the first `skip`.

        Raises:
            CancelledError: `stop` became true.
            EngineError: more rows are asked for than the context gives, or llama.cpp failed.
        """
        if len(ids) - skip > self._outputs:  # llama.cpp would end the process
            raise EngineError("A batch asks for too many logits.", "This is a fault of edge-med.")
        self._tokens.fill(position, slice(skip, None), ids=ids)
        self._run(self._tokens, position, stop)
        yield from (self._row(index) for index in range(skip, len(ids)))

    def adapt(self, adapters: Sequence[tuple[Any, float]]) -> None:
        """Compute with these adapters of llama.cpp's from here on, by these scales, and no others.

        What was computed before stays as it was: whoever calls this empties the cache.
        """
        count = len(adapters)
        handles = (self._api.llama_adapter_lora_p_ctypes * count)(*(a for a, _ in adapters))
        scales = (ctypes.c_float * count)(*(scale for _, scale in adapters))
        if self._api.llama_set_adapters_lora(self._context, handles, count, scales):
            raise EngineError("llama.cpp can't apply the adapters.", "See --verbose.")

    def truncate(self, position: int) -> None:
        """Forget everything from a position on."""
        self._api.llama_memory_seq_rm(self._memory, _SEQUENCE, position, -1)

    @property
    def recycles(self) -> bool:
        """Whether the window layers have fewer cells than the context, so that they forget."""
        window = self._model.window
        return window is not None and window + self._batch_size < self._size

    def save_window(self) -> bytearray:
        """What the window layers hold now; with it they can be brought back to this position."""
        size = self._api.llama_state_seq_get_size_ext(self._context, _SEQUENCE, _WINDOW_ONLY)
        data = bytearray(size)
        self._api.llama_state_seq_get_data_ext(
            self._context, _bytes(data), size, _SEQUENCE, _WINDOW_ONLY
        )
        return data

    def restore_window(self, data: bytearray, position: int) -> None:
        """Go back to where `save_window` was called.

        Raises:
            EngineError: llama.cpp doesn't take it.
        """
        read = self._api.llama_state_seq_set_data_ext(
            self._context, _bytes(data), len(data), _SEQUENCE, _WINDOW_ONLY
        )
        self.truncate(position)
        if read != len(data):
            raise EngineError("llama.cpp can't go back to an earlier turn.", "See --verbose.")

    def _row(self, index: int) -> Floats:
        pointer = self._api.llama_get_logits_ith(self._context, index)
        if not pointer:
            raise EngineError("llama.cpp has no logits.", "See --verbose.")
        return np.ctypeslib.as_array(pointer, (self._model.vocabulary.size,))

    def _run(self, batch: _Batch, position: int, stop: Stop) -> None:
        """Compute a batch, and leave nothing of it behind if that fails."""
        if position + batch.count > self._size:
            raise EngineError("A batch doesn't fit the context.", "This is a fault of edge-med.")
        self._heed(stop)
        try:
            code = self._api.llama_decode(self._context, batch.native)
        finally:
            self._heed(NEVER)
        if code == 0:
            return
        self.truncate(position)
        if code == _ABORTED:
            raise CancelledError("Stopped while the prompt was read.", "Ask again.")
        raise EngineError(f"llama.cpp failed to compute (code {code}).", "See --verbose.")

    def _heed(self, stop: Stop) -> None:
        """Have llama.cpp ask `stop` at every step of a batch; not at all if it's `NEVER`."""
        self._should_stop = stop
        callback = self._no_abort if stop is NEVER else self._abort
        if callback is not self._asked:  # llama.cpp writes a line into its log each time
            self._api.llama_set_abort_callback(self._context, callback, None)
            self._asked = callback


class _Batch:
    """A llama_batch with room for some tokens, or for rows of embeddings."""

    def __init__(self, api: Any, size: int, width: int) -> None:
        self._api = api
        self.native = api.llama_batch_init(size, width, 1)
        native, view = self.native, np.ctypeslib.as_array
        self._positions = view(native.pos, (size,))
        self._outputs = view(native.logits, (size,))
        self._ids = view(native.token, (size,)) if not width else None
        self._rows = view(native.embd, (size, width)) if width else None
        view(native.n_seq_id, (size,))[:] = 1
        for index in range(size):
            native.seq_id[index][0] = _SEQUENCE

    @property
    def count(self) -> int:
        return int(self.native.n_tokens)

    def fill(
        self,
        position: int,
        outputs: int | slice | None,
        *,
        ids: Sequence[int] | None = None,
        rows: Floats | None = None,
    ) -> None:
        """Put in tokens or rows from a position on, with logits of some, by index."""
        target, values = (self._ids, ids) if rows is None else (self._rows, rows)
        assert target is not None
        assert values is not None
        count = len(values)
        if not 0 < count <= len(self._positions):
            raise EngineError(
                f"A batch of {count} doesn't fit into {len(self._positions)}.",
                "This is a fault of edge-med.",
            )
        self.native.n_tokens = count
        target[:count] = values
        self._positions[:count] = np.arange(position, position + count)
        self._outputs[:count] = 0
        if outputs is not None:
            self._outputs[:count][outputs] = 1

    def free(self) -> None:
        self._api.llama_batch_free(self.native)


def _bytes(data: bytearray) -> Any:
    """The memory of a bytearray, as llama.cpp takes it."""
    return (ctypes.c_uint8 * len(data)).from_buffer(data)


def _params(
    api: Any, model: Model, options: LoadOptions, placement: Placement | None = None
) -> Any:
    params = api.llama_context_default_params()
    params.n_ctx = options.context
    params.n_batch = params.n_ubatch = options.batch
    params.n_seq_max = 1
    params.n_outputs_max = options.outputs
    params.n_threads = params.n_threads_batch = threads(options)
    params.type_k = params.type_v = getattr(api, _KV_TYPES[options.kv])
    params.flash_attn_type = attention(model.header, options, placement)
    params.offload_kqv = params.op_offload = True  # as is planned: models/placement.py
    params.swa_full = False
    params.kv_unified = True
    params.no_perf = True
    return params


def threads(options: LoadOptions) -> int:
    """How many threads compute."""
    return options.threads or _platform.performance_cores()
