"""The weights of a quantized file as plain numbers, with which nothing is rounded on the way."""

from __future__ import annotations

from pathlib import Path

from gguf import GGMLQuantizationType, GGUFReader, GGUFValueType, GGUFWriter
from gguf.quants import dequantize

_WRITTEN_BY_THE_WRITER = ("GGUF.", "general.architecture", "general.file_type")


def widened(quantized: Path, out: Path) -> Path:
    """Write a model anew, each weight in F32 as gguf's own code reads it.

    Args:
        quantized: a GGUF file.
        out: where the new one is written.
    """
    reader = GGUFReader(quantized)
    writer = GGUFWriter(out, str(reader.fields["general.architecture"].contents()))
    for field in reader.fields.values():
        if field.name.startswith(_WRITTEN_BY_THE_WRITER):
            continue
        kind, *parts = field.types
        part = parts[-1] if kind == GGUFValueType.ARRAY else None
        writer.add_key_value(field.name, field.contents(), kind, part)
    for tensor in reader.tensors:
        wide = dequantize(tensor.data, tensor.tensor_type)
        writer.add_tensor(tensor.name, wide, raw_dtype=GGMLQuantizationType.F32)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return out
