"""llama.cpp itself: loaded late, checked first, and its log turned to our logger."""

from __future__ import annotations

import ctypes
import dataclasses
import logging
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from edge_med import _platform
from edge_med.engine.llama import memory_log
from edge_med.engine.llama.cpu import ggml, probe
from edge_med.engine.llama.cpu.amx import refused
from edge_med.engine.llama.cpu.code_levels import AMX, CodeVerdict
from edge_med.engine.llama.cpu.ggml import SPINS
from edge_med.engine.llama.signatures import LLAMA, MTMD, FunctionTable, LogCallback
from edge_med.errors import EngineError, MemoryShortError
from edge_med.native import (
    NATIVE,
    REDIRECTIONS,
    native_library,
    rebuilt,
    require_llama_cpp_python,
)

LOGGER = logging.getLogger("edge_med.llama_cpp")

_WAITS = "GOMP_SPINCOUNT"

_LEVELS = {2: logging.INFO, 3: logging.WARNING, 4: logging.ERROR}
"""`enum ggml_log_level` (ggml.h); 1 is debugging, and 5 continues a line, mostly with dots."""

_KEPT: list[object] = []


def llama_cpp() -> Any:
    """The low-level bindings; the first call tries the CPU's code, and loads the native libraries.

    Raises:
        EngineError: llama-cpp-python is missing or of another version, or can't compute here.
    """
    if _LOADED is None:
        with _LOADING:  # one thread tries it, and the others wait
            return _loaded().llama
    return _LOADED.llama


def _loaded() -> _Loaded:
    """What another thread has loaded meanwhile, else what is sound here."""
    return _LOADED or load(probe.verdict())


def verdict() -> CodeVerdict:
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
    llama: FunctionTable
    mtmd: FunctionTable
    verdict: CodeVerdict
    buffers: Mapping[str, int]


_LOADED: _Loaded | None = None
_LOADING = threading.RLock()


def _forked() -> None:
    """Another thread may have been loading when this process was forked; it isn't here."""
    global _LOADING  # noqa: PLW0603 - the lock is the process's, and this is a new one
    _LOADING = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


def load(verdict: CodeVerdict) -> _Loaded:
    """Load the native libraries, once in a process, to use their code as far as it is sound.

    Raises:
        EngineError: llama-cpp-python is missing, of another version, or can't be loaded.
    """
    global _LOADED  # noqa: PLW0603 - the libraries are the process's, and so is what they decided
    with _LOADING:
        if _LOADED is None:
            try:
                llama, mtmd = _bindings()
                buffers = _cpu_buffers() if verdict.level.amx else refused(_cpu_buffers)
            except OSError as error:
                if memory_log.REFUSED.search(str(error)):
                    raise _short_of_memory() from error
                text = "The libraries of llama-cpp-python can't be loaded."
                raise EngineError(text, rebuilt(NATIVE)) from error
            if verdict.copies is None:
                allowed = (name for name in buffers if verdict.level.amx or name != AMX)
                verdict = dataclasses.replace(verdict, copies=tuple(allowed))
            LOGGER.info("Code for the CPU: %s; buffers: %s.", verdict.level.name, [*buffers])
            _LOADED = _Loaded(llama, mtmd, verdict, buffers)
        return _LOADED


def _short_of_memory() -> MemoryShortError:
    return MemoryShortError(
        "The libraries of llama-cpp-python can't be loaded: memory was refused.",
        "Close other programs.",
    )


def _cpu_buffers() -> Mapping[str, int]:
    return ggml.copying_buffers(ggml.cpu_device())


def _bindings() -> tuple[FunctionTable, FunctionTable]:
    require_llama_cpp_python()
    for name in REDIRECTIONS:
        os.environ.pop(name, None)
    with _brief_waits():
        llama = FunctionTable(_platform.open_library(native_library("llama")), LLAMA)
        mtmd = FunctionTable(_platform.open_library(native_library("mtmd")), MTMD)
        callback = LogCallback(_log)
        _KEPT.append(callback)  # the libraries keep a pointer to it until the process ends
        for set_log in (llama.llama_log_set, mtmd.mtmd_log_set, mtmd.mtmd_helper_log_set):
            set_log(callback, ctypes.c_void_p(0))
        _load_backends()
    llama.llama_backend_init()
    return llama, mtmd


@contextmanager
def _brief_waits() -> Iterator[None]:
    """Libraries that are loaded in here wait awake only briefly; they read it as they are loaded.

    Programs that are started later have the environment that they would have had without us.
    """
    chosen = {"OMP_WAIT_POLICY", _WAITS} & os.environ.keys()
    if not chosen:
        os.environ[_WAITS] = SPINS
    try:
        yield
    finally:
        if not chosen:
            os.environ.pop(_WAITS, None)


def _load_backends() -> None:
    """Load backends that were built as libraries of their own (GGML_BACKEND_DL), from one place.

    llama.cpp would look for them in the interpreter's folder, where they aren't, and then in the
    working directory, where anybody might have put one.
    """
    path = native_library("ggml")
    ggml = _platform.open_library(path)
    if not ggml.ggml_backend_reg_count():
        ggml.ggml_backend_load_all_from_path(os.fsencode(path.parent))


def mtmd_cpp() -> Any:
    """The low-level bindings of llama.cpp's image library.

    Raises:
        EngineError: llama-cpp-python is missing or of another version.
    """
    llama_cpp()
    assert _LOADED
    return _LOADED.mtmd


def _log(level: int, text: bytes, _user_data: object) -> None:
    ours = _LEVELS.get(level, logging.DEBUG)
    if not (memory_log.is_captured() or LOGGER.isEnabledFor(ours)):
        return
    line = text.decode("utf-8", "replace")
    memory_log.read(line)
    if LOGGER.isEnabledFor(ours):
        LOGGER.log(ours, "%s", line.rstrip())


def give_back_memory() -> None:
    """Have glibc give the system what was freed; other C libraries do that without being asked."""
    with suppress(OSError, TypeError, AttributeError):  # none of that name, or none of that kind
        ctypes.CDLL(None).malloc_trim(0)
