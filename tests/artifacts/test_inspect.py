"""The facts are those of the config that the file was made from."""

from __future__ import annotations

from edge_med.artifacts.inspect import inspect
from tests.checkpoints.tiny import PADDED_VOCABULARY
from tests.conftest import Models


def test_a_text_model(model: Models) -> None:
    facts = inspect(model("multimodal", "Q8_0") / "multimodal-Q8_0.gguf")
    assert (facts.role, facts.architecture, facts.quant) == ("text", "gemma3", "Q8_0")
    assert (facts.layers, facts.hidden, facts.heads, facts.key_value_heads) == (6, 256, 4, 2)
    assert (facts.vocabulary, facts.context, facts.window) == (PADDED_VOCABULARY, 512, 32)
    assert facts.template_sha256 is not None
    assert {total.type for total in facts.types} == {"Q8_0", "F32"}
    assert facts.notice is not None
    assert "modified from the original" in facts.notice


def test_a_projector(model: Models) -> None:
    facts = inspect(model("multimodal", "Q8_0") / "multimodal-mmproj-F16.gguf")
    assert (facts.role, facts.architecture, facts.quant) == ("projector", "clip", "F16")
    assert (facts.layers, facts.hidden, facts.image_size, facts.image_tokens) == (2, 256, 56, 4)
    assert facts.vocabulary is None
