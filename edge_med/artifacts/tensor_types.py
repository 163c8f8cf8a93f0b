"""What ggml can store a tensor as, and how many bytes a row of each type takes.

Q8_1 and Q8_K are missing: ggml computes with them and never stores them.

Source: `enum ggml_type` and the block structs of ggml 0.25.3 (ggml.h, ggml-common.h).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TensorType:
    """One of ggml's tensor types.

    Attributes:
        name: name as llama.cpp prints it, in capitals.
        id: the number in a GGUF file.
        block: elements that are stored together; a row must be a multiple of it.
        block_bytes: bytes that such a block takes.
    """

    name: str
    id: int
    block: int
    block_bytes: int

    def fits(self, row: int) -> bool:
        """Whether a row of so many elements can be stored in this type."""
        return row % self.block == 0

    def row_bytes(self, row: int) -> int:
        """Bytes of one row; the row must fit."""
        return row // self.block * self.block_bytes


_TABLE = (
    # name, id, elements in a block, bytes of a block
    ("F32", 0, 1, 4),
    ("F16", 1, 1, 2),
    ("Q4_0", 2, 32, 18),
    ("Q4_1", 3, 32, 20),
    ("Q5_0", 6, 32, 22),
    ("Q5_1", 7, 32, 24),
    ("Q8_0", 8, 32, 34),
    ("Q2_K", 10, 256, 84),
    ("Q3_K", 11, 256, 110),
    ("Q4_K", 12, 256, 144),
    ("Q5_K", 13, 256, 176),
    ("Q6_K", 14, 256, 210),
    ("IQ2_XXS", 16, 256, 66),
    ("IQ2_XS", 17, 256, 74),
    ("IQ3_XXS", 18, 256, 98),
    ("IQ1_S", 19, 256, 50),
    ("IQ4_NL", 20, 32, 18),
    ("IQ3_S", 21, 256, 110),
    ("IQ2_S", 22, 256, 82),
    ("IQ4_XS", 23, 256, 136),
    ("I8", 24, 1, 1),
    ("I16", 25, 1, 2),
    ("I32", 26, 1, 4),
    ("I64", 27, 1, 8),
    ("F64", 28, 1, 8),
    ("IQ1_M", 29, 256, 56),
    ("BF16", 30, 1, 2),
    ("TQ1_0", 34, 256, 54),
    ("TQ2_0", 35, 256, 66),
    ("MXFP4", 39, 32, 17),
    ("NVFP4", 40, 64, 36),
    ("Q1_0", 41, 128, 18),
    ("Q2_0", 42, 64, 18),
)

BY_NAME = {name: TensorType(name, *rest) for name, *rest in _TABLE}
BY_ID = {kind.id: kind for kind in BY_NAME.values()}

F32, F16, BF16 = BY_NAME["F32"], BY_NAME["F16"], BY_NAME["BF16"]
FLOATS = (F32, F16, BF16)
