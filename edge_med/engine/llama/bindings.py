"""llama.cpp itself, loaded late, checked first, and with its voice turned to our logger."""

from __future__ import annotations

import ctypes
import dataclasses
import importlib
import importlib.util
import logging
import os
import re
import sys
import threading
import types
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from edge_med.engine.llama.cpu import ggml, probe
from edge_med.engine.llama.cpu.amx import refused
from edge_med.engine.llama.cpu.ggml import SPINS
from edge_med.engine.llama.cpu.levels import AMX, Verdict
from edge_med.errors import EngineError
from edge_med.native import NATIVE, native_library, rebuilt, require_llama_cpp_python

LOGGER = logging.getLogger("edge_med.llama_cpp")
LOGGER.addHandler(logging.NullHandler())
LOGGER.propagate = False

_REDIRECTIONS = ("LLAMA_CPP_LIB_PATH", "LLAMA_CPP_LIB", "MTMD_CPP_LIB", "GGML_BACKEND_PATH")
"""Variables that would make the bindings load another library than the package's own."""

_LEVELS = {2: logging.INFO, 3: logging.WARNING, 4: logging.ERROR}
"""`enum ggml_log_level` (ggml.h); 1 is debugging, and 5 continues a line, mostly with dots."""

_BUFFER = re.compile(r"(\S+) +(\w+) buffer size = *([0-9.]+) MiB")
_LAYER = re.compile(r"layer +(\d+) assigned to device ([^,\s]+)")
_EYE = re.compile(r"CLIP using (\S+) backend")
_EYE_SIZE = re.compile(r"model size: +([0-9.]+) MiB")
"""How llama.cpp tells of buffers and layers, and of the projector's device and then its weights
(llama-model.cpp, llama-context.cpp, clip.cpp); no function of its C interface does."""

_KEPT: list[object] = []


def llama_cpp() -> Any:
    """The low-level bindings; the first call tries the CPU's code, and loads the native libraries.

    Raises:
        EngineError: llama-cpp-python is missing or of another version, or can't compute here.
    """
    if _LOADED is None:
        with _LOADING:  # one thread tries it, and the others wait
            return _loaded().bindings
    return _LOADED.bindings


def _loaded() -> _Loaded:
    """What another thread has loaded meanwhile, else what is sound here."""
    return _LOADED or load(probe.verdict())


def verdict() -> Verdict:
    """Which code for the CPU is used in this process; errors are those of `llama_cpp`."""
    llama_cpp()
    assert _LOADED
    return _LOADED.verdict


def cpu_buffers() -> Mapping[str, int]:
    """The CPU's buffer types that copy weights, by ggml's names; errors are those of `llama_cpp`.

    AMX's is among them where it isn't to be used only if nothing could keep it out.
    """
    llama_cpp()
    assert _LOADED
    return _LOADED.buffers


@dataclass(frozen=True, slots=True)
class _Loaded:
    bindings: Any
    verdict: Verdict
    buffers: Mapping[str, int]


_LOADED: _Loaded | None = None
_LOADING = threading.RLock()


def _forked() -> None:
    """Another thread may have been loading when this process was forked; it isn't here."""
    global _LOADING  # noqa: PLW0603
    _LOADING = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


def load(verdict: Verdict) -> _Loaded:
    """Load the native libraries, once in a process, to use their code as far as it is sound.

    Raises:
        EngineError: llama-cpp-python is missing, of another version, or can't be loaded.
    """
    global _LOADED  # noqa: PLW0603 - the libraries are the process's, and so is what they decided
    with _LOADING:
        if _LOADED is None:
            try:
                bindings = _bindings()
                buffers = _cpu_buffers() if verdict.level.amx else refused(_cpu_buffers)
            except (OSError, RuntimeError) as error:
                text = "The libraries of llama-cpp-python can't be loaded."
                raise EngineError(text, rebuilt(NATIVE)) from error
            if verdict.copies is None:
                allowed = (name for name in buffers if verdict.level.amx or name != AMX)
                verdict = dataclasses.replace(verdict, copies=tuple(allowed))
            LOGGER.info("Code for the CPU: %s; buffers: %s.", verdict.level.name, [*buffers])
            _LOADED = _Loaded(bindings, verdict, buffers)
        return _LOADED


