"""ggml's functions for the CPU, out of the libraries that llama.cpp uses itself.

The bindings leave them out. No other device is touched: ggml looks for GPUs only when it is asked
for the list of all devices.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from edge_med import _platform, native

SPINS = "3000"
"""Rounds that a thread of GNU's OpenMP waits awake for the others; its own default is 300,000
(libgomp manual, GOMP_SPINCOUNT), so that while another program computes each of them waits for one
that isn't run.
"""

_POINTER, _SIZE, _NUMBER = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int64


class Init(ctypes.Structure):
    """`struct ggml_init_params` (ggml.h)."""

    _fields_ = (("size", _SIZE), ("buffer", _POINTER), ("no_alloc", ctypes.c_bool))


class Traits(ctypes.Structure):
    """`struct ggml_type_traits` (ggml.h), up to the function that widens rows to F32."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("block", _NUMBER),
        ("interleaved", _NUMBER),
        ("size", _SIZE),
        ("quantized", ctypes.c_bool),
        ("to_float", ctypes.CFUNCTYPE(None, _POINTER, _POINTER, _NUMBER)),
    )


_SIGNATURES: dict[str, tuple[Any, list[Any]]] = {
    "ggml_init": (_POINTER, [Init]),
    "ggml_free": (None, [_POINTER]),
    "ggml_new_tensor_2d": (_POINTER, [_POINTER, ctypes.c_int, _NUMBER, _NUMBER]),
    "ggml_mul_mat": (_POINTER, [_POINTER] * 3),
    "ggml_new_graph": (_POINTER, [_POINTER]),
    "ggml_build_forward_expand": (None, [_POINTER] * 2),
    "ggml_get_type_traits": (ctypes.POINTER(Traits), [ctypes.c_int]),
    "ggml_quantize_chunk": (
        _SIZE,
        [ctypes.c_int, _POINTER, _POINTER, _NUMBER, _NUMBER, _NUMBER, _POINTER],
    ),
    "ggml_backend_reg_dev_get": (_POINTER, [_POINTER, _SIZE]),
    "ggml_backend_reg_get_proc_address": (_POINTER, [_POINTER, ctypes.c_char_p]),
    "ggml_backend_dev_backend_reg": (_POINTER, [_POINTER]),
    "ggml_backend_dev_buffer_type": (_POINTER, [_POINTER]),
    "ggml_backend_dev_init": (_POINTER, [_POINTER, ctypes.c_char_p]),
    "ggml_backend_dev_supports_op": (ctypes.c_bool, [_POINTER] * 2),
    "ggml_backend_free": (None, [_POINTER]),
    "ggml_backend_graph_compute": (ctypes.c_int, [_POINTER] * 2),
    "ggml_backend_buft_name": (ctypes.c_char_p, [_POINTER]),
    "ggml_backend_alloc_ctx_tensors_from_buft": (_POINTER, [_POINTER] * 2),
    "ggml_backend_buffer_free": (None, [_POINTER]),
    "ggml_backend_tensor_set": (None, [_POINTER, _POINTER, _SIZE, _SIZE]),
    "ggml_backend_tensor_get": (None, [_POINTER, _POINTER, _SIZE, _SIZE]),
    "ggml_backend_cpu_reg": (_POINTER, []),
}


class GgmlFunctions:
    """Functions of several libraries, by their names; each has the types of ggml's headers."""

    def __init__(self, libraries: list[ctypes.CDLL]) -> None:
        for name, (result, arguments) in _SIGNATURES.items():
            for library in libraries:
                if (function := getattr(library, name, None)) is not None:
                    function.restype, function.argtypes = result, arguments
                    setattr(self, name, function)
                    break

    def __getattr__(self, name: str) -> Any:
        """A function that no library has."""
        raise AttributeError(name)


