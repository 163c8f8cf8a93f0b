"""A text model in memory, and the context in which it reads and writes."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from edge_med import _platform
from edge_med.artifacts.gguf import Header, read_header
from edge_med.engine.native import llama_cpp
from edge_med.errors import ArtifactError, CancelledError, ContextOverflowError, EngineError

ARCHITECTURE = "gemma3"
BATCH = 512
"""Tokens that are read at once; an image block must fit into one batch."""

OUTPUTS = 32
"""Rows of logits that one call may ask for; llama.cpp aborts the process if it asks for more."""

_ABORTED = 2  # llama_decode's answer after its abort callback said so (llama.h)

Stop = Callable[[], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadOptions:
    """How a model is loaded.

    Attributes:
        context: tokens that prompt and answer may have together.
        threads: that compute; as many as there are usable cores if None.
    """

    context: int = 8192
    threads: int | None = None


class Model:
    """An opened GGUF text model with one context; close it, or use it in a `with`."""

    def __init__(self, path: Path, options: LoadOptions | None = None) -> None:
        """Open a model.

        Raises:
            ArtifactError: the file is damaged, or no Gemma 3 text model.
            EngineError: llama.cpp can't load it.
        """
        self.options = options or LoadOptions()
        self.header = _checked_header(path)
        self._api = llama_cpp()
        self._model: Any = None
        self._context: Any = None
        self._position = 0
        self._should_stop: Stop = lambda: False
        self._abort = self._api.ggml_abort_callback(lambda _: self._should_stop())
        try:
            self._open(path)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Free everything; harmless when done twice."""
        if self._context:
            self._api.llama_free(self._context)
            self._context = None
        if self._model:
            self._api.llama_model_free(self._model)
            self._model = None

    @property
    def vocabulary(self) -> Any:
        """llama.cpp's handle of the vocabulary."""
        return self._api.llama_model_get_vocab(self._model)

    @property
    def room(self) -> int:
        """How many more tokens the context can take."""
        return self.options.context - self._position

    def read(self, tokens: Sequence[int], stop: Stop = lambda: False) -> None:
        """Append tokens to the context; afterwards `logits` speaks of what follows the last.

        Args:
            tokens: ids.
            stop: asked often while a long prompt is read; true ends it.

        Raises:
            ContextOverflowError: they don't fit.
            CancelledError: `stop` became true.
            EngineError: llama.cpp failed.
        """
        if over := -min(0, self.room - len(tokens)):
            raise ContextOverflowError(
                f"The prompt is {over} tokens too long for a context of {self.options.context}.",
                "Shorten it, or raise --context.",
            )
        for start in range(0, len(tokens), BATCH):
            self._decode(tokens[start : start + BATCH], stop)

    def logits(self) -> npt.NDArray[np.float32]:
        """A copy of the logits after the last token read: one F32 per token of the vocabulary."""
        size = self._api.llama_vocab_n_tokens(self.vocabulary)
        pointer = self._api.llama_get_logits_ith(self._context, -1)
        return np.ctypeslib.as_array(pointer, (size,)).copy()

    def _open(self, path: Path) -> None:
        api = self._api
        self._model = api.llama_model_load_from_file(os.fsencode(path), _model_params(api))
        if not self._model:
            raise EngineError(
                f"llama.cpp can't load {path.name}.", "See why with --verbose; edge-med verify it."
            )
        params = _context_params(api, self.options)
        params.abort_callback = self._abort
        self._context = api.llama_init_from_model(self._model, params)
        if not self._context:
            raise EngineError(
                f"llama.cpp can't make a context of {self.options.context} tokens.",
                "Use a smaller --context.",
            )

    def _decode(self, tokens: Sequence[int], stop: Stop) -> None:
        ids = (ctypes.c_int32 * len(tokens))(*tokens)
        self._should_stop = stop
        try:
            code = self._api.llama_decode(
                self._context, self._api.llama_batch_get_one(ids, len(tokens))
            )
        finally:
            self._should_stop = lambda: False
        if code == _ABORTED:
            raise CancelledError("Stopped while the prompt was read.", "Ask again.")
        if code != 0:
            raise EngineError(f"llama.cpp failed to compute (code {code}).", "See --verbose.")
        self._position += len(tokens)


def _checked_header(path: Path) -> Header:
    """Read the header with our own limits before llama.cpp sees the file."""
    header = read_header(path)
    architecture = header.text("general.architecture")
    if architecture != ARCHITECTURE:
        raise ArtifactError(
            f"{path.name} holds a model of architecture {architecture}, not {ARCHITECTURE}.",
            "Give a MedGemma or Gemma 3 text model; a -mmproj- file is its projector.",
        )
    return header


def _model_params(api: Any) -> Any:
    params = api.llama_model_default_params()
    params.n_gpu_layers = 0
    return params


def _context_params(api: Any, options: LoadOptions) -> Any:
    params = api.llama_context_default_params()
    threads = options.threads or _platform.usable_cores()
    params.n_ctx = options.context
    params.n_batch = params.n_ubatch = BATCH
    params.n_seq_max = 1
    params.n_outputs_max = OUTPUTS
    params.n_threads = params.n_threads_batch = threads
    params.swa_full = False
    params.kv_unified = True
    params.no_perf = True
    return params