def _cpu_buffers() -> Mapping[str, int]:
    return ggml.copying_buffers(ggml.cpu_device())


def _bindings() -> Any:
    require_llama_cpp_python()
    for name in _REDIRECTIONS:
        os.environ.pop(name, None)
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", SPINS)  # is read when the libraries are loaded
    bindings, mtmd_cpp = module("llama_cpp"), module("mtmd_cpp")
    callback = bindings.llama_log_callback(_log)
    _KEPT.append(callback)  # the libraries keep a pointer to it until the process ends
    for set_log in (bindings.llama_log_set, mtmd_cpp.mtmd_log_set, mtmd_cpp.mtmd_helper_log_set):
        set_log(callback, ctypes.c_void_p(0))
    _load_backends()
    bindings.llama_backend_init()
    return bindings


def _load_backends() -> None:
    """Load backends that were built as libraries of their own (GGML_BACKEND_DL), from one place.

    llama.cpp would look for them beside the interpreter, where they aren't, and then in the working
    directory, where anybody might have put one.
    """
    path = native_library("ggml")
    ggml = ctypes.CDLL(str(path))
    if not ggml.ggml_backend_reg_count():
        ggml.ggml_backend_load_all_from_path(os.fsencode(path.parent))


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


@dataclass(frozen=True, slots=True)
class Buffer:
    """A buffer that llama.cpp made.

    Attributes:
        name: its type's, such as CPU_Mapped or Vulkan0.
        kind: `model`, `KV`, `compute` or `output`; `projector` for its weights.
        size: in bytes.
    """

    name: str
    kind: str
    size: int


@dataclass(frozen=True, slots=True)
class Heard:
    """What llama.cpp has said of its memory.

    Attributes:
        buffers: that it made.
        layers: the device of each, by number.
        eyes: the devices of projectors.
    """

    buffers: list[Buffer] = field(default_factory=list)
    layers: dict[int, str] = field(default_factory=dict)
    eyes: list[str] = field(default_factory=list)

    @property
    def taken(self) -> int:
        """Bytes of all buffers."""
        return sum(buffer.size for buffer in self.buffers)


class _Listeners(threading.local):
    """Who listens in this thread; whatever llama.cpp says of memory, it says in the caller's."""

    def __init__(self) -> None:
        self.all: list[Heard] = []


_LISTENERS = _Listeners()


@contextmanager
def listening() -> Iterator[Heard]:
    """What llama.cpp says of its memory in this thread, inside the block."""
    heard = Heard()
    _LISTENERS.all.append(heard)
    try:
        yield heard
    finally:
        _LISTENERS.all.pop()


def _hear(line: str) -> None:
    for heard in _LISTENERS.all:
        if found := _BUFFER.search(line):
            heard.buffers.append(Buffer(found[1], found[2], _bytes(found[3])))
        elif found := _LAYER.search(line):
            heard.layers[int(found[1])] = found[2]
        elif found := _EYE.search(line):
            heard.eyes.append(found[1])
        elif heard.eyes and (found := _EYE_SIZE.search(line)):
            heard.buffers.append(Buffer(heard.eyes[-1], "projector", _bytes(found[1])))


def _bytes(mebibytes: str) -> int:
    return round(float(mebibytes) * (1 << 20))


def _log(level: int, text: bytes, _user_data: object) -> None:
    ours = _LEVELS.get(level, logging.DEBUG)
    if not (_LISTENERS.all or LOGGER.isEnabledFor(ours)):
        return
    line = text.decode("utf-8", "replace")
    _hear(line)
    if LOGGER.isEnabledFor(ours):
        LOGGER.log(ours, "%s", line.rstrip())
