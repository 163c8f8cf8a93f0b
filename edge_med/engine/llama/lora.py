"""LoRA adapters in llama.cpp's memory, and which of them a call applies."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edge_med.engine.llama.bindings import llama_cpp
from edge_med.engine.llama.text_model import TextModel
from edge_med.errors import LOOK, EngineError, UsageError

Applied = tuple[tuple[str, float], ...]
"""The adapters under which something was read, sorted by name, with their scales."""


class Adapters:
    """Opened adapters of an opened model, by name; close them before the model.

    They are opened before the context: llama.cpp makes room for them in its graphs.
    """

    def __init__(self, model: TextModel, paths: Mapping[str, Path]) -> None:
        """Open adapters whose headers have been checked.

        Raises:
            EngineError: llama.cpp can't load one.
        """
        self._api = llama_cpp()
        self._handles: dict[str, Any] = {}
        try:
            for name, path in paths.items():
                self._handles[name] = self._opened(model, path)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Free everything; harmless when done twice."""
        while self._handles:
            self._api.llama_adapter_lora_free(self._handles.popitem()[1])

    def applied(self, scales: Mapping[str, float]) -> Applied:
        """What a call asks for, in a form that can be compared; a scale of 0 applies nothing.

        Raises:
            UsageError: there is no adapter of such a name.
        """
        for name in scales:
            if name not in self._handles:
                known = ", ".join(self._handles)
                raise UsageError(
                    f"There is no adapter '{name}'.",
                    f"Use one of those that were loaded: {known}."
                    if known
                    else "Load the model with its adapters.",
                )
        return tuple(sorted((name, float(scale)) for name, scale in scales.items() if scale))

    def handles(self, applied: Applied) -> list[tuple[Any, float]]:
        """llama.cpp's pointers to adapters, and their scales."""
        return [(self._handles[name], scale) for name, scale in applied]

    def _opened(self, model: TextModel, path: Path) -> Any:
        handle = self._api.llama_adapter_lora_init(model.handle, os.fsencode(path))
        if not handle:
            raise EngineError(f"llama.cpp can't load {path.name}.", f"{LOOK}.")
        return handle
