"""How fast a model can answer, by how fast a machine goes through its weights."""

from __future__ import annotations

from collections.abc import Mapping

from edge_med.artifacts.gguf import Header
from edge_med.planner.sizes import is_tied

SIMILAR_TYPES = {
    "Q4_0": "Q4_K",
    "IQ4_NL": "Q4_K",
    "IQ4_XS": "Q4_K",
    "Q5_0": "Q6_K",
    "Q5_1": "Q6_K",
    "Q5_K": "Q6_K",
    "BF16": "F16",
    "F32": "F16",
}
"""The measured type whose rate is used for a type that isn't measured."""


def tokens_per_second(text: Header, rates: Mapping[str, float]) -> float:
    """The most tokens of an answer in a second: each token reads every weight once.

    Args:
        text: the header of the text model.
        rates: bytes a second by type, as `edge_med.engine.llama.cpu_benchmark.measure` returns.
    """
    slowest = min(rates.values())
    seconds = 0.0
    for tensor in text.tensors:
        if tensor.name == "token_embd.weight" and not is_tied(text):
            continue  # one row of it is read
        name = tensor.type.name
        seconds += tensor.size / rates.get(SIMILAR_TYPES.get(name, name), slowest)
    return 1 / seconds
