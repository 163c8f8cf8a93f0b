"""Our table of types is ggml's."""

from __future__ import annotations

from gguf import GGML_QUANT_SIZES, GGMLQuantizationType

from edge_med.artifacts.tensor_types import BY_NAME


def test_every_type_of_the_gguf_package_has_the_same_number_and_size() -> None:
    theirs = {
        kind.name: (kind.value, *GGML_QUANT_SIZES[kind])
        for kind in GGMLQuantizationType
        if kind.name not in ("Q8_1", "Q8_K")  # never stored
    }
    ours = {name: (kind.id, kind.block, kind.block_bytes) for name, kind in BY_NAME.items()}
    assert {name: ours.get(name) for name in theirs} == theirs


def test_a_row_that_is_no_multiple_of_the_block_does_not_fit() -> None:
    assert BY_NAME["Q4_K"].fits(512)
    assert not BY_NAME["Q4_K"].fits(640)
    assert BY_NAME["Q4_K"].row_bytes(512) == 288