@functools.cache
def functions() -> GgmlFunctions:
    """Functions of ggml; the first call loads llama.cpp, as a model does.

    Raises:
        EngineError: llama-cpp-python is missing or of another version.
        OSError: its libraries can't be loaded.
    """
    names = ["llama", "mtmd", "ggml-base", "ggml-cpu"]
    if _platform.SYSTEM != "win32":  # a library's functions are found with those that it needs
        names = ["llama", "mtmd"]
    libraries = [_platform.open_library(native.native_library(name)) for name in names]
    return GgmlFunctions(libraries)


def cpu_device() -> int:
    """The CPU as a device of ggml's, as llama.cpp will have it; errors are those of `functions`."""
    ggml = functions()
    registry = getattr(ggml, "ggml_backend_cpu_reg", None)
    if registry is None:  # the CPU's code is a library that ggml loads by itself
        registry = ctypes.CDLL(str(cpu_library())).ggml_backend_init
        registry.restype = _POINTER
    found: int = ggml.ggml_backend_reg_dev_get(registry(), 0)
    return found


def cpu_library() -> Path:
    """The library with the code for the CPU; of several variants the one that ggml takes.

    That is the one with the highest score, else the one without a variant's name
    (ggml-backend-reg.cpp, ggml_backend_load_best).

    Raises:
        EngineError: there is none, or llama-cpp-python is missing or of another version.
        OSError: a variant can't be loaded.
    """
    folder = native.native_library("ggml").parent
    variants = [p for p in sorted(folder.glob("*ggml-cpu-*")) if p.suffix in (".so", ".dll")]
    best = max(variants, key=_score, default=None)
    return best if best and _score(best) else native.native_library("ggml-cpu")


@functools.cache
def _score(variant: Path) -> int:
    """How well a variant suits this processor; 0 if it can't run here, or doesn't say."""
    score = getattr(ctypes.CDLL(str(variant)), "ggml_backend_score", None)
    return int(score()) if score else 0


_HEAD = 1 << 16
"""Bytes for a few tensors without their numbers."""


@contextmanager
def context(size: int = _HEAD) -> Iterator[int]:
    """A context of ggml's for tensors whose numbers lie elsewhere."""
    ggml = functions()
    made = ggml.ggml_init(Init(size, None, True))
    try:
        yield made
    finally:
        ggml.ggml_free(made)


@contextmanager
def allocated(context: int, buffer: int) -> Iterator[None]:
    """A context's tensors in memory of a buffer type, which nothing is written to yet."""
    ggml = functions()
    made = ggml.ggml_backend_alloc_ctx_tensors_from_buft(context, buffer)
    try:
        yield
    finally:
        ggml.ggml_backend_buffer_free(made)


def takes(device: int, buffer: int, kind: int, columns: int, rows: int) -> bool:
    """Whether weights of a type and shape are multiplied out of a buffer type, as ggml says."""
    ggml = functions()
    with context() as weights_context, context() as rest:
        matrix = ggml.ggml_new_tensor_2d(weights_context, kind, columns, rows)
        product = ggml.ggml_mul_mat(rest, matrix, ggml.ggml_new_tensor_2d(rest, 0, columns, 1))
        with allocated(weights_context, buffer):
            return bool(ggml.ggml_backend_dev_supports_op(device, product))


def copying_buffers(device: int) -> dict[str, int]:
    """The CPU's buffer types that copy weights, by name, in the order in which llama.cpp asks them.

    ggml decides once in a process which there are, when it is first asked.
    """
    ggml = functions()
    registry = ggml.ggml_backend_dev_backend_reg(device)
    name = b"ggml_backend_dev_get_extra_bufts"
    address = ggml.ggml_backend_reg_get_proc_address(registry, name)
    if not address:
        return {}
    ask = ctypes.CFUNCTYPE(ctypes.POINTER(_POINTER), _POINTER)(address)
    listed, found = ask(device), {}
    for kind in iter(iter(listed).__next__, None):  # the last one is null
        found[ggml.ggml_backend_buft_name(kind).decode()] = kind
    return found
