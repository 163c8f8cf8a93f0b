"""The child that tries the CPU's code: small products of every kind, compared with plain numbers.

It says what it finds as soon as it is known: a fault of native code ends it wherever it is.
"""

from __future__ import annotations

import re

import numpy as np
import numpy.typing as npt

from edge_med import _platform
from edge_med._platform import children
from edge_med.artifacts.tensor_types import BY_NAME, TensorType
from edge_med.engine.llama.cpu import ggml
from edge_med.engine.llama.cpu.amx import refused
from edge_med.engine.llama.cpu.code_levels import AMX

Floats = npt.NDArray[np.float32]

TYPES = (
    *("F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "IQ4_NL"),
    *("Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ4_XS"),
)
"""Those that conversions write (artifacts/quant_mix.py), and others that are common in GGUF."""

COLUMNS, ROWS = 512, 64
"""Of a matrix of weights: two blocks of K-quants, and two of AMX's blocks of 32 rows (amx.cpp)."""

VECTORS = (1, 33, 34)
"""A token of an answer, and parts of a prompt that fill no kernel's block of rows. Of an odd
number ARM's instructions for matrices (i8mm) take none, of an even one two at a time
(ggml-cpu.c, ggml_compute_forward_mul_mat)."""

TOLERANCE = 0.02
"""Largest difference, relative to the products' root mean square. llama.cpp rounds what it
multiplies with to 8 bits: on a Xeon the largest was 0.0024, with AMX and without."""

_GRAPH = 1 << 20
"""Bytes for a graph and its tensors without their numbers."""


def main(*, amx: bool, copies: bool) -> None:
    """Try everything that the CPU would use at one level, and say what came out.

    Args:
        amx: whether AMX's code is used.
        copies: whether weights are copied.
    """
    _platform.forgo_core_dumps()
    try:
        device = ggml.cpu_device()
    except OSError as error:
        children.report(unloadable=_without_folders(error))
        return
    found = _buffers(device, amx=amx) if copies else {}
    children.report(copies=list(found))
    ordinary = ggml.functions().ggml_backend_dev_buffer_type(device)
    for name, buffer in {"": ordinary, **found}.items():
        for kind in TYPES:
            one = BY_NAME[kind]
            if name and not ggml.takes(device, buffer, one.id, COLUMNS, ROWS):
                continue
            if not largest_error(device, buffer, one) <= TOLERANCE:  # nan isn't
                children.report(wrong=f"{kind} in {name}" if name else kind)
                return
    children.report(sound=True)


def _without_folders(error: OSError) -> str:
    """What the system says of a library, with files' names alone: a path names its user."""
    return re.sub(r"\S*[/\\]", "", str(error))


def _buffers(device: int, *, amx: bool) -> dict[str, int]:
    if amx:
        return ggml.copying_buffers(device)
    found = refused(lambda: ggml.copying_buffers(device))
    return {name: kind for name, kind in found.items() if name != AMX}


def largest_error(device: int, buffer: int, kind: TensorType) -> float:
    """The largest difference of products from plain ones, relative to their root mean square.

    Args:
        device: ggml's CPU.
        buffer: type of the buffer that the weights are in; it must take them.
        kind: the type of the weights.
    """
    stored = np.empty(ROWS * kind.row_bytes(COLUMNS), np.uint8)
    _quantize(_noise(ROWS, 0), kind, stored)
    plain = _widened(stored, kind)
    errors = []
    for count in VECTORS:
        vectors = _noise(count, ROWS)
        made = _product(device, buffer, kind, stored, vectors)
        right = np.einsum("mk,nk->mn", vectors, plain, dtype=np.float64)
        errors.append(np.abs(made - right).max() / np.sqrt(np.square(right).mean()))
    return float(np.max(errors))


def _noise(rows: int, seed: int) -> Floats:
    """Numbers between -1 and 1 that are the same on every machine."""
    count = np.arange(rows * COLUMNS, dtype=np.float64) + seed * COLUMNS
    mixed = np.modf(np.sin(count * 12.9898 + 1.0) * 43758.5453)[0]
    return mixed.astype(np.float32).reshape(rows, COLUMNS)


def _quantize(weights: Floats, kind: TensorType, out: npt.NDArray[np.uint8]) -> None:
    make = ggml.functions().ggml_quantize_chunk
    make(kind.id, weights.ctypes.data, out.ctypes.data, 0, ROWS, COLUMNS, None)


def _widened(stored: npt.NDArray[np.uint8], kind: TensorType) -> Floats:
    if kind.name == "F32":
        return stored.view(np.float32).reshape(ROWS, COLUMNS)
    out = np.empty((ROWS, COLUMNS), np.float32)
    traits = ggml.functions().ggml_get_type_traits(kind.id).contents
    traits.to_float(stored.ctypes.data, out.ctypes.data, out.size)
    return out


def _product(
    device: int, buffer: int, kind: TensorType, stored: npt.NDArray[np.uint8], vectors: Floats
) -> Floats:
    """Weights times vectors by ggml, the weights in a buffer of a type."""
    api = ggml.functions()
    ordinary = api.ggml_backend_dev_buffer_type(device)
    with ggml.context() as weights_context, ggml.context(_GRAPH) as rest:
        matrix = api.ggml_new_tensor_2d(weights_context, kind.id, COLUMNS, ROWS)
        given = api.ggml_new_tensor_2d(rest, BY_NAME["F32"].id, COLUMNS, len(vectors))
        made = api.ggml_mul_mat(rest, matrix, given)
        with ggml.allocated(weights_context, buffer), ggml.allocated(rest, ordinary):
            api.ggml_backend_tensor_set(matrix, stored.ctypes.data, 0, stored.nbytes)
            api.ggml_backend_tensor_set(given, vectors.ctypes.data, 0, vectors.nbytes)
            _compute(device, rest, made)
            out = np.empty((len(vectors), ROWS), np.float32)
            api.ggml_backend_tensor_get(made, out.ctypes.data, 0, out.nbytes)
    return out


def _compute(device: int, context: int, made: int) -> None:
    """By as many threads as ggml takes by itself (ggml-cpu.h, GGML_DEFAULT_N_THREADS)."""
    api = ggml.functions()
    graph = api.ggml_new_graph(context)
    api.ggml_build_forward_expand(graph, made)
    backend = api.ggml_backend_dev_init(device, None)
    try:
        api.ggml_backend_graph_compute(backend, graph)
    finally:
        api.ggml_backend_free(backend)
