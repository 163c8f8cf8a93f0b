"""How fast this machine's CPU goes through weights: what a token of an answer has to wait for.

Each token reads every weight once, so a model's speed is that of matrix times vector in its types.
It is measured with ggml's own code, by all threads that would compute: a plain reading of memory
says twice as much, where the cores are too few or too slow for it.
"""

from __future__ import annotations

import ctypes
import functools
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from edge_med import _platform, native
from edge_med.artifacts.tensor_types import BY_NAME, F32, TensorType
from edge_med.engine.llama.cpu import ggml

TYPES = ("Q4_K", "Q6_K", "Q8_0", "F16")
"""One of each kind: blocks of few bits, of many, of whole bytes, and plain numbers."""

SECONDS = 0.1
"""For each type, with all threads and with one."""

_ROW, _ROWS, _MATRICES = 4096, 4096, 8
"""Of 75 MB in Q4_K and more in the others: beyond most processors' caches."""

_ONE = 0x3C
"""A byte that makes small, ordinary numbers in every type; zeros would share one page of memory."""

_OVERHEAD = 16 << 20  # for the graph and the vectors


class _Plan(ctypes.Structure):
    """`struct ggml_cplan` (ggml-cpu.h)."""

    _fields_ = (
        ("work_size", ctypes.c_size_t),
        ("work", ctypes.c_void_p),
        ("threads", ctypes.c_int),
        ("pool", ctypes.c_void_p),
        ("abort", ctypes.c_void_p),
        ("abort_data", ctypes.c_void_p),
        ("use_ref", ctypes.c_bool),
    )


def measure(threads: int | None = None) -> dict[str, float]:
    """Bytes of weights a second, by type; in about two seconds.

    Threads wait for each other, so where other programs keep the cores busy, one may be faster.

    Raises:
        EngineError: llama-cpp-python is missing, or brings its CPU code in several variants.
    """
    counts = {threads or _platform.performance_cores(), 1}
    return {name: max(_rate(BY_NAME[name], count) for count in counts) for name in TYPES}


def _rate(kind: TensorType, threads: int) -> float:
    size = _MATRICES * _ROWS * kind.row_bytes(_ROW)
    with _graph(kind, size, threads) as compute:
        compute()  # threads start, and memory comes into place
        best, end = math.inf, time.perf_counter() + SECONDS
        while time.perf_counter() < end:
            began = time.perf_counter()
            compute()
            best = min(best, time.perf_counter() - began)
    return size / best


@contextmanager
def _graph(kind: TensorType, size: int, threads: int) -> Iterator[Callable[[], object]]:
    """Several matrices times a vector; what comes out computes them all."""
    base, cpu = _libraries()
    context = base.ggml_init(ggml.Init(size + _OVERHEAD, None, False))
    try:
        vector = base.ggml_new_tensor_2d(context, F32.id, _ROW, 1)
        ctypes.memset(base.ggml_get_data(vector), _ONE, F32.row_bytes(_ROW))
        graph = base.ggml_new_graph(context)
        for _ in range(_MATRICES):
            matrix = base.ggml_new_tensor_2d(context, kind.id, _ROW, _ROWS)
            ctypes.memset(base.ggml_get_data(matrix), _ONE, size // _MATRICES)
            base.ggml_build_forward_expand(graph, base.ggml_mul_mat(context, matrix, vector))
        plan = cpu.ggml_graph_plan(graph, threads, None)
        work = ctypes.create_string_buffer(plan.work_size or 1)
        plan.work = ctypes.addressof(work)
        yield lambda: cpu.ggml_graph_compute(graph, ctypes.byref(plan))
    finally:
        base.ggml_free(context)


@functools.cache
def _libraries() -> tuple[Any, Any]:
    base = ctypes.CDLL(str(native.native_library("ggml-base")))
    cpu = ctypes.CDLL(str(ggml.cpu_library()))
    pointer, number = ctypes.c_void_p, ctypes.c_int64
    signatures: tuple[tuple[Any, str, list[Any], Any], ...] = (
        (base, "ggml_init", [ggml.Init], pointer),
        (base, "ggml_new_tensor_2d", [pointer, ctypes.c_int, number, number], pointer),
        (base, "ggml_get_data", [pointer], pointer),
        (base, "ggml_mul_mat", [pointer] * 3, pointer),
        (base, "ggml_new_graph", [pointer], pointer),
        (base, "ggml_build_forward_expand", [pointer] * 2, None),
        (base, "ggml_free", [pointer], None),
        (cpu, "ggml_graph_plan", [pointer, ctypes.c_int, pointer], _Plan),
        (cpu, "ggml_graph_compute", [pointer, pointer], ctypes.c_int),
    )
    for library, name, arguments, result in signatures:
        function = getattr(library, name)
        function.argtypes, function.restype = arguments, result
    return base, cpu
