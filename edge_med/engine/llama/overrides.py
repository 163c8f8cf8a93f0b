"""What a file's header says of tokenizing that would be wrong for Gemma, overridden at loading.

Gemma's SentencePiece model adds no space before a text (`add_dummy_prefix` is false). A file that
says nothing of it makes llama.cpp add one after each control token, an image's among them: one
token more than the model was trained with.
"""

from __future__ import annotations

import ctypes

from edge_med.artifacts.gguf import Header

SPACE_PREFIX = "tokenizer.ggml.add_space_prefix"

_BOOL = 2
"""LLAMA_KV_OVERRIDE_TYPE_BOOL (llama.h)."""


class _KeyOverride(ctypes.Structure):
    """`llama_model_kv_override` (llama.h), whose value is a union of up to 128 bytes."""

    _fields_ = (
        ("tag", ctypes.c_int),
        ("key", ctypes.c_char * 128),
        ("value", ctypes.c_int64 * 16),
    )


def overrides(header: Header) -> ctypes.Array[_KeyOverride] | None:
    """The values that llama.cpp gets instead, ended by an empty key; None if there are none."""
    if header.metadata.get(SPACE_PREFIX) is False:
        return None
    listed = (_KeyOverride * 2)()
    listed[0].tag, listed[0].key = _BOOL, SPACE_PREFIX.encode()
    return listed
