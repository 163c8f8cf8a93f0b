"""llama.cpp's context: what was read lies in its KV cache, position by position.

Everything that llama.cpp would abort the process for (too large a batch, too many outputs, a
position that is taken) is checked or made impossible here.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from edge_med import _platform
from edge_med.config import LoadOptions
from edge_med.engine.llama.arrays import Floats
from edge_med.engine.llama.bindings import llama_cpp
from edge_med.engine.llama.offload import attention
from edge_med.engine.llama.signatures import F16, Q8_0, AbortCallback
from edge_med.engine.llama.text_model import TextModel
from edge_med.errors import LOOK, CancelledError, EngineError
from edge_med.planner.placement_types import Placement

Stop = Callable[[], bool]

Ids = Sequence[int]
"""Tokens."""

NEVER: Stop = lambda: False  # noqa: E731 - a name for the default

_KV_TYPES = {"f16": F16, "q8_0": Q8_0}
_ABORTED = 2  # llama_decode's answer after its abort callback said so (llama.h)


class Context:
    """What has been read, in sequences that share the cache's cells; one at a time computes."""

    def __init__(
        self, model: TextModel, options: LoadOptions, placement: Placement | None = None
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
        self._abort = AbortCallback(lambda _: self._should_stop())
        self._no_abort = self._asked = AbortCallback()
        self._context = self._api.llama_init_from_model(
            model.handle, _params(self._api, model, options, placement)
        )
        if not self._context:
            raise EngineError(
                f"llama.cpp can't make a context of {options.context} tokens.",
                f"Use a smaller `context`: memory may be short. {LOOK}.",
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
    def handle(self) -> Any:
        """llama.cpp's pointer to the context."""
        return self._context

    @property
    def recycles(self) -> bool:
        """Whether the window layers have fewer cells than the context, so that they forget."""
        window = self._model.window
        return window is not None and window + self._batch_size < self._size

    @property
    def outputs(self) -> int:
        """How many rows of logits a batch may give."""
        return min(self._outputs, self._batch_size)

    def logits(self) -> Floats:
        """One F32 for each token of the vocabulary: llama.cpp's own memory, until the next call."""
        return self.row(-1)

    def adapt(self, adapters: Sequence[tuple[Any, float]]) -> None:
        """Compute with these adapters of llama.cpp's from here on, by these scales, and no others.

        What was computed before stays as it was: whoever calls this empties the cache.
        """
        count = len(adapters)
        handles = (ctypes.c_void_p * count)(*(a for a, _ in adapters))
        scales = (ctypes.c_float * count)(*(scale for _, scale in adapters))
        if self._api.llama_set_adapters_lora(self._context, handles, count, scales):
            raise EngineError("llama.cpp can't apply the adapters.", f"{LOOK}.")

    def truncate(self, sequence: int, position: int) -> None:
        """Forget everything of a sequence from a position on."""
        self._api.llama_memory_seq_rm(self._memory, sequence, position, -1)

    def oldest(self, sequence: int) -> int:
        """The first position of a sequence that every layer still holds."""
        return max(0, int(self._api.llama_memory_seq_pos_min(self._memory, sequence)))

    def row(self, index: int) -> Floats:
        """The logits after one item of the last batch, in llama.cpp's own memory."""
        pointer = self._api.llama_get_logits_ith(self._context, index)
        if not pointer:
            raise EngineError("llama.cpp has no logits.", f"{LOOK}.")
        return np.ctypeslib.as_array(pointer, (self._model.vocabulary.size,))

    def run(
        self,
        sequence: int,
        position: int,
        outputs: int | slice | None,
        stop: Stop,
        *,
        ids: Ids | None = None,
        rows: Floats | None = None,
    ) -> None:
        """Compute a batch of one sequence, and leave nothing of it behind if that fails.

        Args:
            sequence: its number.
            position: the position of the first item.
            outputs: the items whose logits are wanted, by their index in the batch.
            stop: called often; true ends the computing.
            ids: tokens, or
            rows: embeddings, F32 of shape (image tokens, width), which see each other.

        Raises:
            CancelledError: `stop` became true.
            EngineError: llama.cpp failed, or the batch doesn't fit.
        """
        batch = self._tokens if rows is None else self._rows
        batch.fill(sequence, position, outputs, ids=ids, rows=rows)
        if rows is not None:
            self._api.llama_set_causal_attn(self._context, False)
        try:
            self._run(batch, sequence, position, stop)
        finally:
            if rows is not None:
                self._api.llama_set_causal_attn(self._context, True)

    def _run(self, batch: _Batch, sequence: int, position: int, stop: Stop) -> None:
        if position + batch.count > self._size:
            raise EngineError("A batch doesn't fit the context.", "This is a fault of edge-med.")
        self._ask_for(stop)
        try:
            code = self._api.llama_decode(self._context, batch.native)
        finally:
            self._ask_for(NEVER)
        if code == 0:
            return
        self.truncate(sequence, position)
        if code == _ABORTED:
            raise CancelledError("Stopped while the prompt was read.", "Ask again.")
        raise EngineError(f"llama.cpp failed to compute (code {code}).", f"{LOOK}.")

    def _ask_for(self, stop: Stop) -> None:
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
        self._size = size
        self._sequence: int | None = None

    @property
    def count(self) -> int:
        return int(self.native.n_tokens)

    def fill(
        self,
        sequence: int,
        position: int,
        outputs: int | slice | None,
        *,
        ids: Ids | None = None,
        rows: Floats | None = None,
    ) -> None:
        """Put in tokens or rows of a sequence from a position on, with logits of some, by index."""
        if sequence != self._sequence:
            self._sequence = sequence
            for index in range(self._size):
                self.native.seq_id[index][0] = sequence
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


def _params(
    api: Any, model: TextModel, options: LoadOptions, placement: Placement | None = None
) -> Any:
    params = api.llama_context_default_params()
    params.n_ctx = options.context
    params.n_batch = params.n_ubatch = options.batch
    params.n_seq_max = 1
    params.n_outputs_max = options.outputs
    params.n_threads = params.n_threads_batch = threads(options)
    params.type_k = params.type_v = _KV_TYPES[options.kv]
    params.flash_attn_type = attention(model.header, options, placement)
    params.offload_kqv = params.op_offload = True  # as is planned: planner/placement.py
    params.swa_full = False
    params.kv_unified = True
    params.no_perf = True
    return params


def threads(options: LoadOptions) -> int:
    """How many threads compute."""
    return options.threads or _platform.performance_cores()
