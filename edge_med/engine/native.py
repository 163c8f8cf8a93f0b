"""llama.cpp itself, loaded late, checked first, and with its voice turned to our logger."""

from __future__ import annotations

import ctypes
import functools
import importlib
import importlib.util
import logging
import os
import re
import sys
import threading
import types
from typing import Any

from edge_med._platform import require_llama_cpp_python

LOGGER = logging.getLogger("edge_med.llama_cpp")
LOGGER.addHandler(logging.NullHandler())
LOGGER.propagate = False

_REDIRECTIONS = ("LLAMA_CPP_LIB_PATH", "LLAMA_CPP_LIB", "MTMD_CPP_LIB", "GGML_BACKEND_PATH")
"""Variables that would make the bindings load another library than the package's own."""

_LEVELS = {2: logging.INFO, 3: logging.WARNING, 4: logging.ERROR}
"""`enum ggml_log_level` (ggml.h); 1 is debugging, and 5 continues a line, mostly with dots."""

_BUFFER = re.compile(r" buffer size = *([0-9.]+) MiB")
"""How llama.cpp tells of a buffer; no function tells it (llama-model.cpp, llama-context.cpp)."""

_KEPT: list[object] = []


@functools.cache
def llama_cpp() -> Any:
    """The low-level bindings; the first call loads the native libraries.

    Raises:
        EngineError: llama-cpp-python is missing or of another version.
    """
    require_llama_cpp_python()
    for name in _REDIRECTIONS:
        os.environ.pop(name, None)
    bindings, mtmd_cpp = module("llama_cpp"), module("mtmd_cpp")
    callback = bindings.llama_log_callback(_log)
    _KEPT.append(callback)  # the libraries keep a pointer to it until the process ends
    for set_log in (bindings.llama_log_set, mtmd_cpp.mtmd_log_set, mtmd_cpp.mtmd_helper_log_set):
        set_log(callback, ctypes.c_void_p(0))
    bindings.llama_backend_init()
    return bindings


def mtmd_cpp() -> Any:
    """The low-level bindings of llama.cpp's image library.

    Raises:
        EngineError: llama-cpp-python is missing or of another version.
    """
    llama_cpp()
    return module("mtmd_cpp")


def module(name: str) -> Any:
    """A module of llama-cpp-python without the package's own `__init__`.

    That would import its `Llama` class, a template engine and a database, none of which is used
    here: 0.2 s of every start. Whoever imports the package for himself gets all of it, before or
    after.
    """
    package = sys.modules.get("llama_cpp")
    if package is None and (spec := importlib.util.find_spec("llama_cpp")):
        package = sys.modules["llama_cpp"] = types.ModuleType("llama_cpp")
        package.__path__ = list(spec.submodule_search_locations or ())
        try:
            return importlib.import_module(f"llama_cpp.{name}")
        finally:
            del sys.modules["llama_cpp"]
    return importlib.import_module(f"llama_cpp.{name}")


class _Taken(threading.local):
    """Bytes of buffers that llama.cpp made in this thread."""

    bytes = 0


_TAKEN = _Taken()


def taken() -> int:
    """Bytes of all buffers that llama.cpp has said it made in this thread so far."""
    return _TAKEN.bytes


def _log(level: int, text: bytes, _user_data: object) -> None:
    if found := _BUFFER.search(text.decode("utf-8", "replace")):
        _TAKEN.bytes += round(float(found[1]) * (1 << 20))
    ours = _LEVELS.get(level, logging.DEBUG)
    if LOGGER.isEnabledFor(ours):
        LOGGER.log(ours, "%s", text.decode("utf-8", "replace").rstrip())
