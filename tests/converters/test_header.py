"""The packed header is what the gguf package's writer would have written."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np

from converters.header import TensorLine, pack_header
from edge_med.artifacts.gguf import read_header


def collected() -> gguf.GGUFWriter:
    writer = gguf.GGUFWriter(path=None, arch="gemma3")
    writer.add_name("Grüße, 医学")
    writer.add_block_count(7)
    writer.add_rope_freq_base(1e6)
    writer.add_add_bos_token(True)
    writer.add_token_list(["<pad>", "a", "\u2581医"])
    writer.add_token_scores([0.0, -1.0, -2.5])
    writer.add_token_types([3, 1, 1])
    writer.add_array("flags", [True, False])
    return writer


def test_it_equals_the_gguf_packages_byte_for_byte(tmp_path: Path) -> None:
    writer = collected()
    values = dict(writer.kv_data[0])
    kind = gguf.GGMLQuantizationType.F32
    writer.add_tensor_info("a.weight", (3, 8), np.dtype(np.float32), 96, raw_dtype=kind)
    writer.add_tensor_info("b.weight", (5,), np.dtype(np.float32), 20, raw_dtype=kind)
    writer.write_header_to_file(tmp_path / "theirs")
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    writer.close()
    ours = pack_header(
        values, [TensorLine("a.weight", 0, (3, 8), 0), TensorLine("b.weight", 0, (5,), 96)]
    )
    theirs = (tmp_path / "theirs").read_bytes()
    assert ours[: len(theirs)] == theirs
    assert not any(ours[len(theirs) :])
    assert len(ours) % 32 == 0


def test_it_is_read_back_as_it_was_packed(tmp_path: Path) -> None:
    path = tmp_path / "x.gguf"
    path.write_bytes(
        pack_header(collected().kv_data[0], [TensorLine("t", 0, (2, 4), 0)]) + bytes(32)
    )
    header = read_header(path)
    tokens = header.array("tokenizer.ggml.tokens")
    assert header.text("general.name") == "Grüße, 医学"
    assert tokens is not None
    assert tokens.values() == ["<pad>", "a", "\u2581医"]
    assert header.tensors[0].shape == (2, 4)
