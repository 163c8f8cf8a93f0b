"""A text model's weights and vocabulary in memory."""

from __future__ import annotations

import ctypes
import functools
import os
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from edge_med.artifacts.chat_template import ENDS, Turns, turns_of
from edge_med.artifacts.gguf import Header
from edge_med.artifacts.split import read_model
from edge_med.engine.llama.bindings import llama_cpp, verdict
from edge_med.engine.llama.llama_vocabulary import LlamaVocabulary
from edge_med.engine.llama.offload import offload
from edge_med.engine.llama.overrides import overrides
from edge_med.errors import LOOK, ArtifactError, EngineError
from edge_med.planner.placement_types import Placement

ARCHITECTURE = "gemma3"

_COPIED = 0
"""LLAMA_LOAD_MODE_NONE (llama.h)."""

_AT_ONCE = 0
"""LLAMA_LAZY_MODE_OFF (llama.h): rows that are read on demand would be mapped all the same."""


class TextModel:
    """An opened GGUF text model; close it, or use it in a `with`."""

    def __init__(
        self,
        path: Path,
        header: Header | None = None,
        *,
        vocabulary_only: bool = False,
        placement: Placement | None = None,
        copies: tuple[str, ...] | None = None,
        mmap: bool = True,
    ) -> None:
        """Open a model, or no more than its vocabulary, which takes no memory for weights.

        Args:
            path: the file.
            header: the header of the file, if it has been read already.
            vocabulary_only: whether the weights stay where they are.
            placement: which layers go to which device; all of them to the CPU if None.
            copies: buffer types that the CPU's weights are copied into; if None those that were
                found to be sound here.
            mmap: whether the weights stay in the file, which must not change then.

        Raises:
            ArtifactError: the file is damaged, or no Gemma 3 text model.
            EngineError: llama.cpp can't load it.
        """
        self.header = _checked(path, header or read_model(path)[0])
        self._api = llama_cpp()
        params = self._api.llama_model_default_params()
        params.vocab_only = vocabulary_only
        if not mmap:
            params.load_mode, params.lazy_mode = _COPIED, _AT_ONCE
        copies = verdict().copies if copies is None else copies
        self._overrides = overrides(self.header)
        if self._overrides is not None:
            params.kv_overrides = ctypes.addressof(self._overrides)
        # llama.cpp keeps pointers to what this returns.
        self._told = offload(self._api, params, self.header, placement, copies)
        self._model = self._api.llama_model_load_from_file(os.fsencode(path), params)
        if not self._model:
            raise EngineError(
                f"llama.cpp can't load {path.name}.",
                f"{LOOK}; edge-med verify says whether the file is whole, and memory may be short.",
            )
        ends = self.header.array(ENDS)
        self.vocabulary = LlamaVocabulary(self._model, ends.values() if ends else ())

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
        if self._model:
            self._api.llama_model_free(self._model)
            self._model = None

    @property
    def handle(self) -> Any:
        """llama.cpp's pointer to the model."""
        return self._model

    @functools.cached_property
    def window(self) -> int | None:
        """How many tokens the window layers see; None if all layers see everything."""
        return self.header.integer(f"{ARCHITECTURE}.attention.sliding_window")

    @functools.cached_property
    def trained_context(self) -> int | None:
        """How many tokens it was trained with; None if its header doesn't say."""
        return self.header.integer(f"{ARCHITECTURE}.context_length")

    @functools.cached_property
    def width(self) -> int:
        """Numbers in an embedding."""
        width: int = self._api.llama_model_n_embd(self._model)
        return width

    @functools.cached_property
    def turns(self) -> Turns:
        """What kind of turns it takes; none are a base model's."""
        return turns_of(self.header)

    @property
    def has_turns(self) -> bool:
        """Whether it takes conversations."""
        return self.turns != "none"


def _checked(path: Path, header: Header) -> Header:
    """The header, read with our own limits, is looked at before llama.cpp sees the file."""
    architecture = header.text("general.architecture")
    if architecture != ARCHITECTURE:
        raise ArtifactError(
            f"{path.name} holds a model of architecture {architecture}, not {ARCHITECTURE}.",
            "Give a MedGemma or Gemma 3 text model; a -mmproj- file is its projector.",
        )
    return header
