"""The functions of llama.cpp that are used, with the types of its headers, and no others.

llama-cpp-python binds them too, but its package opens files and loads a template engine and a
database when it is imported. A test compares every signature and layout with its bindings.
"""

from __future__ import annotations

import ctypes
from ctypes import POINTER, c_bool, c_char_p, c_float, c_int32, c_size_t, c_uint8, c_uint32
from typing import Any

_POINTER = ctypes.c_void_p

LogCallback = ctypes.CFUNCTYPE(None, ctypes.c_int, c_char_p, _POINTER)
AbortCallback = ctypes.CFUNCTYPE(c_bool, _POINTER)
EvalCallback = ctypes.CFUNCTYPE(c_bool, _POINTER, c_bool, _POINTER)

F16, Q8_0 = 1, 8  # GGML_TYPE_F16, GGML_TYPE_Q8_0 (ggml.h)
CONTROL, USER_DEFINED = 1 << 3, 1 << 4  # LLAMA_TOKEN_ATTR_… (llama.h)


class LlamaModelParams(ctypes.Structure):
    """`llama_model_params` (llama.h)."""

    _fields_ = (
        ("devices", _POINTER),
        ("tensor_buft_overrides", _POINTER),
        ("n_gpu_layers", c_int32),
        ("split_mode", ctypes.c_int),
        ("load_mode", ctypes.c_int),
        ("lazy_mode", ctypes.c_int),
        ("main_gpu", c_int32),
        ("tensor_split", POINTER(c_float)),
        ("progress_callback", _POINTER),
        ("progress_callback_user_data", _POINTER),
        ("kv_overrides", _POINTER),
        ("vocab_only", c_bool),
        ("check_tensors", c_bool),
        ("use_extra_bufts", c_bool),
        ("no_host", c_bool),
        ("no_alloc", c_bool),
        ("load_mtp", c_bool),
    )


class ContextParams(ctypes.Structure):
    """`llama_context_params` (llama.h)."""

    _fields_ = (
        ("n_ctx", c_uint32),
        ("n_batch", c_uint32),
        ("n_ubatch", c_uint32),
        ("n_seq_max", c_uint32),
        ("n_rs_seq", c_uint32),
        ("n_outputs_max", c_uint32),
        ("n_outputs_max_per_seq", c_uint32),
        ("n_threads", c_int32),
        ("n_threads_batch", c_int32),
        ("ctx_type", ctypes.c_int),
        ("rope_scaling_type", ctypes.c_int),
        ("pooling_type", ctypes.c_int),
        ("attention_type", ctypes.c_int),
        ("flash_attn_type", ctypes.c_int),
        ("rope_freq_base", c_float),
        ("rope_freq_scale", c_float),
        ("yarn_ext_factor", c_float),
        ("yarn_attn_factor", c_float),
        ("yarn_beta_fast", c_float),
        ("yarn_beta_slow", c_float),
        ("yarn_orig_ctx", c_uint32),
        ("defrag_thold", c_float),
        ("cb_eval", EvalCallback),
        ("cb_eval_user_data", _POINTER),
        ("type_k", ctypes.c_int),
        ("type_v", ctypes.c_int),
        ("abort_callback", AbortCallback),
        ("abort_callback_data", _POINTER),
        ("embeddings", c_bool),
        ("offload_kqv", c_bool),
        ("no_perf", c_bool),
        ("op_offload", c_bool),
        ("swa_full", c_bool),
        ("kv_unified", c_bool),
        ("samplers", _POINTER),
        ("n_samplers", c_size_t),
        ("ctx_other", _POINTER),
    )


class Batch(ctypes.Structure):
    """`llama_batch` (llama.h)."""

    _fields_ = (
        ("n_tokens", c_int32),
        ("token", POINTER(c_int32)),
        ("embd", POINTER(c_float)),
        ("pos", POINTER(c_int32)),
        ("n_seq_id", POINTER(c_int32)),
        ("seq_id", POINTER(POINTER(c_int32))),
        ("logits", POINTER(ctypes.c_int8)),
    )


class EncoderParams(ctypes.Structure):
    """`mtmd_context_params` (mtmd.h)."""

    _fields_ = (
        ("use_gpu", c_bool),
        ("device", _POINTER),
        ("print_timings", c_bool),
        ("n_threads", ctypes.c_int),
        ("image_marker", c_char_p),
        ("media_marker", c_char_p),
        ("flash_attn_type", ctypes.c_int),
        ("warmup", c_bool),
        ("image_min_tokens", ctypes.c_int),
        ("image_max_tokens", ctypes.c_int),
        ("cb_eval", EvalCallback),
        ("cb_eval_user_data", _POINTER),
        ("batch_max_tokens", c_int32),
        ("progress_callback", _POINTER),
        ("progress_callback_user_data", _POINTER),
    )


class InputText(ctypes.Structure):
    """`mtmd_input_text` (mtmd.h)."""

    _fields_ = (
        ("text", c_char_p),
        ("text_len", c_size_t),
        ("add_special", c_bool),
        ("parse_special", c_bool),
    )


