"""The functions that are used have the types that llama-cpp-python's own bindings give them."""

from __future__ import annotations

import ctypes
from typing import Any

import pytest
from llama_cpp import llama_cpp, mtmd_cpp

from edge_med.engine.llama import signatures
from edge_med.engine.llama.signatures import LLAMA, MTMD

STRUCTS = {
    signatures.LlamaModelParams: llama_cpp.llama_model_params,
    signatures.ContextParams: llama_cpp.llama_context_params,
    signatures.Batch: llama_cpp.llama_batch,
    signatures.EncoderParams: mtmd_cpp.mtmd_context_params,
    signatures.InputText: mtmd_cpp.mtmd_input_text,
}


def layout(kind: Any) -> list[tuple[str, int, int]]:
    """Name, place and size of each field."""
    fields = [(name, getattr(kind, name)) for name, *_ in kind._fields_]
    return [(name, field.offset, field.size) for name, field in fields]


@pytest.mark.parametrize("ours", STRUCTS, ids=lambda kind: kind.__name__)
def test_layouts_are_those_of_the_bindings(ours: Any) -> None:
    assert layout(ours) == layout(STRUCTS[ours])
    assert ctypes.sizeof(ours) == ctypes.sizeof(STRUCTS[ours])


def size(kind: Any) -> tuple[int, str] | None:
    """How a value of a type is passed: its bytes, and whether it is a number, a pointer or more."""
    if kind is None:
        return None
    code = getattr(kind, "_type_", None)
    simple = isinstance(code, str) and code not in "zP"
    pointer = not simple and not issubclass(kind, ctypes.Structure)
    whole = "pointer" if pointer else "float" if code in ("f", "d") else "value"
    return ctypes.sizeof(kind), whole


@pytest.mark.parametrize(
    ("library", "name", "given"),
    [
        *((llama_cpp._lib, name, given) for name, given in LLAMA.items()),
        *((mtmd_cpp._libmtmd, name, given) for name, given in MTMD.items()),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_signatures_are_those_of_the_bindings(library: Any, name: str, given: Any) -> None:
    theirs = getattr(library, name)
    result, arguments = given
    assert size(result) == size(theirs.restype)
    assert [size(one) for one in arguments] == [size(one) for one in theirs.argtypes or []]


def test_constants_are_those_of_the_bindings() -> None:
    assert signatures.F16 == llama_cpp.GGML_TYPE_F16
    assert signatures.Q8_0 == llama_cpp.GGML_TYPE_Q8_0
    assert signatures.CONTROL == llama_cpp.LLAMA_TOKEN_ATTR_CONTROL
    assert signatures.USER_DEFINED == llama_cpp.LLAMA_TOKEN_ATTR_USER_DEFINED
