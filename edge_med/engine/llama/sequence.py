"""A sequence in llama.cpp's context: read at a position, forget from a position, go back."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from typing import Any

from edge_med.engine.llama.arrays import Floats
from edge_med.engine.llama.bindings import llama_cpp
from edge_med.engine.llama.context import NEVER, Context, Ids, Stop
from edge_med.errors import LOOK, EngineError

_WINDOW_ONLY = 1  # LLAMA_STATE_SEQ_FLAGS_PARTIAL_ONLY (llama.h): the window layers' cells alone


class Sequence:
    """One sequence of tokens and image rows, as far as the model has read them."""

    def __init__(self, context: Context, number: int = 0) -> None:
        """The sequence of that number, below the number that the context was made for."""
        self.context = context
        self._api = llama_cpp()
        self._number = number

    @property
    def oldest(self) -> int:
        """The first position that every layer still holds; 0 as long as no window has moved on."""
        return self.context.oldest(self._number)

    def decode(self, ids: Ids, position: int, stop: Stop = NEVER, *, logits: bool = True) -> None:
        """Read at most a batch of tokens.

        Args:
            ids: tokens, at most `options.batch`.
            position: the position of the first token; everything before it has been read.
            stop: called often while several are read; true ends the reading.
            logits: whether `Context.logits` has what follows the last; computing them reads the
                whole output head, a fifth of the weights.

        Raises:
            CancelledError: `stop` became true; nothing of the batch was read.
            EngineError: llama.cpp failed.
        """
        outputs = len(ids) - 1 if logits else None
        stop = NEVER if len(ids) == 1 else stop
        self.context.run(self._number, position, outputs, stop, ids=ids)

    def decode_image(
        self, rows: Floats, position: int, stop: Stop = NEVER, *, logits: bool = True
    ) -> None:
        """Read one image block, whose rows see each other and all before them.

        Args:
            rows: embeddings, F32 of shape (image tokens, width).
            position: the position of the first row.
            stop: called often; true ends the reading.
            logits: whether `Context.logits` has what follows it.

        Raises:
            CancelledError: `stop` became true; nothing of the block was read.
            EngineError: llama.cpp failed.
        """
        outputs = len(rows) - 1 if logits else None
        self.context.run(self._number, position, outputs, stop, rows=rows)

    def rows(self, ids: Ids, position: int, stop: Stop = NEVER) -> Iterator[Floats]:
        """Read tokens and yield the logits after each, in llama.cpp's own memory.

        Raises:
            CancelledError: `stop` became true.
            EngineError: llama.cpp failed.
        """
        size = self.context.outputs
        for start in range(0, len(ids), size):
            yield from self.batch_rows(ids[start : start + size], position + start, stop)

    def batch_rows(
        self, ids: Ids, position: int, stop: Stop = NEVER, *, skip: int = 0
    ) -> Iterator[Floats]:
        """Read one batch and yield the logits after each token, but for the first `skip`.

        Raises:
            CancelledError: `stop` became true.
            EngineError: more rows are asked for than the context gives, or llama.cpp failed.
        """
        if len(ids) - skip > self.context.outputs:  # llama.cpp would end the process
            raise EngineError("A batch asks for too many logits.", "This is a fault of edge-med.")
        self.context.run(self._number, position, slice(skip, None), stop, ids=ids)
        yield from (self.context.row(index) for index in range(skip, len(ids)))

    def truncate(self, position: int) -> None:
        """Forget everything from a position on."""
        self.context.truncate(self._number, position)

    def save_window(self) -> bytearray:
        """What the window layers hold now; with it they can be brought back to this position."""
        size = self._api.llama_state_seq_get_size_ext(
            self.context.handle, self._number, _WINDOW_ONLY
        )
        data = bytearray(size)
        self._api.llama_state_seq_get_data_ext(
            self.context.handle, _bytes(data), size, self._number, _WINDOW_ONLY
        )
        return data

    def restore_window(self, data: bytearray, position: int) -> None:
        """Go back to where `save_window` was called.

        Raises:
            EngineError: llama.cpp doesn't take it.
        """
        read = self._api.llama_state_seq_set_data_ext(
            self.context.handle, _bytes(data), len(data), self._number, _WINDOW_ONLY
        )
        self.truncate(position)
        if read != len(data):
            raise EngineError("llama.cpp can't go back to an earlier turn.", f"{LOOK}.")


def _bytes(data: bytearray) -> Any:
    """The memory of a bytearray, as llama.cpp takes it."""
    return (ctypes.c_uint8 * len(data)).from_buffer(data)