LLAMA: dict[str, tuple[Any, list[Any]]] = {
    "llama_backend_init": (None, []),
    "llama_log_set": (None, [LogCallback, _POINTER]),
    "llama_print_system_info": (c_char_p, []),
    "llama_max_devices": (c_size_t, []),
    "llama_model_default_params": (LlamaModelParams, []),
    "llama_model_load_from_file": (_POINTER, [c_char_p, LlamaModelParams]),
    "llama_model_free": (None, [_POINTER]),
    "llama_model_n_embd": (c_int32, [_POINTER]),
    "llama_model_size": (ctypes.c_uint64, [_POINTER]),
    "llama_model_get_vocab": (_POINTER, [_POINTER]),
    "llama_vocab_n_tokens": (c_int32, [_POINTER]),
    "llama_vocab_get_text": (c_char_p, [_POINTER, c_int32]),
    "llama_vocab_get_attr": (ctypes.c_int, [_POINTER, c_int32]),
    "llama_vocab_is_eog": (c_bool, [_POINTER, c_int32]),
    "llama_tokenize": (
        c_int32,
        [_POINTER, c_char_p, c_int32, POINTER(c_int32), c_int32, c_bool, c_bool],
    ),
    "llama_token_to_piece": (
        c_int32,
        [_POINTER, c_int32, c_char_p, c_int32, c_int32, c_bool],
    ),
    "llama_adapter_lora_init": (_POINTER, [_POINTER, c_char_p]),
    "llama_adapter_lora_free": (None, [_POINTER]),
    "llama_context_default_params": (ContextParams, []),
    "llama_init_from_model": (_POINTER, [_POINTER, ContextParams]),
    "llama_free": (None, [_POINTER]),
    "llama_batch_init": (Batch, [c_int32, c_int32, c_int32]),
    "llama_batch_free": (None, [Batch]),
    "llama_decode": (c_int32, [_POINTER, Batch]),
    "llama_get_logits_ith": (POINTER(c_float), [_POINTER, c_int32]),
    "llama_set_causal_attn": (None, [_POINTER, c_bool]),
    "llama_set_abort_callback": (None, [_POINTER, AbortCallback, _POINTER]),
    "llama_set_adapters_lora": (
        c_int32,
        [_POINTER, POINTER(_POINTER), c_size_t, POINTER(c_float)],
    ),
    "llama_get_memory": (_POINTER, [_POINTER]),
    "llama_memory_seq_rm": (c_bool, [_POINTER, c_int32, c_int32, c_int32]),
    "llama_memory_seq_pos_min": (c_int32, [_POINTER, c_int32]),
    "llama_state_seq_get_size_ext": (c_size_t, [_POINTER, c_int32, c_uint32]),
    "llama_state_seq_get_data_ext": (
        c_size_t,
        [_POINTER, POINTER(c_uint8), c_size_t, c_int32, c_uint32],
    ),
    "llama_state_seq_set_data_ext": (
        c_size_t,
        [_POINTER, POINTER(c_uint8), c_size_t, c_int32, c_uint32],
    ),
}
"""Of llama.h."""

MTMD: dict[str, tuple[Any, list[Any]]] = {
    "mtmd_log_set": (None, [LogCallback, _POINTER]),
    "mtmd_helper_log_set": (None, [LogCallback, _POINTER]),
    "mtmd_context_params_default": (EncoderParams, []),
    "mtmd_init_from_file": (_POINTER, [c_char_p, _POINTER, EncoderParams]),
    "mtmd_free": (None, [_POINTER]),
    "mtmd_bitmap_init": (_POINTER, [c_uint32, c_uint32, POINTER(c_uint8)]),
    "mtmd_bitmap_free": (None, [_POINTER]),
    "mtmd_input_chunks_init": (_POINTER, []),
    "mtmd_input_chunks_size": (c_size_t, [_POINTER]),
    "mtmd_input_chunks_get": (_POINTER, [_POINTER, c_size_t]),
    "mtmd_input_chunks_free": (None, [_POINTER]),
    "mtmd_input_chunk_get_type": (ctypes.c_int, [_POINTER]),
    "mtmd_input_chunk_get_n_tokens": (c_size_t, [_POINTER]),
    "mtmd_tokenize": (
        c_int32,
        [_POINTER, _POINTER, POINTER(InputText), POINTER(_POINTER), c_size_t],
    ),
    "mtmd_encode_chunk": (c_int32, [_POINTER, _POINTER]),
    "mtmd_get_output_embd": (POINTER(c_float), [_POINTER]),
}
"""Of mtmd.h and mtmd-helper.h."""


class FunctionTable:
    """The functions of a table, by name, out of a library."""

    def __init__(self, library: ctypes.CDLL, table: dict[str, tuple[Any, list[Any]]]) -> None:
        """Give each function its types.

        Raises:
            OSError: the library lacks one.
        """
        for name, (result, arguments) in table.items():
            function = getattr(library, name, None)
            if function is None:
                raise OSError(f"{name} isn't in llama.cpp's library")
            function.restype, function.argtypes = result, arguments
            setattr(self, name, function)

    def __getattr__(self, name: str) -> Any:
        """A function that isn't in the table."""
        raise AttributeError(name)
